//! Sessions: started by a login, ended by a logout or an account change, never revived.

use keyfob_core::change::Fact;
use keyfob_core::id::{SessionId, UserId};
use keyfob_core::session::{Session, SessionListing};
use keyfob_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::failure::Outcome;
use super::writer::Transaction;
use super::{audit, refresh_tokens, users};
use crate::{Audit, Changed, Login, column, sabotage};

/// Sessions that one sign-in ends: one, unless the setting has been lowered; then the sign-ins after it end the rest.
const DISPLACED_MAX: u32 = 1000;

const FIND: &str = "SELECT id, user, created_at, expires_at, ended_at FROM sessions WHERE id = ?1";
const LIVE: &str = "SELECT id, user, created_at, expires_at, ended_at, client_name, address FROM sessions \
    WHERE user = ?1 AND ended_at IS NULL AND ?2 < expires_at ORDER BY created_at DESC, id DESC LIMIT 1000";
const INSERT: &str = "INSERT INTO sessions (id, user, created_at, expires_at, ended_at, client_name, address, scope, used_at, first_token) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?3, ?9)";
// Read from its index alone, and no more of it than a user may have sessions.
const BEYOND: &str = "SELECT id FROM sessions WHERE user = ?1 AND ended_at IS NULL AND ?2 < expires_at \
    ORDER BY used_at DESC, expires_at DESC, id DESC LIMIT ?4 OFFSET ?3";
const EXTEND: &str = "UPDATE sessions SET expires_at = ?2, used_at = ?3 WHERE id = ?1";
const REVIVE: &str = "UPDATE sessions SET expires_at = ?2, used_at = ?3, ended_at = NULL WHERE id = ?1";
const END: &str = "UPDATE sessions SET ended_at = ?2 WHERE id = ?1";
// An expired one ends too: a guard's leeway may still accept it.
const END_ALL: &str = "UPDATE sessions SET ended_at = ?2 \
    WHERE user = ?1 AND ended_at IS NULL AND id IS NOT ?3 RETURNING id";
const DELETE_ALL: &str = "DELETE FROM sessions WHERE user = ?1";

/// One session.
pub(super) fn find(db: &Connection, id: SessionId) -> Outcome<Option<Session>> {
    Ok(db.prepare_cached(FIND)?.query_one([id.to_bytes()], read).optional()?)
}

/// The live sessions of a user, newest first.
pub(super) fn live_of(db: &Connection, user: UserId, now: Timestamp) -> Outcome<Vec<SessionListing>> {
    let mut statement = db.prepare_cached(LIVE)?;
    let listings = statement.query_map((user.to_bytes(), now.micros()), |row| {
        Ok(SessionListing { session: read(row)?, client_name: row.get(5)?, address: row.get(6)? })
    })?;
    Ok(listings.collect::<Result<_, _>>()?)
}

/// Start the session of a login, with the first token of its family. Raises nothing: a guard that does not know it asks.
pub(super) fn start(db: &Connection, login: &Login) -> Outcome<()> {
    let Session { id, user, created_at, expires_at, ended_at } = login.session;
    let first_token = refresh_tokens::add(db, &login.refresh, id)?;
    db.prepare_cached(INSERT)?.execute((
        id.to_bytes(),
        user.to_bytes(),
        created_at.micros(),
        expires_at.micros(),
        ended_at.map(Timestamp::micros),
        &login.client_name,
        &login.coarse_address,
        login.scope.as_ref().map(ToString::to_string),
        first_token.0,
    ))?;
    Ok(())
}

/// Make room for the session of a login: of the user's live ones, end the least recently used until there are fewer than
/// it may have. Each has its audit row. Whether any ended.
pub(super) fn displace(transaction: &mut Transaction<'_>, login: &Login) -> Outcome<bool> {
    let Session { user, created_at: now, .. } = login.session;
    let ended = {
        let mut statement = transaction.db().prepare_cached(BEYOND)?;
        let kept = login.sessions_max.saturating_sub(1);
        let rows = statement.query_map((user.to_bytes(), now.micros(), kept, DISPLACED_MAX), |row| row.get(0))?;
        rows.collect::<Result<Vec<[u8; 16]>, _>>()?
    };
    for id in &ended {
        let id = SessionId::from_bytes(*id);
        let by = Audit::displaced(now, user, id, login.sessions_max);
        end(transaction, id, Some(user), &by)?;
    }
    Ok(!ended.is_empty())
}

/// A session was used at `at`, and lives until `expires_at`.
pub(super) fn extend(db: &Connection, id: SessionId, expires_at: Timestamp, at: Timestamp) -> Outcome<()> {
    let sql = if sabotage::chosen(sabotage::REVOKED_REFRESHES) { REVIVE } else { EXTEND };
    db.prepare_cached(sql)?.execute((id.to_bytes(), expires_at.micros(), at.micros()))?;
    Ok(())
}

/// End one session.
pub(super) fn end(
    transaction: &mut Transaction<'_>,
    id: SessionId,
    owner: Option<UserId>,
    by: &Audit,
) -> Outcome<Changed> {
    let found = find(transaction.db(), id)?.filter(|session| owner.is_none_or(|owner| owner == session.user));
    let Some(session) = found else { return Ok(Changed::NotFound) };
    if session.ended_at.is_some() {
        return Ok(Changed::Already(transaction.revision()));
    }
    transaction.db().prepare_cached(END)?.execute((id.to_bytes(), by.at.micros()))?;
    audit::append(transaction.db(), by)?;
    transaction.publish(Fact::Session(id), by.at)?;
    Ok(Changed::At(transaction.revision()))
}

/// End all sessions of a user, but one.
pub(super) fn end_all(
    transaction: &mut Transaction<'_>,
    user: UserId,
    except: Option<SessionId>,
    by: &Audit,
) -> Outcome<Changed> {
    if users::find(transaction.db(), user)?.is_none() {
        return Ok(Changed::NotFound);
    }
    if end_and_publish(transaction, user, except, by.at)? == 0 {
        return Ok(Changed::Already(transaction.revision()));
    }
    audit::append(transaction.db(), by)?;
    Ok(Changed::At(transaction.revision()))
}

/// End all sessions of a user, but one, as part of another change. Returns how many ended.
pub(super) fn end_and_publish(
    transaction: &mut Transaction<'_>,
    user: UserId,
    except: Option<SessionId>,
    at: Timestamp,
) -> Outcome<usize> {
    let ended = {
        let mut statement = transaction.db().prepare_cached(END_ALL)?;
        let values = (user.to_bytes(), at.micros(), except.map(SessionId::to_bytes));
        statement.query_map(values, |row| row.get(0))?.collect::<Result<Vec<[u8; 16]>, _>>()?
    };
    for id in &ended {
        transaction.publish(Fact::Session(SessionId::from_bytes(*id)), at)?;
    }
    Ok(ended.len())
}

/// Remove the rows of a user that goes.
pub(super) fn delete_all(db: &Connection, user: UserId) -> Outcome<()> {
    db.prepare_cached(DELETE_ALL)?.execute([user.to_bytes()])?;
    Ok(())
}

/// The session in the first five columns.
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: SessionId::from_bytes(row.get(0)?),
        user: UserId::from_bytes(row.get(1)?),
        created_at: column::time(row.get(2)?),
        expires_at: column::time(row.get(3)?),
        ended_at: row.get::<_, Option<i64>>(4)?.map(column::time),
    })
}

#[cfg(test)]
mod tests {
    use super::BEYOND;
    use crate::sqlite::migrate;

    #[test]
    fn the_sessions_beyond_the_limit_are_found_in_an_index_alone() {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        migrate::migrate(&db).unwrap();
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {BEYOND}")).unwrap();
        let steps = statement.query_map([0, 0, 0, 0], |row| row.get(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert_eq!(steps, ["SEARCH sessions USING COVERING INDEX sessions_by_use (user=?)"]);
    }
}
