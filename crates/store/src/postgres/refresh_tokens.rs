//! Refresh tokens: one row each, the newest unused. What becomes of a presented one is judged while its session is held, so
//! that of many uses at once one rotates. Only a rotation and a replay write anything, and a rotation never touches the
//! revision.

use keyfob_core::id::SessionId;
use keyfob_core::opaque::Digest;
use keyfob_core::refresh::{self, Sealed, Stored, Transition};
use keyfob_core::session::Session;
use keyfob_core::user::Status;
use tokio_postgres::Row;

use super::failure::Outcome;
use super::transaction::{Answer, Db, Transaction};
use super::{row, sessions};
use crate::{Family, Refresh, Refreshed, column, sabotage};

const FIND: &str = "SELECT f.id, f.\"user\", f.created_at, f.expires_at, f.ended_at, \
    t.used_at, t.sealed, s.used_at IS NOT NULL, f.scope FROM refresh_tokens t \
    JOIN sessions f ON f.id = t.session LEFT JOIN refresh_tokens s ON s.digest = t.successor WHERE t.digest = $1";
// Which session a token is of never changes.
const HOLD_FAMILY: &str = "SELECT id FROM sessions \
    WHERE id = (SELECT session FROM refresh_tokens WHERE digest = $1) FOR NO KEY UPDATE";
// The user need not be held: whatever changes it comes after this use, or ends the session and waits for it.
const HELD: &str = "SELECT f.id, f.\"user\", f.created_at, f.expires_at, f.ended_at, \
    t.used_at, t.sealed, s.used_at IS NOT NULL, u.status, u.auth_version FROM refresh_tokens t \
    JOIN sessions f ON f.id = t.session JOIN users u ON u.id = f.\"user\" \
    LEFT JOIN refresh_tokens s ON s.digest = t.successor WHERE t.digest = $1";
const INSERT: &str = "INSERT INTO refresh_tokens (digest, session) VALUES ($1, $2)";
const USE: &str = "UPDATE refresh_tokens SET used_at = $2, successor = $3, sealed = $4 WHERE digest = $1";

/// What is known of a token, and of its family.
pub(super) async fn find(db: &mut impl Db, digest: &Digest) -> Outcome<Option<Family>> {
    let Some(found) = db.row(FIND, &[&digest.0]).await? else { return Ok(None) };
    let scope = row::column::<Option<&str>>(&found, 8)?.map(column::scope).transpose()?;
    Ok(Some(Family { session: sessions::read(&found)?, stored: stored(&found)?, scope }))
}

/// Add the first token of a family, or a successor.
pub(super) fn add(transaction: &mut Transaction<'_>, digest: &Digest, session: SessionId) {
    transaction.later(INSERT, values![digest.0, session.to_bytes()]);
}

/// Use a token.
pub(super) async fn refresh(transaction: &mut Transaction<'_>, refresh: &Refresh) -> Outcome<Answer<Refreshed>> {
    // The second statement sees what the holder before this one committed.
    transaction.later(HOLD_FAMILY, values![refresh.presented.0]);
    let Some(found) = transaction.row(HELD, &[&refresh.presented.0]).await? else {
        return Ok(Answer::Known(Refreshed::Refused));
    };
    let (session, stored) = (sabotage::session(sessions::read(&found)?), stored(&found)?);
    match sabotage::transition(refresh::judge(&session, &stored, refresh.at)) {
        Transition::Rotate => {
            let status = column::status(row::column(&found, 8)?)?;
            let auth_version = column::unsigned(row::column(&found, 9)?)?;
            let moved = status != Status::Active || auth_version != refresh.auth_version;
            if moved && !sabotage::chosen(sabotage::STALE_USER) {
                return Ok(Answer::Known(Refreshed::Stale));
            }
            Ok(Answer::Known(Refreshed::Rotated(rotate(transaction, session, refresh))))
        }
        Transition::Retry(sealed) => Ok(Answer::Known(Refreshed::Again(session, sealed))),
        Transition::Replay => {
            sessions::end_held(transaction, session.id, &refresh.replayed);
            Ok(Answer::At(Refreshed::Replayed))
        }
        Transition::Ended | Transition::Expired => Ok(Answer::Known(Refreshed::Refused)),
    }
}

fn rotate(transaction: &mut Transaction<'_>, session: Session, refresh: &Refresh) -> Session {
    let values = values![refresh.presented.0, refresh.at.micros(), refresh.successor.0, refresh.sealed.0];
    transaction.later(USE, values);
    add(transaction, &refresh.successor, session.id);
    // It only grows, so nothing has to be forgotten: a guard that remembers the earlier end asks when that has come.
    let expires_at = refresh.lives.end(session.created_at, refresh.at).max(session.expires_at);
    sessions::extend(transaction, session.id, expires_at, refresh.at);
    Session { expires_at, ..session }
}

/// What is known of a token itself: columns 5 to 7.
fn stored(found: &Row) -> Outcome<Stored> {
    let used_at = row::column::<Option<i64>>(found, 5)?.map(column::time);
    Ok(match (used_at, row::optional_bytes(found, 6)?) {
        (Some(at), Some(sealed)) => {
            Stored::Used { at, successor: Sealed(sealed), successor_used: row::column(found, 7)? }
        }
        _ => Stored::Newest,
    })
}
