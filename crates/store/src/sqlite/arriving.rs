//! A data directory as the target of a move: the database is made whole, synced and compared beside its name, with the mark of
//! the move in it, and gets the name only when the source is closed for good. What a store that moved away left behind is kept
//! beside it under a dated name.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::mpsc;

use super::backup::verify;
use super::copy::{self, Piece};
use super::failure::Outcome;
use super::{meta, migrate, moving, restore};
use crate::high_water::{HighWater, Reached};
use crate::moving::mark::{Mark, State};
use crate::moving::tally::Tally;
use crate::root_key::RootKey;
use crate::{Result, StoreError};

/// The database before it has its name.
pub(crate) fn draft_of(path: &Path) -> PathBuf {
    path.with_extension("db.arriving")
}

/// Fail if a new database would be made where one is arriving: it may be the only store there is.
pub(super) fn admit_new(path: &Path) -> Result<()> {
    if !path.exists() && draft_of(path).exists() { Err(StoreError::Arriving) } else { Ok(()) }
}

/// The mark of the database at `path`; `None` if there is none.
pub(crate) fn found(path: &Path) -> Outcome<Option<Mark>> {
    if !path.exists() {
        return Ok(None);
    }
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    migrate::inspect(&db)?;
    if !migrate::is_current(&db)? {
        return Ok(None);
    }
    moving::mark(&db)
}

/// Whether the database at `path` may be replaced by a store of that root key: there is none, or that store left it.
pub(crate) fn admit(path: &Path, root_key: &RootKey) -> Outcome<()> {
    if !path.exists() {
        return Ok(());
    }
    let refused = |why: &str| Err(StoreError::Move(why.to_owned()).into());
    match found(path)? {
        Some(Mark { state: State::Away, .. }) => {
            let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            match meta::open(&db, root_key, [0; 16]) {
                Ok(_) => Ok(()),
                Err(_) => refused("there is what is left of another keyfob store in it"),
            }
        }
        _ => refused("there is a keyfob store in it"),
    }
}

/// Make the draft from what comes. What it has, table by table.
pub(crate) fn fill(path: &Path, mark: &Mark, at: i64, pieces: mpsc::Receiver<Piece>) -> Outcome<Vec<Tally>> {
    let draft = draft_of(path);
    for stale in [draft.clone(), restore::beside(&draft, "-wal"), restore::beside(&draft, "-shm")] {
        match fs::remove_file(stale) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(restore::unavailable(cause)),
            _ => {}
        }
    }
    restore::make_private(&draft).map_err(restore::unavailable)?;
    copy::insert_into(&draft, path, pieces)?;
    let db = Connection::open_with_flags(&draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    moving::set_mark(&db, mark, at)?;
    db.close().map_err(|(_, cause)| cause)?;
    verify(&draft)?;
    let db = Connection::open_with_flags(&draft, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let tallies = moving::tallies(&db)?;
    drop(db);
    restore::sync(&draft)?;
    restore::sync_directory(path).map_err(restore::unavailable)?;
    Ok(tallies)
}

/// Give the draft its name, and lift the high-water mark to it. Where what was there before is kept.
pub(crate) fn publish(path: &Path, root_key: &RootKey, high_water: &Path, date: &str) -> Outcome<Option<PathBuf>> {
    admit(path, root_key)?;
    let draft = draft_of(path);
    let db = Connection::open_with_flags(&draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let reached = Reached { incarnation: meta::open(&db, root_key, [0; 16])?, revision: meta::revision(&db)? };
    db.close().map_err(|(_, cause)| cause)?;
    let kept = if path.exists() {
        restore::settle_old(path)?;
        restore::keep(path, date)?
    } else {
        None
    };
    // A mark of this store's life here before, or of the node that was here: the database is beyond it.
    HighWater { at: reached, next: None }.replace(high_water)?;
    fs::rename(&draft, path).and_then(|()| restore::sync_directory(path)).map_err(restore::unavailable)?;
    Ok(kept)
}
