//! Restoring a backup, or accepting a database that was put back by hand: either begins a new life of the store (guarantee
//! G6). The incarnation is new, so no token from before is believed; every session ends, and with it what was minted from
//! it; API keys keep the incarnation they were made in, which suspends them; clients are suspended. Only with no owner of the data directory.
//!
//! Cut off at any instant, what is at the database's path is the old store or the new one, whole, and the mark admits
//! either: the new one is made and synced beside; the old one's log is emptied into it; the mark names the coming life; the
//! old file gets a second name; one rename; the mark forgets the old life. The file that is restored is only read.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use keyfob_core::change::Revision;
use keyfob_core::id::Incarnation;
use rusqlite::{Connection, OpenFlags};

use super::failure::{Failure, Outcome};
use super::{audit, backup, connection, meta, migrate, moving};
use crate::high_water::{HighWater, Reached};
use crate::moving::mark::State;
use crate::root_key::RootKey;
use crate::{Audit, Restored, Result, StoreError, column, sabotage};

const BEGIN_LIFE: &str = "UPDATE meta SET incarnation = ?1, revision = ?2, restored_at = ?3";
/// A store that moved away is one again, in another life.
const FORGET_MOVE: &str = "DELETE FROM moves";
const SUSPEND_CLIENTS: &str = "UPDATE clients SET status = 'suspended', by_restore = 1 WHERE status = 'active'";
const END_SESSIONS: &str = "UPDATE sessions SET ended_at = ?1 WHERE ended_at IS NULL";

/// The life that begins.
pub struct NewLife<'a> {
    /// The root key in force; the database must have been made with it.
    pub root_key: &'a RootKey,
    /// Sixteen random bytes.
    pub incarnation: [u8; 16],
    /// The high-water mark's file.
    pub mark: &'a Path,
    /// A date for the name that the replaced database is kept under, such as `20260102T030405Z`.
    pub date: &'a str,
    /// Who restores; `at` is the instant that sessions end.
    pub by: &'a Audit,
}

/// Put a copy of `file` in the place of the database at `path`, as a new life.
///
/// # Errors
/// [`StoreError::Backup`] if the file cannot be used, [`StoreError::WrongRootKey`], [`StoreError::Schema`],
/// [`StoreError::Corrupt`] and [`StoreError::HighWater`]; the old database is then as it was.
pub fn restore(file: &Path, path: &Path, life: &NewLife<'_>) -> Result<Restored> {
    Ok(replace(file, path, life)?)
}

/// Make a new life of the database at `path`, where the mark does not admit it.
///
/// # Errors
/// As [`restore`]; [`StoreError::Backup`] if there is nothing to accept.
pub fn accept_rollback(path: &Path, life: &NewLife<'_>) -> Result<Restored> {
    Ok(accept(path, life)?)
}

fn replace(file: &Path, path: &Path, life: &NewLife<'_>) -> Outcome<Restored> {
    let draft = path.with_extension("db.restoring");
    copy(file, &draft).map_err(|cause| refused(format!("cannot restore {}: {cause}", file.display())))?;
    let db = Connection::open_with_flags(&draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.pragma_update_and_check(None, "locking_mode", "exclusive", |_| Ok(()))?;
    db.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(())).map_err(|_| no_backup(file))?;
    examine(&db, life).map_err(|failure| told(file, failure))?;
    // A mark that is damaged admits nothing, and is replaced below.
    let mark = HighWater::read(life.mark).unwrap_or(None);
    let from = meta::revision(&db)?;
    let old = settle_old(path)?;
    let floor = mark.map_or(from, |mark| mark.highest()).max(from).max(old.unwrap_or(from));
    let reached = reached(life, floor);
    let ended = begin(&db, life, reached)?;
    let restored = told_of(&db, life, from, reached, ended)?;
    db.close().map_err(|(_, cause)| cause)?;
    sync(&draft)?;
    if let Some(mark) = mark {
        HighWater { next: Some(reached), ..mark }.replace(life.mark)?;
    }
    let kept = keep(path, life.date)?;
    fs::rename(&draft, path).and_then(|()| sync_directory(path)).map_err(unavailable)?;
    HighWater { at: reached, next: None }.replace(life.mark)?;
    Ok(Restored { kept, ..restored })
}

fn accept(path: &Path, life: &NewLife<'_>) -> Outcome<Restored> {
    let db = connection::open(path)?;
    migrate::inspect(&db)?;
    connection::prepare_to_write(&db)?;
    examine(&db, life)?;
    let from = meta::revision(&db)?;
    let here = Reached { incarnation: meta::open(&db, life.root_key, life.incarnation)?, revision: from };
    // A mark that is damaged admits nothing, and this replaces it.
    let mark = HighWater::read(life.mark).unwrap_or(None);
    let moved = moving::mark(&db)?.is_some_and(|mark| mark.state == State::Away);
    if !moved && (mark.is_some_and(|mark| mark.judge(here).is_ok()) || !life.mark.exists()) {
        return Err(refused("the database is the one that was last served, with nothing missing: nothing was done"));
    }
    let reached = reached(life, mark.map_or(from, |mark| mark.highest()).max(from));
    if let Some(mark) = mark {
        HighWater { next: Some(reached), ..mark }.replace(life.mark)?;
    }
    let ended = begin(&db, life, reached)?;
    let restored = told_of(&db, life, from, reached, ended)?;
    db.close().map_err(|(_, cause)| cause)?;
    HighWater { at: reached, next: None }.replace(life.mark)?;
    Ok(restored)
}

/// The new life's first revision is above all that any reader or mark has seen.
fn reached(life: &NewLife<'_>, floor: Revision) -> Reached {
    Reached { incarnation: Incarnation(life.incarnation), revision: Revision(floor.0 + 1) }
}

/// The file is ours, under this root key, sound, and of this version's schema.
fn examine(db: &Connection, life: &NewLife<'_>) -> Outcome<()> {
    if migrate::is_empty(db)? {
        return Err(refused("it is an empty database"));
    }
    migrate::inspect(db)?;
    db.pragma_update(None, "foreign_keys", true)?;
    meta::open(db, life.root_key, life.incarnation)?;
    super::check(db)?;
    migrate::migrate(db)
}

/// Begin the life, in one transaction with its audit row. How many sessions ended.
fn begin(db: &Connection, life: &NewLife<'_>, reached: Reached) -> Outcome<u64> {
    let at = life.by.at.micros();
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch("BEGIN IMMEDIATE")?;
    let ended = db.execute(END_SESSIONS, [at])?;
    db.execute(SUSPEND_CLIENTS, [])?;
    db.execute(FORGET_MOVE, [])?;
    audit::append(db, life.by)?;
    if !sabotage::chosen(sabotage::SAME_LIFE) {
        db.execute(BEGIN_LIFE, (reached.incarnation.0, column::signed(reached.revision.0)?, at))?;
    }
    db.execute_batch("COMMIT")?;
    Ok(ended as u64)
}

fn told_of(db: &Connection, life: &NewLife<'_>, from: Revision, reached: Reached, ended: u64) -> Outcome<Restored> {
    let suspended = db.query_row(SUSPENDED, (reached.incarnation.0, life.by.at.micros()), |row| row.get(0))?;
    Ok(Restored {
        incarnation: reached.incarnation,
        from,
        revision: reached.revision,
        sessions_ended: ended,
        keys_suspended: column::unsigned(suspended)?,
        clients_suspended: column::unsigned(db.query_row(CLIENTS_SUSPENDED, [], |row| row.get(0))?)?,
        tables: backup::count(db)?,
        kept: None,
    })
}

const CLIENTS_SUSPENDED: &str = "SELECT count(*) FROM clients WHERE by_restore = 1";
const SUSPENDED: &str =
    "SELECT count(*) FROM api_keys WHERE incarnation IS NOT ?1 AND revoked_at IS NULL AND ?2 < expires_at";

/// Empty the old database's log into it, so that one file is all of it. Its revision; `None` if there is no old database, or
/// none that can be read any more: that is why people restore.
pub(super) fn settle_old(path: &Path) -> Outcome<Option<Revision>> {
    if !path.exists() {
        return Ok(None);
    }
    let settle = || -> Outcome<Revision> {
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        let revision = meta::revision(&db)?;
        db.close().map_err(|(_, cause)| cause)?;
        Ok(revision)
    };
    match settle() {
        Ok(revision) => Ok(Some(revision)),
        Err(Failure { error: StoreError::Corrupt(_), .. }) => Ok(None),
        // Another program's database, or one that has no tables yet.
        Err(failure) if log_of(path).metadata().is_ok_and(|log| log.len() > 0) => Err(failure),
        Err(_) => Ok(None),
    }
}

/// Give the old database a dated name beside its own, with its log if that could not be emptied.
pub(super) fn keep(path: &Path, date: &str) -> Outcome<Option<PathBuf>> {
    if !path.exists() {
        return Ok(None);
    }
    forget_second_names(path).map_err(unavailable)?;
    let kept = path.with_extension(format!("db.replaced-{date}"));
    let link = |from: &Path, to: &Path| fs::hard_link(from, to).map_err(unavailable);
    link(path, &kept)?;
    if log_of(path).exists() {
        link(&log_of(path), &log_of(&kept))?;
    }
    sync_directory(path).map_err(unavailable)?;
    // They belong to the old file: beside the new one they would be read into it.
    for side in [log_of(path), beside(path, "-shm")] {
        match fs::remove_file(side) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(unavailable(cause)),
            _ => {}
        }
    }
    sync_directory(path).map_err(unavailable)?;
    Ok(Some(kept))
}

/// A restore that was cut off between its last steps left the database a second name: it is no copy, so it goes.
fn forget_second_names(path: &Path) -> std::io::Result<()> {
    let inode = fs::metadata(path)?.ino();
    for entry in fs::read_dir(crate::directory_of(path))? {
        let entry = entry?;
        let second = entry.file_name().to_string_lossy().contains(".db.replaced-");
        if second && entry.metadata()?.ino() == inode {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Copy a backup into a private file beside the database.
fn copy(file: &Path, draft: &Path) -> std::io::Result<()> {
    if log_of(file).metadata().is_ok_and(|log| log.len() > 0) {
        let text = "it was copied by hand, with a log beside it that is part of it; restore what `keyfob backup` wrote";
        return Err(std::io::Error::other(text));
    }
    for stale in [draft.to_owned(), log_of(draft), beside(draft, "-shm"), beside(draft, "-journal")] {
        match fs::remove_file(stale) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
    }
    let mut source = File::open(file)?;
    std::io::copy(&mut source, &mut make_private(draft)?).map(drop)
}

/// A new file that is its owner's alone.
pub(super) fn make_private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

pub(super) fn sync(path: &Path) -> Outcome<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(unavailable)
}

pub(super) fn sync_directory(path: &Path) -> std::io::Result<()> {
    File::open(crate::directory_of(path))?.sync_all()
}

/// What is wrong with a file that cannot be restored, by its name.
fn told(file: &Path, failure: Failure) -> Failure {
    match failure.error {
        StoreError::WrongRootKey => failure,
        error => refused(format!("cannot restore {}: {error}", file.display())),
    }
}

fn no_backup(file: &Path) -> Failure {
    refused(format!("cannot restore {}: it is no keyfob database", file.display()))
}

fn refused(why: impl Into<String>) -> Failure {
    StoreError::Backup(why.into()).into()
}

#[expect(clippy::needless_pass_by_value, reason = "it is the argument of `map_err`")]
pub(super) fn unavailable(cause: std::io::Error) -> Failure {
    StoreError::Unavailable(cause.to_string()).into()
}
