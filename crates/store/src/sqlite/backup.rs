//! A copy of a database that is in use: one read transaction, through `SQLite`'s online backup, so that it holds every
//! commit that was acknowledged before it began and nothing by halves. It is opened, checked and counted against its source
//! before it gets its name; until then it is a draft beside it, and a kill leaves at most that. Never overwrites a file,
//! never holds the writer up, and never contains the root key.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use keyfob_core::time::Timestamp;
use rusqlite::backup::{Backup as Copying, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::failure::Outcome;
use super::writer::Transaction;
use super::{audit, meta};
use crate::{Audit, Backup, StoreError, column};

const TABLES: &str =
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
const RECORD: &str = "UPDATE meta SET backed_up_at = ?1";

/// Copy what `source` sees into a new file of mode 0600. `tag` tells its draft from any other.
pub(super) fn make(source: &Connection, file: &Path, tag: [u8; 8]) -> Outcome<Backup> {
    if file.symlink_metadata().is_ok() {
        return Err(refused(file, "it is there already, and a backup never overwrites"));
    }
    let draft = Draft::new(file, tag).map_err(|cause| refused(file, cause))?;
    // One read transaction around the counts and the copy: both are of the same instant.
    source.execute_batch("BEGIN")?;
    let copied = count(source).and_then(|tables| {
        let revision = meta::revision(source)?;
        copy(source, &draft.0)?;
        Ok((tables, revision))
    });
    source.execute_batch("ROLLBACK")?;
    let (tables, revision) = copied?;
    if verify(&draft.0)? != tables {
        return Err(refused(file, "the copy has not the rows of the database; is the disk sound?"));
    }
    let bytes = draft.publish(file).map_err(|cause| refused(file, cause))?;
    Ok(Backup { revision, bytes, tables })
}

/// Keep when the last backup was made, with its audit row.
pub(super) fn record(transaction: &Transaction<'_>, by: &Audit) -> Outcome<()> {
    transaction.db().prepare_cached(RECORD)?.execute([by.at.micros()])?;
    audit::append(transaction.db(), by)
}

/// When the last backup was made.
pub(super) fn last(db: &Connection) -> Outcome<Option<Timestamp>> {
    let at: Option<i64> = db.prepare_cached("SELECT backed_up_at FROM meta")?.query_one([], |row| row.get(0))?;
    Ok(at.map(column::time))
}

/// The rows of each table, in order of name.
pub(super) fn count(db: &Connection) -> Outcome<Vec<(String, u64)>> {
    let names = db.prepare(TABLES)?.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let mut tables = Vec::with_capacity(names.len());
    for name in names {
        let sql = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
        let rows = column::unsigned(db.query_row(&sql, [], |row| row.get(0))?)?;
        tables.push((name, rows));
    }
    Ok(tables)
}

fn copy(source: &Connection, draft: &Path) -> Outcome<()> {
    let mut copy = Connection::open_with_flags(draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // A draft that is not finished is thrown away, and a finished one is synced below: a journal would only cost.
    copy.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
    copy.pragma_update(None, "synchronous", "OFF")?;
    // All pages in one step: the source's read transaction stands still, and a writer never waits for a reader (WAL).
    match Copying::new(source, &mut copy)?.step(-1)? {
        StepResult::Done => Ok(()),
        _ => Err(StoreError::Unavailable("the database is locked by another program".to_owned()).into()),
    }
}

/// Open the copy as anybody would, leave write-ahead mode so that it is one file, and check every page of it.
pub(super) fn verify(draft: &Path) -> Outcome<Vec<(String, u64)>> {
    let db = Connection::open_with_flags(draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.pragma_update_and_check(None, "locking_mode", "exclusive", |_| Ok(()))?;
    db.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    super::check(&db)?;
    count(&db)
}

/// A file under a name of its own, beside the one it will have; removed if it never gets that.
pub(super) struct Draft(PathBuf);

impl Draft {
    /// Make it, of mode 0600.
    pub(super) fn new(file: &Path, tag: [u8; 8]) -> std::io::Result<Self> {
        let name = file.file_name().ok_or(Error::from(ErrorKind::InvalidFilename))?;
        let mut draft = name.to_owned();
        draft.push(format!(".{:016x}.part", u64::from_be_bytes(tag)));
        let draft = file.with_file_name(draft);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        Ok(Self(draft))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// On the disk first, then under its name: whoever finds that name finds all of it. Its size in bytes.
    pub(super) fn publish(self, file: &Path) -> std::io::Result<u64> {
        let draft = File::open(&self.0)?;
        draft.sync_all()?;
        match fs::hard_link(&self.0, file) {
            Ok(()) => {}
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => return Err(cause),
            // A file system without hard links, such as that of a memory stick.
            Err(_) if file.symlink_metadata().is_err() => fs::rename(&self.0, file)?,
            Err(cause) => return Err(cause),
        }
        let bytes = draft.metadata()?.len();
        drop(self);
        File::open(crate::directory_of(file))?.sync_all()?;
        Ok(bytes)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It has its other name by now, or it is worth nothing.
        let _ = fs::remove_file(&self.0);
    }
}

/// Why there is no backup.
pub(super) fn refused(file: &Path, why: impl std::fmt::Display) -> super::failure::Failure {
    StoreError::Backup(format!("cannot write the backup {}: {why}", file.display())).into()
}
