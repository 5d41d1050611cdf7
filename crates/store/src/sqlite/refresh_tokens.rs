//! Refresh tokens: one row each, the newest unused. What becomes of a presented one is judged inside the transaction, so
//! that of many uses at once one rotates. Only a rotation and a replay write anything.

use keyfob_core::id::SessionId;
use keyfob_core::opaque::Digest;
use keyfob_core::refresh::{self, SEALED_BYTES, Sealed, Stored, Transition};
use keyfob_core::session::Session;
use keyfob_core::user::Status;
use rusqlite::{Connection, OptionalExtension as _};

use super::failure::Outcome;
use super::writer::Transaction;
use super::{sessions, users};
use crate::{Family, Refresh, Refreshed, column, sabotage};

const FIND: &str = "SELECT t.session, t.used_at, t.sealed, s.used_at IS NOT NULL, f.scope FROM refresh_tokens t \
    JOIN sessions f ON f.id = t.session LEFT JOIN refresh_tokens s ON s.digest = t.successor WHERE t.digest = ?1";
const INSERT: &str = "INSERT INTO refresh_tokens (digest, session) VALUES (?1, ?2)";
const USE: &str = "UPDATE refresh_tokens SET used_at = ?2, successor = ?3, sealed = ?4 WHERE digest = ?1";

/// What is known of a token, and of its family.
pub(super) fn find(db: &Connection, digest: &Digest) -> Outcome<Option<Family>> {
    type Found = ([u8; 16], Option<i64>, Option<[u8; SEALED_BYTES]>, bool, Option<String>);
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let found: Option<Found> = db.prepare_cached(FIND)?.query_one([digest.0], read).optional()?;
    let Some((session, used_at, sealed, successor_used, scope)) = found else { return Ok(None) };
    let Some(session) = sessions::find(db, SessionId::from_bytes(session))? else { return Ok(None) };
    let stored = match (used_at, sealed) {
        (Some(at), Some(sealed)) => Stored::Used { at: column::time(at), successor: Sealed(sealed), successor_used },
        _ => Stored::Newest,
    };
    let scope = scope.as_deref().map(column::scope).transpose()?;
    Ok(Some(Family { session, stored, scope }))
}

/// Add the first token of a family, or a successor.
pub(super) fn add(db: &Connection, digest: &Digest, session: SessionId) -> Outcome<()> {
    db.prepare_cached(INSERT)?.execute((digest.0, session.to_bytes()))?;
    Ok(())
}

/// Use a token.
pub(super) fn refresh(transaction: &mut Transaction<'_>, refresh: &Refresh) -> Outcome<Refreshed> {
    let db = transaction.db();
    let Some(Family { session, stored, .. }) = find(db, &refresh.presented)? else { return Ok(Refreshed::Refused) };
    let session = sabotage::session(session);
    match sabotage::transition(refresh::judge(&session, &stored, refresh.at)) {
        Transition::Rotate => {
            let user = users::find(db, session.user)?;
            let moved =
                user.is_none_or(|user| user.status != Status::Active || user.auth_version != refresh.auth_version);
            if moved && !sabotage::chosen(sabotage::STALE_USER) {
                return Ok(Refreshed::Stale);
            }
            rotate(db, session, refresh).map(Refreshed::Rotated)
        }
        Transition::Retry(sealed) => Ok(Refreshed::Again(session, sealed)),
        Transition::Replay => {
            sessions::end(transaction, session.id, None, &refresh.replayed)?;
            Ok(Refreshed::Replayed(transaction.revision()))
        }
        Transition::Ended | Transition::Expired => Ok(Refreshed::Refused),
    }
}

fn rotate(db: &Connection, session: Session, refresh: &Refresh) -> Outcome<Session> {
    let values = (refresh.presented.0, refresh.at.micros(), refresh.successor.0, refresh.sealed.0);
    db.prepare_cached(USE)?.execute(values)?;
    add(db, &refresh.successor, session.id)?;
    // It only grows, so nothing has to be forgotten: a guard that remembers the earlier end asks when that has come.
    let expires_at = refresh.lives.end(session.created_at, refresh.at).max(session.expires_at);
    sessions::extend(db, session.id, expires_at, refresh.at)?;
    Ok(Session { expires_at, ..session })
}
