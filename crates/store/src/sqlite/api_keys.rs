//! API keys: made by a user, revoked or dead with the user, never revived; suspended by a restore until resumed. Found by id or by digest; the row never holds
//! the secret. `used_at` is no cacheable fact: writing it raises nothing.

use keyfob_core::api_key::{ApiKey, KEYS_PER_USER_MAX, KeyListing};
use keyfob_core::change::Fact;
use keyfob_core::id::{Incarnation, KeyId, UserId};
use keyfob_core::opaque::Digest;
use keyfob_core::time::Timestamp;
use keyfob_core::user::Status;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::failure::Outcome;
use super::writer::Transaction;
use super::{audit, sessions, users};
use crate::{Audit, Changed, KeyMade, NewKey, column};

const FIND: &str =
    "SELECT id, user, scope, incarnation, created_at, expires_at, revoked_at FROM api_keys WHERE id = ?1";
const BY_DIGEST: &str =
    "SELECT id, user, scope, incarnation, created_at, expires_at, revoked_at FROM api_keys WHERE digest = ?1";
const LIVE: &str = "SELECT id, user, scope, incarnation, created_at, expires_at, revoked_at, name, used_at \
    FROM api_keys WHERE user = ?1 AND revoked_at IS NULL AND ?2 < expires_at ORDER BY created_at DESC, id DESC \
    LIMIT 1000";
const COUNT_LIVE: &str = "SELECT count(*) FROM api_keys WHERE user = ?1 AND revoked_at IS NULL AND ?2 < expires_at";
const INSERT: &str = "INSERT INTO api_keys (id, user, digest, incarnation, name, scope, created_at, expires_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const REVOKE: &str = "UPDATE api_keys SET revoked_at = ?2 WHERE id = ?1";
// Expired ones too: a node's clock may be a little behind.
const REVOKE_ALL: &str = "UPDATE api_keys SET revoked_at = ?2 WHERE user = ?1 AND revoked_at IS NULL RETURNING id";
const DELETE_ALL: &str = "DELETE FROM api_keys WHERE user = ?1";
const SUSPENDED: &str = "SELECT id FROM api_keys WHERE incarnation != (SELECT incarnation FROM meta) \
    AND revoked_at IS NULL AND ?1 < expires_at AND ?2 < id ORDER BY id LIMIT 1000";
const RESUME: &str = "UPDATE api_keys SET incarnation = (SELECT incarnation FROM meta) \
    WHERE id = ?1 AND incarnation != (SELECT incarnation FROM meta)";
const USED: &str = "UPDATE api_keys SET used_at = ?2 WHERE id = ?1 AND coalesce(used_at, 0) < ?2";

/// One key.
pub(super) fn find(db: &Connection, id: KeyId) -> Outcome<Option<ApiKey>> {
    let mut statement = db.prepare_cached(FIND)?;
    statement.query_one([id.to_bytes()], Columns::read).optional()?.map(Columns::parse).transpose()
}

/// The key of that digest.
pub(super) fn by_digest(db: &Connection, digest: Digest) -> Outcome<Option<ApiKey>> {
    let mut statement = db.prepare_cached(BY_DIGEST)?;
    statement.query_one([digest.0], Columns::read).optional()?.map(Columns::parse).transpose()
}

/// The live keys of a user, newest first.
pub(super) fn live_of(db: &Connection, user: UserId, now: Timestamp) -> Outcome<Vec<KeyListing>> {
    let mut statement = db.prepare_cached(LIVE)?;
    let mut rows = statement.query((user.to_bytes(), now.micros()))?;
    let mut listings = Vec::new();
    while let Some(row) = rows.next()? {
        let name = column::key_name(row.get(7)?)?;
        let used_at = row.get::<_, Option<i64>>(8)?.map(column::time);
        listings.push(KeyListing { key: Columns::read(row)?.parse()?, name, used_at });
    }
    Ok(listings)
}

/// Make a key. Raises nothing: a guard that does not know it asks.
pub(super) fn create(transaction: &Transaction<'_>, new: &NewKey, by: &Audit) -> Outcome<KeyMade> {
    let (db, key) = (transaction.db(), &new.key);
    let user = users::find(db, key.user)?.filter(|user| user.status == Status::Active);
    if user.is_none_or(|user| user.auth_version != new.auth_version) {
        return Ok(KeyMade::Stale);
    }
    if let Some(id) = new.session
        && sessions::find(db, id)?.is_none_or(|session| session.user != key.user || session.ended_at.is_some())
    {
        return Ok(KeyMade::Stale);
    }
    let live: u32 =
        db.prepare_cached(COUNT_LIVE)?.query_one((key.user.to_bytes(), key.created_at.micros()), |row| row.get(0))?;
    if live >= KEYS_PER_USER_MAX {
        return Ok(KeyMade::TooMany);
    }
    db.prepare_cached(INSERT)?.execute((
        key.id.to_bytes(),
        key.user.to_bytes(),
        new.digest.0,
        key.incarnation.0,
        new.name.as_str(),
        key.scope.to_string(),
        key.created_at.micros(),
        key.expires_at.micros(),
    ))?;
    audit::append(db, by)?;
    Ok(KeyMade::Made)
}

/// Revoke one key.
pub(super) fn revoke(
    transaction: &mut Transaction<'_>,
    id: KeyId,
    owner: Option<UserId>,
    by: &Audit,
) -> Outcome<Changed> {
    let found = find(transaction.db(), id)?.filter(|key| owner.is_none_or(|owner| owner == key.user));
    let Some(key) = found else { return Ok(Changed::NotFound) };
    if key.revoked_at.is_some() {
        return Ok(Changed::Already(transaction.revision()));
    }
    transaction.db().prepare_cached(REVOKE)?.execute((id.to_bytes(), by.at.micros()))?;
    audit::append(transaction.db(), by)?;
    transaction.publish(Fact::Key(id), by.at)?;
    Ok(Changed::At(transaction.revision()))
}

/// A page of the keys that only their incarnation keeps from being live.
pub(super) fn suspended(db: &Connection, now: Timestamp, after: Option<KeyId>) -> Outcome<Vec<KeyId>> {
    let mut statement = db.prepare_cached(SUSPENDED)?;
    let after = after.map_or_else(Vec::new, |id| id.to_bytes().to_vec());
    let ids = statement.query_map((now.micros(), after), |row| row.get(0))?;
    Ok(ids.collect::<Result<Vec<_>, _>>()?.into_iter().map(KeyId::from_bytes).collect())
}

/// Take a key into this life of the store.
pub(super) fn resume(transaction: &mut Transaction<'_>, id: KeyId, by: &Audit) -> Outcome<Changed> {
    let Some(_) = find(transaction.db(), id)?.filter(|key| key.revoked_at.is_none()) else {
        return Ok(Changed::NotFound);
    };
    if transaction.db().prepare_cached(RESUME)?.execute([id.to_bytes()])? == 0 {
        return Ok(Changed::Already(transaction.revision()));
    }
    audit::append(transaction.db(), by)?;
    transaction.publish(Fact::Key(id), by.at)?;
    Ok(Changed::At(transaction.revision()))
}

/// Revoke all keys of a user, as part of another change.
pub(super) fn revoke_and_publish(transaction: &mut Transaction<'_>, user: UserId, at: Timestamp) -> Outcome<()> {
    let revoked = {
        let mut statement = transaction.db().prepare_cached(REVOKE_ALL)?;
        let rows = statement.query_map((user.to_bytes(), at.micros()), |row| row.get(0))?;
        rows.collect::<Result<Vec<[u8; 16]>, _>>()?
    };
    for id in revoked {
        transaction.publish(Fact::Key(KeyId::from_bytes(id)), at)?;
    }
    Ok(())
}

/// Remove the rows of a user that goes.
pub(super) fn delete_all(db: &Connection, user: UserId) -> Outcome<()> {
    db.prepare_cached(DELETE_ALL)?.execute([user.to_bytes()])?;
    Ok(())
}

/// Keep when keys were last used; never an earlier time than is kept.
pub(super) fn record_uses(db: &Connection, uses: &[(KeyId, Timestamp)]) -> Outcome<()> {
    let mut statement = db.prepare_cached(USED)?;
    for (id, at) in uses {
        statement.execute((id.to_bytes(), at.micros()))?;
    }
    Ok(())
}

/// A row before its texts are parsed.
struct Columns {
    id: [u8; 16],
    user: [u8; 16],
    scope: String,
    incarnation: [u8; 16],
    created_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
}

impl Columns {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            user: row.get(1)?,
            scope: row.get(2)?,
            incarnation: row.get(3)?,
            created_at: row.get(4)?,
            expires_at: row.get(5)?,
            revoked_at: row.get(6)?,
        })
    }

    fn parse(self) -> Outcome<ApiKey> {
        Ok(ApiKey {
            id: KeyId::from_bytes(self.id),
            user: UserId::from_bytes(self.user),
            scope: column::scope(&self.scope)?,
            incarnation: Incarnation(self.incarnation),
            created_at: column::time(self.created_at),
            expires_at: column::time(self.expires_at),
            revoked_at: self.revoked_at.map(column::time),
        })
    }
}
