//! Users. Every change of password, status or roles raises the `auth_version`, so that whatever was judged on an older
//! one is refused, and ends the sessions that the change must end, in its own transaction. Whoever changes a user, or makes
//! something on the word of one, holds its row; so those are one order for each user.

use keyfob_core::change::Fact;
use keyfob_core::id::UserId;
use keyfob_core::password::PasswordHash;
use keyfob_core::user::{RoleName, Status, User, Username};
use tokio_postgres::Row;

use super::failure::Outcome;
use super::transaction::{Answer, Db, Transaction};
use super::{api_keys, attempts, failed_sign_ins, legacy, locks, row, sessions};
use crate::{Account, Audit, Changed, Made, NewUser, PasswordChange, column, roles_text};

const FIND: &str = "SELECT id, username, status, roles, auth_version, created_at FROM users WHERE id = $1";
// No key changes, so sessions and keys that refer to it need not wait.
const HOLD: &str =
    "SELECT id, username, status, roles, auth_version, created_at FROM users WHERE id = $1 FOR NO KEY UPDATE";
const HOLD_TO_DELETE: &str =
    "SELECT id, username, status, roles, auth_version, created_at FROM users WHERE id = $1 FOR UPDATE";
const BY_NAME: &str = "SELECT id, username, status, roles, auth_version, created_at FROM users WHERE username = $1";
const PAGE: &str = "SELECT id, username, status, roles, auth_version, created_at FROM users \
    WHERE username > $1 ORDER BY username LIMIT 1000";
const INSERT: &str = "INSERT INTO users (id, username, account, password, status, roles, auth_version, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING true";
const SET_ROLES: &str = "UPDATE users SET roles = $2, auth_version = auth_version + 1 WHERE id = $1";
const SET_STATUS: &str = "UPDATE users SET status = $2, auth_version = auth_version + 1 WHERE id = $1";
const SET_PASSWORD: &str = "UPDATE users SET password = $2, auth_version = auth_version + 1 WHERE id = $1";
const REHASH: &str = "UPDATE users SET password = $2 WHERE id = $1";
const DELETE: &str = "DELETE FROM users WHERE id = $1";

/// One user.
pub(super) async fn find(db: &mut impl Db, id: UserId) -> Outcome<Option<User>> {
    db.row(FIND, &[&id.to_bytes()]).await?.as_ref().map(|found| parse(found, 0)).transpose()
}

/// One user, whom nobody else changes until the transaction ends.
pub(super) async fn hold(transaction: &mut Transaction<'_>, id: UserId) -> Outcome<Option<User>> {
    transaction.row(HOLD, &[&id.to_bytes()]).await?.as_ref().map(|found| parse(found, 0)).transpose()
}

/// The user of that name.
pub(super) async fn by_name(db: &mut impl Db, name: &Username) -> Outcome<Option<User>> {
    db.row(BY_NAME, &[&name.as_str().to_owned()]).await?.as_ref().map(|found| parse(found, 0)).transpose()
}

/// A page of users in order of name.
pub(super) async fn page(db: &mut impl Db, after: Option<&Username>) -> Outcome<Vec<User>> {
    let after = after.map_or("", Username::as_str).to_owned();
    db.rows(PAGE, &[&after]).await?.iter().map(|found| parse(found, 0)).collect()
}

/// Make a user, with a clean throttle: failures of an earlier user of that name, or of guesses at it, are not its own.
pub(super) async fn create(transaction: &mut Transaction<'_>, new: &NewUser, by: &Audit) -> Outcome<Answer<Made>> {
    let user = &new.user;
    let account = column::account(user.username.as_str());
    locks::take(transaction, locks::of_account(&account));
    let made = transaction
        .row(
            INSERT,
            &[
                &user.id.to_bytes(),
                &user.username.as_str().to_owned(),
                &account,
                &new.password.expose_phc().to_owned(),
                &column::status_text(user.status),
                &roles_text(&column::in_order(&user.roles)),
                &column::signed(user.auth_version)?,
                &user.created_at.micros(),
            ],
        )
        .await?;
    if made.is_none() {
        return Ok(Answer::Known(Made::Exists));
    }
    attempts::clear(transaction, &account).await?;
    transaction.audit(by);
    Ok(Answer::Known(Made::Made))
}

/// Replace the roles.
pub(super) async fn set_roles(
    transaction: &mut Transaction<'_>,
    id: UserId,
    roles: &[RoleName],
    by: &Audit,
) -> Outcome<Answer<Changed>> {
    let Some(user) = hold(transaction, id).await? else { return Ok(Answer::Known(Changed::NotFound)) };
    let roles = column::in_order(roles);
    if user.roles == roles {
        return Ok(Answer::At(Changed::Already));
    }
    transaction.later(SET_ROLES, values![id.to_bytes(), roles_text(&roles)]);
    Ok(publish(transaction, id, by))
}

/// Enable or disable.
pub(super) async fn set_status(
    transaction: &mut Transaction<'_>,
    id: UserId,
    status: Status,
    by: &Audit,
) -> Outcome<Answer<Changed>> {
    let Some(user) = hold(transaction, id).await? else { return Ok(Answer::Known(Changed::NotFound)) };
    // Also where the user is enabled already: this is how an operator lifts a throttle.
    let cleared =
        status == Status::Active && attempts::clear(transaction, &column::account(user.username.as_str())).await?;
    if user.status == status {
        if cleared {
            transaction.audit(by);
        }
        return Ok(Answer::At(Changed::Already));
    }
    transaction.later(SET_STATUS, values![id.to_bytes(), column::status_text(status)]);
    if status == Status::Disabled {
        sessions::end_and_publish(transaction, id, None, by.at).await?;
        api_keys::revoke_and_publish(transaction, id, by.at).await?;
    }
    Ok(publish(transaction, id, by))
}

/// Replace the password hash.
pub(super) async fn set_password(
    transaction: &mut Transaction<'_>,
    change: &PasswordChange,
    by: &Audit,
) -> Outcome<Answer<Changed>> {
    let Some(user) = hold(transaction, change.user).await? else {
        attempts::settle_proven_as_failed(transaction, change.proof.as_ref(), by.at);
        return Ok(Answer::Known(Changed::NotFound));
    };
    if change.auth_version.is_some_and(|judged| judged != user.auth_version) {
        attempts::settle_proven_as_failed(transaction, change.proof.as_ref(), by.at);
        return Ok(Answer::Known(Changed::Stale));
    }
    transaction.later(SET_PASSWORD, values![user.id.to_bytes(), change.password.expose_phc().to_owned()]);
    match &change.proof {
        Some(proof) => attempts::settle_as_right(transaction, proof),
        None => drop(attempts::clear(transaction, &column::account(user.username.as_str())).await?),
    }
    sessions::end_and_publish(transaction, user.id, change.keep, by.at).await?;
    Ok(publish(transaction, user.id, by))
}

/// Replace the hash by a dearer one of the same password: nothing anybody judged has changed.
pub(super) fn rehash(transaction: &mut Transaction<'_>, id: UserId, password: &PasswordHash) {
    transaction.later(REHASH, values![id.to_bytes(), password.expose_phc().to_owned()]);
}

/// Delete a user with its sessions and keys. Its audit rows stay.
pub(super) async fn delete(transaction: &mut Transaction<'_>, id: UserId, by: &Audit) -> Outcome<Answer<Changed>> {
    if transaction.row(HOLD_TO_DELETE, &[&id.to_bytes()]).await?.is_none() {
        return Ok(Answer::Known(Changed::NotFound));
    }
    sessions::end_and_publish(transaction, id, None, by.at).await?;
    sessions::delete_all(transaction, id);
    api_keys::revoke_and_publish(transaction, id, by.at).await?;
    api_keys::delete_all(transaction, id);
    failed_sign_ins::delete_all(transaction, id);
    legacy::delete(transaction, id);
    transaction.later(DELETE, values![id.to_bytes()]);
    Ok(publish(transaction, id, by))
}

/// The last beat of every change of a user: its audit row, then the feed.
fn publish(transaction: &mut Transaction<'_>, id: UserId, by: &Audit) -> Answer<Changed> {
    transaction.audit(by);
    transaction.publish(Fact::User(id), by.at);
    Answer::At(Changed::At)
}

/// A user whose columns begin at `first`, with its password hash after them.
pub(super) fn account(found: &Row, first: usize) -> Outcome<Account> {
    let phc = row::column::<String>(found, first + 6)?;
    Ok(Account { user: parse(found, first)?, password: PasswordHash::from_phc(phc) })
}

pub(super) fn parse(found: &Row, first: usize) -> Outcome<User> {
    Ok(User {
        id: UserId::from_bytes(row::bytes(found, first)?),
        username: column::username(row::column(found, first + 1)?)?,
        status: column::status(row::column(found, first + 2)?)?,
        roles: column::roles(row::column(found, first + 3)?)?,
        auth_version: column::unsigned(row::column(found, first + 4)?)?,
        created_at: column::time(row::column(found, first + 5)?),
    })
}
