//! Signing keys, each wrapped by the root key under its own id.

use keyfob_core::SecureRandom;
use keyfob_core::change::{Fact, Revision};
use keyfob_core::signing_key::{Algorithm, SigningKey};
use rusqlite::Connection;

use super::failure::{Outcome, corrupt};
use super::writer::Transaction;
use super::{audit, row};
use crate::root_key::RootKey;
use crate::{Audit, StoreError, StoredKey};

const ALL: &str = "SELECT kid, algorithm, wrapped, created_at FROM signing_keys ORDER BY created_at DESC, kid";
const INSERT: &str = "INSERT INTO signing_keys (kid, algorithm, wrapped, created_at) VALUES (?1, ?2, ?3, ?4)";

/// A key as it is stored.
pub(super) struct WrappedKey {
    kid: String,
    algorithm: Algorithm,
    wrapped: Vec<u8>,
}

/// Wrap a key for the database.
pub(super) fn wrap(key: &SigningKey, root_key: &RootKey, rng: &dyn SecureRandom) -> Result<WrappedKey, StoreError> {
    let kid = key.verifying_key().kid().to_owned();
    let wrapped = root_key.wrap(&kid, key.to_pkcs8(), rng);
    let wrapped = wrapped.map_err(|_| StoreError::Unavailable("the random source failed".to_owned()))?;
    Ok(WrappedKey { kid, algorithm: key.verifying_key().algorithm(), wrapped })
}

/// Add a wrapped key.
pub(super) fn add(transaction: &mut Transaction<'_>, key: &WrappedKey, by: &Audit) -> Outcome<Revision> {
    let values = (&key.kid, text(key.algorithm), &key.wrapped, by.at.micros());
    transaction.db().prepare_cached(INSERT)?.execute(values)?;
    audit::append(transaction.db(), by)?;
    transaction.publish(Fact::SigningKeys, by.at)?;
    Ok(transaction.revision())
}

/// All keys, newest first, unwrapped.
pub(super) fn all(db: &Connection, root_key: &RootKey) -> Outcome<Vec<StoredKey>> {
    let mut statement = db.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let kid: String = row.get(0)?;
        let damaged = || corrupt(format!("the signing key {kid} does not open"));
        let algorithm = parse(&row.get::<_, String>(1)?).ok_or_else(damaged)?;
        let document = root_key.unwrap(&kid, &row.get::<_, Vec<u8>>(2)?).map_err(|_| damaged())?;
        let key = SigningKey::from_pkcs8(algorithm, &document).map_err(|_| damaged())?;
        keys.push(StoredKey { key, algorithm, created_at: row::time(row.get(3)?) });
    }
    Ok(keys)
}

fn text(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Es256 => "ES256",
        Algorithm::EdDsa => "EdDSA",
        Algorithm::Rs256 => "RS256",
    }
}

fn parse(text: &str) -> Option<Algorithm> {
    [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256].into_iter().find(|algorithm| self::text(*algorithm) == text)
}
