//! How far this process has seen the database come, and whether what it finds there is that, with nothing missing (guarantee
//! G6, DESIGN §6). An older copy that was put in its place, and a standby that was promoted without all commits, are behind:
//! then the store is closed, and every call "could not tell", until the database is the right one again or an operator has
//! accepted it and a new life has begun ([`super::accept`]).
//!
//! **When it is looked at**: on each new connection, for whatever replaces a database breaks the old ones; and in the very
//! statement of each reading of the feed, which nodes do twice with each renewal of their lease. What is found is compared
//! with what was known *before* the statement was sent. A database that lost the newest changes and then had others, under
//! the same numbers, is known by the last change that was read.
//!
//! **What it cannot see**: a loss of facts which raise no revision (a sign-in: it is missing, not revived), and of changes that
//! no process that lives and no mark has seen.

use std::sync::{Mutex, MutexGuard, PoisonError};

use keyfob_core::change::Revision;
use keyfob_core::id::Incarnation;
use tokio_postgres::Row;

use super::failure::{Failure, Outcome, corrupt};
use super::row::{self, Value};
use super::transaction::Db;
use crate::high_water::{Mark, Reached};
use crate::{Result, StoreError, column, sabotage};

const LOOK: &str = "SELECT meta.incarnation, meta.revision, \
    (SELECT revision FROM losses WHERE losses.incarnation = meta.incarnation), \
    changes.revision, changes.kind, changes.id, changes.at, \
    EXISTS (SELECT FROM past_lives WHERE past_lives.incarnation = $1) \
    FROM meta LEFT JOIN changes ON changes.revision = $2 WHERE meta.\"only\" = 1";

/// The first columns of that, as the feed reads them too ([`super::changes`]).
pub(super) const SEEN_COLUMNS: usize = 3;

/// Those of a change, after them.
pub(super) const PRINT_COLUMNS: usize = 4;

/// A change of the feed, to be recognised by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Print {
    revision: Revision,
    kind: String,
    id: Option<[u8; 16]>,
    at: i64,
}

/// What one statement found.
pub(super) struct Seen {
    /// How far the database is.
    pub(super) here: Reached,
    /// What a node has missed in it.
    missed: Option<Revision>,
}

/// What was known before a statement was sent.
#[derive(Clone)]
pub(super) struct Floor {
    at: Reached,
    last: Option<Print>,
}

struct Known {
    floor: Floor,
    closed: Option<StoreError>,
}

/// What this process knows.
pub(super) struct Life {
    // `None`: nothing was looked at yet.
    known: Mutex<Option<Known>>,
    mark: Mutex<Option<Mark>>,
}

impl Life {
    pub(super) fn unknown() -> Self {
        Self { known: Mutex::new(None), mark: Mutex::new(None) }
    }

    /// From here on the database is at least so far. `mark`: where that is written down.
    pub(super) fn begin(&self, at: Reached, mark: Option<Mark>) {
        *self.known() = Some(Known { floor: Floor { at, last: None }, closed: None });
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = mark;
    }

    /// The incarnation.
    pub(super) fn incarnation(&self) -> Incarnation {
        self.known().as_ref().map_or(Incarnation([0; 16]), |known| known.floor.at.incarnation)
    }

    /// The newest revision that is known.
    pub(super) fn revision(&self) -> Revision {
        self.known().as_ref().map_or(Revision(0), |known| known.floor.at.revision)
    }

    /// Another life has begun, and the one before is over: the store is open again, in it.
    pub(super) fn go_over(&self, at: Reached) {
        *self.known() = Some(Known { floor: Floor { at, last: None }, closed: None });
    }

    /// A commit of this process raised the revision, or a NOTIFY told of one.
    pub(super) fn reached(&self, revision: Revision) {
        if let Some(known) = &mut *self.known() {
            known.floor.at.revision = known.floor.at.revision.max(revision);
        }
    }

    /// What is known now. `None`: nothing, so that nothing can be compared.
    pub(super) fn floor(&self) -> Option<Floor> {
        self.known().as_ref().map(|known| known.floor.clone())
    }

    /// Whether the store is open.
    pub(super) fn admit(&self) -> Result<()> {
        self.closed().map_or(Ok(()), Err)
    }

    /// Why it is closed.
    pub(super) fn closed(&self) -> Option<StoreError> {
        self.known().as_ref().and_then(|known| known.closed.clone())
    }

    /// Judge what a reading of the feed found that was begun at `floor`, and its changes, in order. It opens the store again,
    /// or closes it.
    pub(super) fn judge(&self, floor: &Floor, seen: &Seen, prints: &[Print]) -> Result<()> {
        if let Err(error) = compare(floor, seen, prints) {
            self.close(&error);
            return Err(error);
        }
        let mut guard = self.known();
        // A life that began meanwhile is not judged by what was found before.
        let Some(known) = guard.as_mut().filter(|known| known.floor.at.incarnation == seen.here.incarnation) else {
            return Err(StoreError::OtherLife);
        };
        known.floor.at.revision = known.floor.at.revision.max(seen.here.revision);
        let newer = |print: &&Print| known.floor.last.as_ref().is_none_or(|last| print.revision > last.revision);
        if let Some(print) = prints.last().filter(newer) {
            known.floor.last = Some(print.clone());
        }
        if known.closed.take().is_some() {
            tracing::warn!(
                "the database is again the one that was last served, with nothing missing: the store is open"
            );
        }
        Ok(())
    }

    /// Look at the database over a new connection.
    pub(super) async fn examine(&self, db: &mut impl Db) -> Outcome<()> {
        let Some(floor) = self.floor() else { return Ok(()) };
        let (seen, print, _) = look(db, &floor).await?;
        if let Err(error) = compare(&floor, &seen, print.as_slice()) {
            self.close(&error);
            return Err(error.into());
        }
        Ok(())
    }

    /// Write down beside the root key how far the database is known to have come, if it is further than what is there.
    pub(super) fn remember(&self) -> std::io::Result<()> {
        let Some(floor) = self.floor() else { return Ok(()) };
        let mut mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        match mark.as_mut().filter(|mark| mark.at() != floor.at) {
            Some(mark) => mark.write(floor.at),
            None => Ok(()),
        }
    }

    fn close(&self, error: &StoreError) {
        let mut guard = self.known();
        let Some(known) = guard.as_mut() else { return };
        if known.closed.is_none() {
            tracing::error!(
                %error,
                "the store is CLOSED: nobody is let in and nothing is issued until the right database is back, or an \
                operator accepts this one with `keyfob restore --accept-rollback` at any node"
            );
        }
        known.closed = Some(error.clone());
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what was found is what was known, or more.
pub(super) fn compare(floor: &Floor, seen: &Seen, prints: &[Print]) -> Result<()> {
    if sabotage::chosen(sabotage::BACKWARDS_UNSEEN) {
        return Ok(());
    }
    let (known, here) = (floor.at, seen.here);
    if here.incarnation != known.incarnation {
        return Err(StoreError::OtherLife);
    }
    let behind = |mark: Revision| Err(StoreError::RolledBack { found: here.revision.0, mark: mark.0 });
    if here.revision < known.revision {
        return behind(known.revision);
    }
    if let Some(missed) = seen.missed {
        return behind(missed);
    }
    let Some(last) = &floor.last else { return Ok(()) };
    match prints.iter().find(|print| print.revision == last.revision) {
        Some(print) if print != last => Err(StoreError::OtherHistory { revision: last.revision.0 }),
        // Swept since, or read beyond it.
        _ => Ok(()),
    }
}

/// Look: what is there, the last known change as it is there, and whether the known life is over.
pub(super) async fn look(db: &mut impl Db, floor: &Floor) -> Outcome<(Seen, Option<Print>, bool)> {
    let last = floor.last.as_ref().map_or(0, |print| print.revision.0);
    let values: [&dyn Value; 2] = [&floor.at.incarnation.0, &column::signed(last)?];
    let found = db.row(LOOK, &values).await?.ok_or_else(gone)?;
    Ok((seen(&found)?, print(&found, SEEN_COLUMNS)?, row::column(&found, SEEN_COLUMNS + 4)?))
}

/// The first columns of a row.
pub(super) fn seen(found: &Row) -> Outcome<Seen> {
    let revision = Revision(column::unsigned(row::column(found, 1)?)?);
    let missed: Option<i64> = row::column(found, 2)?;
    Ok(Seen {
        here: Reached { incarnation: Incarnation(row::bytes(found, 0)?), revision },
        missed: missed.map(column::unsigned).transpose()?.map(Revision),
    })
}

/// The change in the four columns from `first` on, if there is one.
pub(super) fn print(found: &Row, first: usize) -> Outcome<Option<Print>> {
    let Some(revision) = row::column::<Option<i64>>(found, first)? else { return Ok(None) };
    Ok(Some(Print {
        revision: Revision(column::unsigned(revision)?),
        kind: row::column(found, first + 1)?,
        id: row::optional_bytes(found, first + 2)?,
        at: row::column(found, first + 3)?,
    }))
}

impl Seen {
    /// Whether the other nodes have been told that something is missing.
    pub(super) fn is_told(&self) -> bool {
        self.missed.is_some()
    }
}

impl Print {
    /// Its revision.
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// What it says to forget.
    pub(super) fn fact(&self) -> Result<keyfob_core::change::Fact> {
        column::fact(&self.kind, self.id)
    }
}

pub(super) fn gone() -> Failure {
    corrupt("the row of the installation is gone")
}
