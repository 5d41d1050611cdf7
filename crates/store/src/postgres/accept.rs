//! What stands in the way of a database that may be older than what was last served, and how an operator takes it out of the
//! way: a new life begins (guarantee G6). The incarnation is new, so no token from before is believed; every session ends,
//! and with it what was minted from it; API keys keep the incarnation they were made in, which suspends them; clients are
//! suspended. The new life's first revision is far ahead of all that any node can have seen, and the feed begins with it: a
//! node that goes over finds a gap there, and forgets everything.
//!
//! Nodes may be running: those that are closed open by themselves. Never decides by itself that anything is accepted.

use std::path::Path;

use keyfob_core::change::Revision;
use keyfob_core::id::Incarnation;

use super::address::Address;
use super::connection::Connection;
use super::failure::{Failure, Outcome};
use super::life::gone;
use super::row::{self, Value};
use super::transaction::{Db, Reader};
use super::{audit, locks, meta, migrate, sound};
use crate::high_water::{HighWater, Mark, Reached};
use crate::moving::table::TABLES;
use crate::root_key::RootKey;
use crate::{Audit, Restored, Result, StoreError, column, sabotage};

/// By how much a new life is ahead of all that is known of the one before: no node has seen a change that is further.
const LEAP: u64 = 1_000_000_000;

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = 10000; SET LOCAL statement_timeout = 0; \
    SET LOCAL idle_in_transaction_session_timeout = 60000";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

const TAKE_TURN: &str = "SELECT pg_advisory_xact_lock($1)";
const LOSS: &str = "SELECT revision FROM losses WHERE incarnation = $1";
const IS_PAST: &str = "SELECT EXISTS (SELECT FROM past_lives WHERE incarnation = $1)";
const END_SESSIONS: &str = "WITH ended AS (UPDATE sessions SET ended_at = $1 WHERE ended_at IS NULL RETURNING 1) \
    SELECT count(*) FROM ended";
const SUSPEND_CLIENTS: &str = "UPDATE clients SET status = 'suspended', by_restore = 1 WHERE status = 'active'";
const END_LIFE: &str =
    "INSERT INTO past_lives (incarnation, revision, ended_at) SELECT incarnation, revision, $1 FROM meta";
const BEGIN_LIFE: &str = "UPDATE meta SET incarnation = $1, revision = greatest(revision, $2) + $3, restored_at = $4 \
    RETURNING revision";
const EMPTY_FEED: &str = "DELETE FROM changes";
const BEGIN_FEED: &str = "INSERT INTO changes (revision, kind, id, at) VALUES ($1, 'policy', NULL, $2) \
    RETURNING pg_notify('keyfob_changes', revision::text)";
const KEYS_SUSPENDED: &str = "SELECT count(*) FROM api_keys \
    WHERE incarnation IS DISTINCT FROM $1 AND revoked_at IS NULL AND $2 < expires_at";
const CLIENTS_SUSPENDED: &str = "SELECT count(*) FROM clients WHERE by_restore = 1";

/// Accepts a database as it is.
pub struct Acceptance<'a> {
    /// The root key in force; the database must have been made with it.
    pub root_key: &'a RootKey,
    /// Sixteen random bytes: the new life.
    pub incarnation: [u8; 16],
    /// This node's high-water mark.
    pub mark: &'a Path,
    /// Whether the mark is to say so too: the server of this node does that itself if it runs.
    pub write_mark: bool,
    /// Who accepts; `at` is the instant that sessions end.
    pub by: &'a Audit,
}

/// Begin a new life of the database at `url`, if the mark or a node says that it lacks what was acknowledged on it. Leases
/// from before go on for as long as they last: nothing is to be told before.
///
/// # Errors
/// [`StoreError::Backup`] if there is nothing to accept; else as [`super::open`]. The database is then as it was, unless the
/// answer of the last statement was lost.
pub async fn accept_rollback(url: &str, acceptance: &Acceptance<'_>) -> Result<Restored> {
    Ok(accept(url, acceptance).await?)
}

/// Judge a database that has come to `here` by the mark at `path` and by what nodes have missed in it. The mark of a life that
/// an operator has ended since is replaced.
pub(super) async fn admit(db: &mut impl Db, path: Option<&Path>, here: Reached) -> Outcome<Option<Mark>> {
    if let Some(missed) = loss(db, here.incarnation).await? {
        return Err(StoreError::RolledBack { found: here.revision.0, mark: missed.0 }.into());
    }
    let Some(path) = path else { return Ok(None) };
    if let Some(mark) = HighWater::read(path)?
        && mark.at.incarnation != here.incarnation
        && is_past(db, mark.at.incarnation).await?
    {
        HighWater { at: here, next: None }.replace(path)?;
    }
    Ok(Some(Mark::admit(path, here)?))
}

/// The same, but nothing is made or written: for who only asks, beside a node that has the mark.
pub(super) async fn judge(db: &mut impl Db, path: &Path, here: Reached) -> Outcome<()> {
    if let Some(missed) = loss(db, here.incarnation).await? {
        return Err(StoreError::RolledBack { found: here.revision.0, mark: missed.0 }.into());
    }
    let Some(mark) = HighWater::read(path)? else { return Ok(()) };
    let over = mark.at.incarnation != here.incarnation && is_past(db, mark.at.incarnation).await?;
    if over { Ok(()) } else { Ok(mark.judge(here)?) }
}

async fn accept(url: &str, acceptance: &Acceptance<'_>) -> Outcome<Restored> {
    let connection = Address::parse(url)?.connect().await?;
    sound::admit(&mut Reader(&connection)).await?;
    migrate::migrate(&connection).await?;
    // The wrong database may be an empty one: then there is a life in it from here on, and nothing else.
    meta::open(&mut Reader(&connection), acceptance.root_key, acceptance.incarnation).await?;
    connection.run(BEGIN).await?;
    let begun = begin(&connection, acceptance).await;
    if begun.is_err() {
        // The first failure says more; the connection is not used again either way.
        let _ = connection.run(ROLLBACK).await;
    }
    let restored = begun?;
    if acceptance.write_mark {
        HighWater { at: Reached { incarnation: restored.incarnation, revision: restored.revision }, next: None }
            .replace(acceptance.mark)?;
    }
    Ok(restored)
}

/// All of it, in one transaction.
async fn begin(connection: &Connection, acceptance: &Acceptance<'_>) -> Outcome<Restored> {
    let mut db = Reader(connection);
    // Two who accept at once: the second finds it done.
    connection.rows_at_leisure(TAKE_TURN, &[&locks::ACCEPTANCE]).await?;
    let (incarnation, from) = meta::open(&mut db, acceptance.root_key, acceptance.incarnation).await?;
    let here = Reached { incarnation, revision: from };
    let known = to_accept(&mut db, acceptance.mark, here).await?;
    let at = acceptance.by.at.micros();
    let ended = count(&connection.rows_at_leisure(END_SESSIONS, &[&at]).await?)?;
    connection.rows_at_leisure(SUSPEND_CLIENTS, &[]).await?;
    db.rows(END_LIFE, &[&at]).await?;
    connection
        .batch(&[audit::append(std::slice::from_ref(acceptance.by))], None)
        .await
        .into_iter()
        .collect::<Outcome<Vec<_>>>()?;
    let life = if sabotage::chosen(sabotage::SAME_LIFE) { incarnation } else { Incarnation(acceptance.incarnation) };
    // Whoever else changes something waits from here to COMMIT, and then goes on in the new life.
    let (floor, leap) = (column::signed(known.max(from).0)?, column::signed(LEAP)?);
    let values: [&dyn Value; 4] = [&life.0, &floor, &leap, &at];
    let raised = connection.rows_at_leisure(BEGIN_LIFE, &values).await?;
    let revision = Revision(column::unsigned(row::column(raised.first().ok_or_else(gone)?, 0)?)?);
    connection.rows_at_leisure(EMPTY_FEED, &[]).await?;
    db.rows(BEGIN_FEED, &[&column::signed(revision.0)?, &at]).await?;
    let keys_suspended = count(&db.rows(KEYS_SUSPENDED, &[&life.0, &at]).await?)?;
    let clients_suspended = count(&db.rows(CLIENTS_SUSPENDED, &[]).await?)?;
    let mut tables = Vec::new();
    for table in TABLES.iter().map(|table| table.name) {
        let rows = connection.rows_at_leisure(&format!("SELECT count(*) FROM {table}"), &[]).await?;
        tables.push((table.to_owned(), count(&rows)?));
    }
    tables.sort();
    let before = connection.warnings();
    connection.run(COMMIT).await.map_err(Failure::after_commit)?;
    if connection.warnings() != before {
        return Err(
            StoreError::Unavailable("the database committed with a warning: others may not have it".into()).into()
        );
    }
    Ok(Restored {
        incarnation: life,
        from,
        revision,
        sessions_ended: ended,
        keys_suspended,
        clients_suspended,
        tables,
        kept: None,
    })
}

/// How far the database is known to have come beyond what it is now. Fails if nothing is known to be missing.
async fn to_accept(db: &mut impl Db, mark: &Path, here: Reached) -> Outcome<Revision> {
    let missed = loss(db, here.incarnation).await?;
    // A mark that is damaged admits nothing, and is replaced.
    let (marked, refused) = match HighWater::read(mark) {
        Ok(None) => (None, false),
        Ok(Some(mark)) => {
            let over = mark.at.incarnation != here.incarnation && is_past(db, mark.at.incarnation).await?;
            (Some(mark.highest()), !over && mark.judge(here).is_err())
        }
        Err(_) => (None, true),
    };
    if missed.is_none() && !refused {
        let text = "the database is the one that was last served, with nothing missing: nothing was done";
        return Err(StoreError::Backup(text.to_owned()).into());
    }
    Ok(missed.max(marked).unwrap_or(here.revision))
}

/// What a node has missed in the database, in that life.
async fn loss(db: &mut impl Db, life: Incarnation) -> Outcome<Option<Revision>> {
    let Some(found) = db.row(LOSS, &[&life.0]).await? else { return Ok(None) };
    Ok(Some(Revision(column::unsigned(row::column(&found, 0)?)?)))
}

/// Whether that life is over.
async fn is_past(db: &mut impl Db, life: Incarnation) -> Outcome<bool> {
    row::column(&db.row(IS_PAST, &[&life.0]).await?.ok_or_else(gone)?, 0)
}

fn count(rows: &[tokio_postgres::Row]) -> Outcome<u64> {
    Ok(column::unsigned(row::column(rows.first().ok_or_else(gone)?, 0)?)?)
}
