//! Sessions: started by a login, ended by a logout or an account change, never revived. Whoever ends or refreshes one holds
//! its row; whoever starts one holds the row of its user.

use keyfob_core::change::Fact;
use keyfob_core::id::{SessionId, UserId};
use keyfob_core::session::{Session, SessionListing};
use keyfob_core::time::Timestamp;
use keyfob_core::user::User;
use tokio_postgres::Row;

use super::failure::{Failure, Outcome};
use super::transaction::{Answer, Db, Transaction};
use super::{refresh_tokens, row, users};
use crate::{Audit, Changed, Login, column, sabotage};

/// Sessions that one sign-in ends: one, unless the setting has been lowered; then the sign-ins after it end the rest.
const DISPLACED_MAX: i64 = 1000;

const FIND: &str = "SELECT id, \"user\", created_at, expires_at, ended_at FROM sessions WHERE id = $1";
const FIND_WITH_USER: &str = "SELECT f.id, f.\"user\", f.created_at, f.expires_at, f.ended_at, \
    u.id, u.username, u.status, u.roles, u.auth_version, u.created_at \
    FROM (SELECT $1::bytea AS session, $2::bytea AS holder) AS named \
    LEFT JOIN sessions f ON f.id = named.session LEFT JOIN users u ON u.id = named.holder";
const HOLD: &str =
    "SELECT id, \"user\", created_at, expires_at, ended_at FROM sessions WHERE id = $1 FOR NO KEY UPDATE";
const HOLD_AS_IT_IS: &str =
    "SELECT id, \"user\", created_at, expires_at, ended_at FROM sessions WHERE id = $1 FOR SHARE";
const LIVE: &str = "SELECT id, \"user\", created_at, expires_at, ended_at, client_name, address FROM sessions \
    WHERE \"user\" = $1 AND ended_at IS NULL AND $2 < expires_at ORDER BY created_at DESC, id DESC LIMIT 1000";
const INSERT: &str = "INSERT INTO sessions \
    (id, \"user\", created_at, expires_at, ended_at, client_name, address, scope, used_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $3)";
const BEYOND: &str = "SELECT id FROM sessions WHERE \"user\" = $1 AND ended_at IS NULL AND $2 < expires_at \
    ORDER BY used_at DESC, expires_at DESC, id DESC LIMIT $4 OFFSET $3";
const EXTEND: &str = "UPDATE sessions SET expires_at = $2, used_at = $3 WHERE id = $1";
const REVIVE: &str = "UPDATE sessions SET expires_at = $2, used_at = $3, ended_at = NULL WHERE id = $1";
const END: &str = "UPDATE sessions SET ended_at = $2 WHERE id = $1";
// An expired one ends too: a guard's leeway may still accept it.
const END_ALL: &str = "UPDATE sessions SET ended_at = $2 \
    WHERE \"user\" = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $3 RETURNING id";
const DELETE_ALL: &str = "DELETE FROM sessions WHERE \"user\" = $1";

/// One session.
pub(super) async fn find(db: &mut impl Db, id: SessionId) -> Outcome<Option<Session>> {
    db.row(FIND, &[&id.to_bytes()]).await?.as_ref().map(read).transpose()
}

/// One session and one user.
pub(super) async fn find_with_user(
    db: &mut impl Db,
    id: SessionId,
    user: UserId,
) -> Outcome<(Option<Session>, Option<User>)> {
    let Some(found) = db.row(FIND_WITH_USER, &[&id.to_bytes(), &user.to_bytes()]).await? else {
        return Ok((None, None));
    };
    let there = |index| Ok::<_, Failure>(row::column::<Option<&[u8]>>(&found, index)?.is_some());
    let session = if there(0)? { Some(read(&found)?) } else { None };
    let user = if there(5)? { Some(users::parse(&found, 5)?) } else { None };
    Ok((session, user))
}

/// One session, which nobody ends until the transaction does.
pub(super) async fn hold_as_it_is(transaction: &mut Transaction<'_>, id: SessionId) -> Outcome<Option<Session>> {
    transaction.row(HOLD_AS_IT_IS, &[&id.to_bytes()]).await?.as_ref().map(read).transpose()
}

/// The live sessions of a user, newest first.
pub(super) async fn live_of(db: &mut impl Db, user: UserId, now: Timestamp) -> Outcome<Vec<SessionListing>> {
    let rows = db.rows(LIVE, &[&user.to_bytes(), &now.micros()]).await?;
    let listing = |found: &Row| {
        let (client_name, address) = (row::column(found, 5)?, row::column(found, 6)?);
        Ok(SessionListing { session: read(found)?, client_name, address })
    };
    rows.iter().map(listing).collect()
}

/// Start the session of a login, with the first token of its family. Raises nothing: a guard that does not know it asks.
pub(super) fn start(transaction: &mut Transaction<'_>, login: &Login) {
    let Session { id, user, created_at, expires_at, ended_at } = login.session;
    let values = values![
        id.to_bytes(),
        user.to_bytes(),
        created_at.micros(),
        expires_at.micros(),
        ended_at.map(Timestamp::micros),
        row::text(&login.client_name),
        row::text(&login.coarse_address),
        login.scope.as_ref().map(ToString::to_string),
    ];
    transaction.later(INSERT, values);
    refresh_tokens::add(transaction, &login.refresh, id);
}

/// Make room for the session of a login: of the user's live ones, end the least recently used until there are fewer than
/// it may have. Each has its audit row. Whether any ended. The user is held: no other sign-in counts at the same time.
pub(super) async fn displace(transaction: &mut Transaction<'_>, login: &Login) -> Outcome<bool> {
    let Session { user, created_at: now, .. } = login.session;
    let kept = i64::from(login.sessions_max.saturating_sub(1));
    let beyond = transaction.rows(BEYOND, &[&user.to_bytes(), &now.micros(), &kept, &DISPLACED_MAX]).await?;
    let before = transaction.raises();
    for found in &beyond {
        let id = SessionId::from_bytes(row::bytes(found, 0)?);
        let by = Audit::displaced(now, user, id, login.sessions_max);
        end(transaction, id, Some(user), &by).await?;
    }
    Ok(transaction.raises() > before)
}

/// A session was used at `at`, and lives until `expires_at`. It is held.
pub(super) fn extend(transaction: &mut Transaction<'_>, id: SessionId, expires_at: Timestamp, at: Timestamp) {
    let sql = if sabotage::chosen(sabotage::REVOKED_REFRESHES) { REVIVE } else { EXTEND };
    transaction.later(sql, values![id.to_bytes(), expires_at.micros(), at.micros()]);
}

/// End one session.
pub(super) async fn end(
    transaction: &mut Transaction<'_>,
    id: SessionId,
    owner: Option<UserId>,
    by: &Audit,
) -> Outcome<Answer<Changed>> {
    let found = transaction.row(HOLD, &[&id.to_bytes()]).await?.as_ref().map(read).transpose()?;
    let Some(session) = found.filter(|session| owner.is_none_or(|owner| owner == session.user)) else {
        return Ok(Answer::Known(Changed::NotFound));
    };
    if session.ended_at.is_some() {
        return Ok(Answer::At(Changed::Already));
    }
    end_held(transaction, id, by);
    Ok(Answer::At(Changed::At))
}

/// End a session that is held and live.
pub(super) fn end_held(transaction: &mut Transaction<'_>, id: SessionId, by: &Audit) {
    transaction.later(END, values![id.to_bytes(), by.at.micros()]);
    transaction.audit(by);
    transaction.publish(Fact::Session(id), by.at);
}

/// End all sessions of a user, but one.
pub(super) async fn end_all(
    transaction: &mut Transaction<'_>,
    user: UserId,
    except: Option<SessionId>,
    by: &Audit,
) -> Outcome<Answer<Changed>> {
    if users::hold(transaction, user).await?.is_none() {
        return Ok(Answer::Known(Changed::NotFound));
    }
    if end_and_publish(transaction, user, except, by.at).await? == 0 {
        return Ok(Answer::At(Changed::Already));
    }
    transaction.audit(by);
    Ok(Answer::At(Changed::At))
}

/// End all sessions of a user who is held, but one, as part of another change. Returns how many ended.
pub(super) async fn end_and_publish(
    transaction: &mut Transaction<'_>,
    user: UserId,
    except: Option<SessionId>,
    at: Timestamp,
) -> Outcome<usize> {
    let except = except.map(SessionId::to_bytes);
    let ended = transaction.rows(END_ALL, &[&user.to_bytes(), &at.micros(), &except]).await?;
    for found in &ended {
        transaction.publish(Fact::Session(SessionId::from_bytes(row::bytes(found, 0)?)), at);
    }
    Ok(ended.len())
}

/// Remove the rows of a user that goes.
pub(super) fn delete_all(transaction: &mut Transaction<'_>, user: UserId) {
    transaction.later(DELETE_ALL, values![user.to_bytes()]);
}

/// The five columns that every query of this file begins with.
pub(super) fn read(found: &Row) -> Outcome<Session> {
    Ok(Session {
        id: SessionId::from_bytes(row::bytes(found, 0)?),
        user: UserId::from_bytes(row::bytes(found, 1)?),
        created_at: column::time(row::column(found, 2)?),
        expires_at: column::time(row::column(found, 3)?),
        ended_at: row::column::<Option<i64>>(found, 4)?.map(column::time),
    })
}
