//! API keys: made by a user, revoked or dead with the user, never revived; suspended by a restore until resumed. Found by id
//! or by digest; the row never holds the secret. `used_at` is no cacheable fact: writing it raises nothing.

use keyfob_core::api_key::{ApiKey, KEYS_PER_USER_MAX, KeyListing};
use keyfob_core::change::Fact;
use keyfob_core::id::{Incarnation, KeyId, UserId};
use keyfob_core::opaque::Digest;
use keyfob_core::time::Timestamp;
use keyfob_core::user::Status;
use tokio_postgres::Row;

use super::failure::Outcome;
use super::transaction::{Answer, Db, Transaction};
use super::{row, sessions, users};
use crate::{Audit, Changed, KeyMade, NewKey, column};

const FIND: &str =
    "SELECT id, \"user\", scope, incarnation, created_at, expires_at, revoked_at FROM api_keys WHERE id = $1";
const HOLD: &str = "SELECT id, \"user\", scope, incarnation, created_at, expires_at, revoked_at \
    FROM api_keys WHERE id = $1 FOR NO KEY UPDATE";
const BY_DIGEST: &str =
    "SELECT id, \"user\", scope, incarnation, created_at, expires_at, revoked_at FROM api_keys WHERE digest = $1";
const LIVE: &str = "SELECT id, \"user\", scope, incarnation, created_at, expires_at, revoked_at, name, used_at \
    FROM api_keys WHERE \"user\" = $1 AND revoked_at IS NULL AND $2 < expires_at \
    ORDER BY created_at DESC, id DESC LIMIT 1000";
const COUNT_LIVE: &str = "SELECT count(*) FROM api_keys WHERE \"user\" = $1 AND revoked_at IS NULL AND $2 < expires_at";
const INSERT: &str = "INSERT INTO api_keys (id, \"user\", digest, incarnation, name, scope, created_at, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const REVOKE: &str = "UPDATE api_keys SET revoked_at = $2 WHERE id = $1";
// Expired ones too: a node's clock may be a little behind.
const REVOKE_ALL: &str = "UPDATE api_keys SET revoked_at = $2 WHERE \"user\" = $1 AND revoked_at IS NULL RETURNING id";
const DELETE_ALL: &str = "DELETE FROM api_keys WHERE \"user\" = $1";
const SUSPENDED: &str = "SELECT id FROM api_keys WHERE incarnation != (SELECT incarnation FROM meta) \
    AND revoked_at IS NULL AND $1 < expires_at AND $2 < id ORDER BY id LIMIT 1000";
const RESUME: &str = "UPDATE api_keys SET incarnation = (SELECT incarnation FROM meta) \
    WHERE id = $1 AND incarnation != (SELECT incarnation FROM meta) RETURNING id";
// Held in order of id, so that two nodes never wait in a circle.
const USED: &str = "WITH use AS (SELECT id, max(at) AS at FROM unnest($1::bytea[], $2::bigint[]) AS use (id, at) GROUP BY id), \
    held AS (SELECT k.id FROM api_keys k WHERE k.id = ANY ($1::bytea[]) ORDER BY k.id FOR NO KEY UPDATE) \
    UPDATE api_keys k SET used_at = use.at FROM use, held \
    WHERE k.id = use.id AND k.id = held.id AND coalesce(k.used_at, 0) < use.at";

/// One key.
pub(super) async fn find(db: &mut impl Db, id: KeyId) -> Outcome<Option<ApiKey>> {
    db.row(FIND, &[&id.to_bytes()]).await?.as_ref().map(read).transpose()
}

/// The key of that digest.
pub(super) async fn by_digest(db: &mut impl Db, digest: Digest) -> Outcome<Option<ApiKey>> {
    db.row(BY_DIGEST, &[&digest.0]).await?.as_ref().map(read).transpose()
}

/// The live keys of a user, newest first.
pub(super) async fn live_of(db: &mut impl Db, user: UserId, now: Timestamp) -> Outcome<Vec<KeyListing>> {
    let rows = db.rows(LIVE, &[&user.to_bytes(), &now.micros()]).await?;
    let listing = |found: &Row| {
        let name = column::key_name(row::column(found, 7)?)?;
        let used_at = row::column::<Option<i64>>(found, 8)?.map(column::time);
        Ok(KeyListing { key: read(found)?, name, used_at })
    };
    rows.iter().map(listing).collect()
}

/// Make a key. Raises nothing: a guard that does not know it asks. Its user is held, and the session that asked cannot end
/// before this has.
pub(super) async fn create(transaction: &mut Transaction<'_>, new: &NewKey, by: &Audit) -> Outcome<Answer<KeyMade>> {
    let key = &new.key;
    let user = users::hold(transaction, key.user).await?.filter(|user| user.status == Status::Active);
    if user.is_none_or(|user| user.auth_version != new.auth_version) {
        return Ok(Answer::Known(KeyMade::Stale));
    }
    if let Some(id) = new.session {
        let session = sessions::hold_as_it_is(transaction, id).await?;
        if session.is_none_or(|session| session.user != key.user || session.ended_at.is_some()) {
            return Ok(Answer::Known(KeyMade::Stale));
        }
    }
    let live = transaction.row(COUNT_LIVE, &[&key.user.to_bytes(), &key.created_at.micros()]).await?;
    if live.as_ref().map(|found| row::count(found, 0)).transpose()?.is_none_or(|live| live >= KEYS_PER_USER_MAX) {
        return Ok(Answer::Known(KeyMade::TooMany));
    }
    let values = values![
        key.id.to_bytes(),
        key.user.to_bytes(),
        new.digest.0,
        key.incarnation.0,
        new.name.as_str().to_owned(),
        key.scope.to_string(),
        key.created_at.micros(),
        key.expires_at.micros(),
    ];
    transaction.later(INSERT, values);
    transaction.audit(by);
    Ok(Answer::Known(KeyMade::Made))
}

/// Revoke one key.
pub(super) async fn revoke(
    transaction: &mut Transaction<'_>,
    id: KeyId,
    owner: Option<UserId>,
    by: &Audit,
) -> Outcome<Answer<Changed>> {
    let found = transaction.row(HOLD, &[&id.to_bytes()]).await?.as_ref().map(read).transpose()?;
    let Some(key) = found.filter(|key| owner.is_none_or(|owner| owner == key.user)) else {
        return Ok(Answer::Known(Changed::NotFound));
    };
    if key.revoked_at.is_some() {
        return Ok(Answer::At(Changed::Already));
    }
    transaction.later(REVOKE, values![id.to_bytes(), by.at.micros()]);
    Ok(publish(transaction, id, by))
}

/// A page of the keys that only their incarnation keeps from being live.
pub(super) async fn suspended(db: &mut impl Db, now: Timestamp, after: Option<KeyId>) -> Outcome<Vec<KeyId>> {
    let after = after.map_or_else(Vec::new, |id| id.to_bytes().to_vec());
    let rows = db.rows(SUSPENDED, &[&now.micros(), &after]).await?;
    rows.iter().map(|found| Ok(KeyId::from_bytes(row::bytes(found, 0)?))).collect()
}

/// Take a key into this life of the store.
pub(super) async fn resume(transaction: &mut Transaction<'_>, id: KeyId, by: &Audit) -> Outcome<Answer<Changed>> {
    let found = transaction.row(HOLD, &[&id.to_bytes()]).await?.as_ref().map(read).transpose()?;
    let Some(_) = found.filter(|key| key.revoked_at.is_none()) else {
        return Ok(Answer::Known(Changed::NotFound));
    };
    if transaction.row(RESUME, &[&id.to_bytes()]).await?.is_none() {
        return Ok(Answer::At(Changed::Already));
    }
    Ok(publish(transaction, id, by))
}

fn publish(transaction: &mut Transaction<'_>, id: KeyId, by: &Audit) -> Answer<Changed> {
    transaction.audit(by);
    transaction.publish(Fact::Key(id), by.at);
    Answer::At(Changed::At)
}

/// Revoke all keys of a user who is held, as part of another change.
pub(super) async fn revoke_and_publish(transaction: &mut Transaction<'_>, user: UserId, at: Timestamp) -> Outcome<()> {
    for found in transaction.rows(REVOKE_ALL, &[&user.to_bytes(), &at.micros()]).await? {
        transaction.publish(Fact::Key(KeyId::from_bytes(row::bytes(&found, 0)?)), at);
    }
    Ok(())
}

/// Remove the rows of a user that goes.
pub(super) fn delete_all(transaction: &mut Transaction<'_>, user: UserId) {
    transaction.later(DELETE_ALL, values![user.to_bytes()]);
}

/// Keep when keys were last used; never an earlier time than is kept.
pub(super) fn record_uses(transaction: &mut Transaction<'_>, uses: &[(KeyId, Timestamp)]) {
    let (ids, times): (Vec<[u8; 16]>, Vec<i64>) = uses.iter().map(|(id, at)| (id.to_bytes(), at.micros())).unzip();
    transaction.later(USED, values![ids, times]);
}

/// The seven columns that every query of this file begins with.
fn read(found: &Row) -> Outcome<ApiKey> {
    Ok(ApiKey {
        id: KeyId::from_bytes(row::bytes(found, 0)?),
        user: UserId::from_bytes(row::bytes(found, 1)?),
        scope: column::scope(row::column(found, 2)?)?,
        incarnation: Incarnation(row::bytes(found, 3)?),
        created_at: column::time(row::column(found, 4)?),
        expires_at: column::time(row::column(found, 5)?),
        revoked_at: row::column::<Option<i64>>(found, 6)?.map(column::time),
    })
}
