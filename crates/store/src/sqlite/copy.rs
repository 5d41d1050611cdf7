//! A backup file filled with rows that come from another backend: the same tables, so that whatever reads a backup reads this
//! one. Its own thread writes while the other backend reads. Like every backup it is a draft until it is whole, checked and
//! counted.

use std::collections::BTreeMap;
use std::path::Path;

use keyfob_core::change::Revision;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use tokio::sync::{mpsc, oneshot};

use super::backup::{Draft, refused, verify};
use super::failure::Outcome;
use super::{meta, migrate};
use crate::moving::table::TABLES;
use crate::{Backup, Result, StoreError};

/// Tables that no step before the arrangements of this backend makes: last of all, and filled when all steps have run.
const TABLES_OF_LATER_STEPS: &[&str] = &["basic_uses"];

/// What arrives.
pub(crate) enum Piece {
    /// Rows of a table.
    Rows {
        /// Which.
        table: &'static str,
        /// Its columns, in the order of each row.
        columns: Vec<String>,
        /// The rows.
        rows: Vec<Vec<Value>>,
    },
    /// That was all.
    End,
}

/// Make a new file of mode 0600 from the pieces. `tag` tells its draft from any other. If they end without
/// [`Piece::End`], there is no file.
pub(crate) async fn fill(file: &Path, tag: [u8; 8], pieces: mpsc::Receiver<Piece>) -> Result<Backup> {
    let (reply, answer) = oneshot::channel();
    let file = file.to_owned();
    std::thread::Builder::new()
        .name("keyfob-backup".to_owned())
        .spawn(move || reply.send(make(&file, tag, pieces).map_err(StoreError::from)))
        .map_err(|cause| StoreError::Unavailable(format!("cannot start a thread: {cause}")))?;
    answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the backup was broken off".to_owned())))
}

fn make(file: &Path, tag: [u8; 8], pieces: mpsc::Receiver<Piece>) -> Outcome<Backup> {
    if file.symlink_metadata().is_ok() {
        return Err(refused(file, "it is there already, and a backup never overwrites"));
    }
    let draft = Draft::new(file, tag).map_err(|cause| refused(file, cause))?;
    let (revision, expected) = insert_into(draft.path(), file, pieces)?;
    let tables = verify(draft.path())?;
    if tables.iter().any(|(name, rows)| expected.get(name.as_str()).is_some_and(|expected| expected != rows)) {
        return Err(refused(file, "the copy has not the rows of the database; is the disk sound?"));
    }
    let bytes = draft.publish(file).map_err(|cause| refused(file, cause))?;
    Ok(Backup { revision, bytes, tables })
}

/// Make the tables of an empty file from the pieces. Its revision, and how many rows each table got. `file` is its name to be.
pub(super) fn insert_into(
    draft: &Path,
    file: &Path,
    pieces: mpsc::Receiver<Piece>,
) -> Outcome<(Revision, BTreeMap<&'static str, u64>)> {
    let db = Connection::open_with_flags(draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // A draft that is not finished is thrown away, and a finished one is synced by its maker: a journal would only cost.
    db.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "OFF")?;
    db.pragma_update(None, "foreign_keys", false)?;
    migrate::migrate_to_shared(&db)?;
    let inserted = insert_all(&db, file, pieces)?;
    migrate::migrate(&db)?;
    Ok((meta::revision(&db)?, inserted))
}

/// Insert what arrives; how many rows each table got.
fn insert_all(db: &Connection, file: &Path, mut pieces: mpsc::Receiver<Piece>) -> Outcome<BTreeMap<&'static str, u64>> {
    let mut inserted: BTreeMap<_, u64> = TABLES.iter().map(|table| (table.name, 0)).collect();
    db.execute_batch("BEGIN")?;
    loop {
        match pieces.blocking_recv() {
            Some(Piece::Rows { table, columns, rows }) => {
                if TABLES_OF_LATER_STEPS.contains(&table) {
                    // Nothing is done where all steps have run.
                    db.execute_batch("COMMIT")?;
                    migrate::migrate(db)?;
                    db.execute_batch("BEGIN")?;
                }
                let names: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
                let places = vec!["?"; names.len()].join(", ");
                let sql = format!("INSERT INTO \"{table}\" ({}) VALUES ({places})", names.join(", "));
                let mut statement = db.prepare_cached(&sql)?;
                for row in rows {
                    statement.execute(params_from_iter(row))?;
                    *inserted.entry(table).or_default() += 1;
                }
            }
            Some(Piece::End) => break,
            None => return Err(refused(file, "the database could not be read to the end")),
        }
    }
    db.execute_batch("COMMIT")?;
    Ok(inserted)
}
