//! Refresh tokens: one row each, the newest unused; those of a session are a chain from its first. What becomes of a
//! presented one is judged inside the transaction, so that of many uses at once one rotates. Only a rotation and a
//! replay write anything.

use keyfob_core::id::SessionId;
use keyfob_core::opaque::Digest;
use keyfob_core::refresh::{self, SEALED_BYTES, Sealed, Stored, Transition};
use keyfob_core::session::Session;
use keyfob_core::user::Status;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::failure::Outcome;
use super::writer::Transaction;
use super::{sessions, users};
use crate::{Family, Refresh, Refreshed, column, sabotage};

// The columns of a session come first.
const FIND: &str = "SELECT f.id, f.user, f.created_at, f.expires_at, f.ended_at, f.scope, \
    t.number, t.used_at, t.sealed, s.used_at IS NOT NULL FROM refresh_tokens t \
    JOIN sessions f ON f.id = t.session LEFT JOIN refresh_tokens s ON s.number = t.successor WHERE t.digest = ?1";
const INSERT: &str = "INSERT INTO refresh_tokens (digest, session) VALUES (?1, ?2)";
const USE: &str = "UPDATE refresh_tokens SET used_at = ?2, successor = ?3, sealed = ?4 WHERE number = ?1";

/// The place of a token among all: what its predecessor, or its session, knows it by.
#[derive(Clone, Copy)]
pub(super) struct Number(pub(super) i64);

/// What is known of a token, and of its family.
pub(super) fn find(db: &Connection, digest: &Digest) -> Outcome<Option<Family>> {
    Ok(numbered(db, digest)?.map(|(_, family)| family))
}

fn numbered(db: &Connection, digest: &Digest) -> Outcome<Option<(Number, Family)>> {
    let found = db.prepare_cached(FIND)?.query_one([digest.0], read).optional()?;
    let Some((number, session, stored, scope)) = found else { return Ok(None) };
    let scope = scope.as_deref().map(column::scope).transpose()?;
    Ok(Some((number, Family { session, stored, scope })))
}

fn read(row: &Row<'_>) -> rusqlite::Result<(Number, Session, Stored, Option<String>)> {
    let (used_at, sealed): (Option<i64>, Option<[u8; SEALED_BYTES]>) = (row.get(7)?, row.get(8)?);
    let stored = match (used_at, sealed) {
        (Some(at), Some(sealed)) => {
            Stored::Used { at: column::time(at), successor: Sealed(sealed), successor_used: row.get(9)? }
        }
        _ => Stored::Newest,
    };
    Ok((Number(row.get(6)?), sessions::read(row)?, stored, row.get(5)?))
}

/// Add the first token of a family, or a successor. Its session or its predecessor must point to it.
pub(super) fn add(db: &Connection, digest: &Digest, session: SessionId) -> Outcome<Number> {
    Ok(Number(db.prepare_cached(INSERT)?.insert((digest.0, session.to_bytes()))?))
}

/// Use a token.
pub(super) fn refresh(transaction: &mut Transaction<'_>, refresh: &Refresh) -> Outcome<Refreshed> {
    let db = transaction.db();
    let Some((number, Family { session, stored, .. })) = numbered(db, &refresh.presented)? else {
        return Ok(Refreshed::Refused);
    };
    let session = sabotage::session(session);
    match sabotage::transition(refresh::judge(&session, &stored, refresh.at)) {
        Transition::Rotate => {
            let user = users::find(db, session.user)?;
            let moved =
                user.is_none_or(|user| user.status != Status::Active || user.auth_version != refresh.auth_version);
            if moved && !sabotage::chosen(sabotage::STALE_USER) {
                return Ok(Refreshed::Stale);
            }
            rotate(db, number, session, refresh).map(Refreshed::Rotated)
        }
        Transition::Retry(sealed) => Ok(Refreshed::Again(session, sealed)),
        Transition::Replay => {
            sessions::end(transaction, session.id, None, &refresh.replayed)?;
            Ok(Refreshed::Replayed(transaction.revision()))
        }
        Transition::Ended | Transition::Expired => Ok(Refreshed::Refused),
    }
}

fn rotate(db: &Connection, presented: Number, session: Session, refresh: &Refresh) -> Outcome<Session> {
    let successor = add(db, &refresh.successor, session.id)?;
    db.prepare_cached(USE)?.execute((presented.0, refresh.at.micros(), successor.0, refresh.sealed.0))?;
    // It only grows, so nothing has to be forgotten: a guard that remembers the earlier end asks when that has come.
    let expires_at = refresh.lives.end(session.created_at, refresh.at).max(session.expires_at);
    sessions::extend(db, session.id, expires_at, refresh.at)?;
    Ok(Session { expires_at, ..session })
}
