//! Users. Every change of password, status or roles raises the `auth_version`, so that whatever was judged on an older
//! one is refused, and ends the sessions that the change must end, in its own transaction.

use keyfob_core::change::Fact;
use keyfob_core::id::UserId;
use keyfob_core::password::PasswordHash;
use keyfob_core::user::{RoleName, Status, User, Username};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::failure::Outcome;
use super::writer::Transaction;
use super::{api_keys, attempts, audit, failed_sign_ins, legacy, sessions};
use crate::{Account, Audit, Changed, Made, NewUser, PasswordChange, column, roles_text};

const FIND: &str = "SELECT id, username, status, roles, auth_version, created_at FROM users WHERE id = ?1";
const BY_NAME: &str = "SELECT id, username, status, roles, auth_version, created_at FROM users WHERE username = ?1";
const ACCOUNT: &str =
    "SELECT id, username, status, roles, auth_version, created_at, password FROM users WHERE username = ?1";
const NAMED_BY_DIGEST: &str = "SELECT id, username FROM users WHERE account = ?1";
const PAGE: &str = "SELECT id, username, status, roles, auth_version, created_at FROM users \
    WHERE username > ?1 ORDER BY username LIMIT 1000";
const INSERT: &str = "INSERT INTO users (id, username, account, password, status, roles, auth_version, created_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const SET_ROLES: &str = "UPDATE users SET roles = ?2, auth_version = auth_version + 1 WHERE id = ?1";
const SET_STATUS: &str = "UPDATE users SET status = ?2, auth_version = auth_version + 1 WHERE id = ?1";
const SET_PASSWORD: &str = "UPDATE users SET password = ?2, auth_version = auth_version + 1 WHERE id = ?1";
const REHASH: &str = "UPDATE users SET password = ?2 WHERE id = ?1";
const DELETE: &str = "DELETE FROM users WHERE id = ?1";

/// One user.
pub(super) fn find(db: &Connection, id: UserId) -> Outcome<Option<User>> {
    let mut statement = db.prepare_cached(FIND)?;
    statement.query_one([id.to_bytes()], Columns::read).optional()?.map(Columns::parse).transpose()
}

/// The user of that name.
pub(super) fn by_name(db: &Connection, name: &Username) -> Outcome<Option<User>> {
    let mut statement = db.prepare_cached(BY_NAME)?;
    statement.query_one([name.as_str()], Columns::read).optional()?.map(Columns::parse).transpose()
}

/// The user of that name with its password hash. No name costs what an unknown name costs.
pub(super) fn account(db: &Connection, name: Option<&Username>) -> Outcome<Option<Account>> {
    let mut statement = db.prepare_cached(ACCOUNT)?;
    let name = name.map_or("", Username::as_str);
    let found = statement.query_one([name], |row| Ok((Columns::read(row)?, row.get(6)?))).optional()?;
    let account = |(columns, phc): (Columns, String)| {
        Ok(Account { user: columns.parse()?, password: PasswordHash::from_phc(phc) })
    };
    found.map(account).transpose()
}

/// The user that attempts know by that digest.
pub(super) fn named_by_digest(db: &Connection, account: &[u8; 32]) -> Outcome<Option<(UserId, String)>> {
    let read = |row: &Row<'_>| Ok((UserId::from_bytes(row.get(0)?), row.get(1)?));
    Ok(db.prepare_cached(NAMED_BY_DIGEST)?.query_one([account], read).optional()?)
}

/// A page of users in order of name.
pub(super) fn page(db: &Connection, after: Option<&Username>) -> Outcome<Vec<User>> {
    let mut statement = db.prepare_cached(PAGE)?;
    let rows = statement.query_map([after.map_or("", Username::as_str)], Columns::read)?;
    rows.map(|columns| columns?.parse()).collect()
}

/// Make a user, with a clean throttle: failures of an earlier user of that name, or of guesses at it, are not its own.
pub(super) fn create(transaction: &Transaction<'_>, new: &NewUser, by: &Audit) -> Outcome<Made> {
    let (db, user) = (transaction.db(), &new.user);
    if by_name(db, &user.username)?.is_some() {
        return Ok(Made::Exists);
    }
    let account = column::account(user.username.as_str());
    db.prepare_cached(INSERT)?.execute((
        user.id.to_bytes(),
        user.username.as_str(),
        account,
        new.password.expose_phc(),
        column::status_text(user.status),
        roles_text(&column::in_order(&user.roles)),
        column::signed(user.auth_version)?,
        user.created_at.micros(),
    ))?;
    attempts::clear(db, &account)?;
    audit::append(db, by)?;
    Ok(Made::Made)
}

/// Replace the roles.
pub(super) fn set_roles(
    transaction: &mut Transaction<'_>,
    id: UserId,
    roles: &[RoleName],
    by: &Audit,
) -> Outcome<Changed> {
    let Some(user) = find(transaction.db(), id)? else { return Ok(Changed::NotFound) };
    let roles = column::in_order(roles);
    if user.roles == roles {
        return Ok(Changed::Already(transaction.revision()));
    }
    transaction.db().prepare_cached(SET_ROLES)?.execute((id.to_bytes(), roles_text(&roles)))?;
    publish(transaction, id, by)
}

/// Enable or disable.
pub(super) fn set_status(
    transaction: &mut Transaction<'_>,
    id: UserId,
    status: Status,
    by: &Audit,
) -> Outcome<Changed> {
    let Some(user) = find(transaction.db(), id)? else { return Ok(Changed::NotFound) };
    // Also where the user is enabled already: this is how an operator lifts a throttle.
    let cleared =
        status == Status::Active && attempts::clear(transaction.db(), &column::account(user.username.as_str()))?;
    if user.status == status {
        if cleared {
            audit::append(transaction.db(), by)?;
        }
        return Ok(Changed::Already(transaction.revision()));
    }
    transaction.db().prepare_cached(SET_STATUS)?.execute((id.to_bytes(), column::status_text(status)))?;
    if status == Status::Disabled {
        sessions::end_and_publish(transaction, id, None, by.at)?;
        api_keys::revoke_and_publish(transaction, id, by.at)?;
    }
    publish(transaction, id, by)
}

/// Replace the password hash.
pub(super) fn set_password(transaction: &mut Transaction<'_>, change: &PasswordChange, by: &Audit) -> Outcome<Changed> {
    let Some(user) = find(transaction.db(), change.user)? else {
        attempts::settle_proven_as_failed(transaction.db(), change.proof.as_ref(), by.at)?;
        return Ok(Changed::NotFound);
    };
    if change.auth_version.is_some_and(|judged| judged != user.auth_version) {
        attempts::settle_proven_as_failed(transaction.db(), change.proof.as_ref(), by.at)?;
        return Ok(Changed::Stale);
    }
    let values = (user.id.to_bytes(), change.password.expose_phc());
    transaction.db().prepare_cached(SET_PASSWORD)?.execute(values)?;
    match &change.proof {
        Some(proof) => attempts::settle_as_right(transaction.db(), proof)?,
        None => drop(attempts::clear(transaction.db(), &column::account(user.username.as_str()))?),
    }
    sessions::end_and_publish(transaction, user.id, change.keep, by.at)?;
    publish(transaction, user.id, by)
}

/// Replace the hash by a dearer one of the same password: nothing anybody judged has changed.
pub(super) fn rehash(db: &Connection, id: UserId, password: &PasswordHash) -> Outcome<()> {
    db.prepare_cached(REHASH)?.execute((id.to_bytes(), password.expose_phc()))?;
    Ok(())
}

/// Delete a user with its sessions and keys. Its audit rows stay.
pub(super) fn delete(transaction: &mut Transaction<'_>, id: UserId, by: &Audit) -> Outcome<Changed> {
    if find(transaction.db(), id)?.is_none() {
        return Ok(Changed::NotFound);
    }
    sessions::end_and_publish(transaction, id, None, by.at)?;
    sessions::delete_all(transaction.db(), id)?;
    api_keys::revoke_and_publish(transaction, id, by.at)?;
    api_keys::delete_all(transaction.db(), id)?;
    failed_sign_ins::delete_all(transaction.db(), id)?;
    legacy::delete(transaction.db(), id)?;
    transaction.db().prepare_cached(DELETE)?.execute([id.to_bytes()])?;
    publish(transaction, id, by)
}

/// The last beat of every change of a user: its audit row, then the feed.
fn publish(transaction: &mut Transaction<'_>, id: UserId, by: &Audit) -> Outcome<Changed> {
    audit::append(transaction.db(), by)?;
    transaction.publish(Fact::User(id), by.at)?;
    Ok(Changed::At(transaction.revision()))
}

/// A row before its texts are parsed.
struct Columns {
    id: [u8; 16],
    username: String,
    status: String,
    roles: String,
    auth_version: i64,
    created_at: i64,
}

impl Columns {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            username: row.get(1)?,
            status: row.get(2)?,
            roles: row.get(3)?,
            auth_version: row.get(4)?,
            created_at: row.get(5)?,
        })
    }

    fn parse(self) -> Outcome<User> {
        Ok(User {
            id: UserId::from_bytes(self.id),
            username: column::username(self.username)?,
            status: column::status(&self.status)?,
            roles: column::roles(&self.roles)?,
            auth_version: column::unsigned(self.auth_version)?,
            created_at: column::time(self.created_at),
        })
    }
}
