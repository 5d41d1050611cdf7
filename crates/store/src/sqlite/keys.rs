//! Signing keys, each wrapped by the root key under its own id, and where in its life it is. What a step makes of them is
//! decided by `keyfob_core::rotation`, inside the transaction, so that two steps at once never work on one ring.

use std::collections::HashMap;
use std::time::Duration;

use keyfob_core::SecureRandom;
use keyfob_core::change::Fact;
use keyfob_core::rotation::{Fresh, Ring, Stage, Standing};
use keyfob_core::signing_key::{Algorithm, SigningKey};
use keyfob_core::time::Timestamp;
use rusqlite::{Connection, Row};

use super::failure::{Failure, Outcome, corrupt};
use super::writer::Transaction;
use super::{audit, row};
use crate::root_key::RootKey;
use crate::{KeyTurn, StoreError, StoredKey, Turned};

const ALL: &str = "SELECT kid, algorithm, published_at, stage, stage_at, token_life, wrapped FROM signing_keys \
    ORDER BY published_at DESC, kid";
const INSERT: &str = "INSERT INTO signing_keys (kid, algorithm, published_at, stage, stage_at, token_life, wrapped) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const UPDATE: &str = "UPDATE signing_keys SET stage = ?2, stage_at = ?3, token_life = ?4 WHERE kid = ?1";
const DELETE: &str = "DELETE FROM signing_keys WHERE kid = ?1";

/// A key as it is stored.
pub(super) struct WrappedKey {
    fresh: Fresh,
    wrapped: Vec<u8>,
}

/// Wrap a key for the database.
pub(super) fn wrap(key: &SigningKey, root_key: &RootKey, rng: &dyn SecureRandom) -> Result<WrappedKey, StoreError> {
    let fresh = Fresh::from(key.verifying_key());
    let wrapped = root_key.wrap(&fresh.kid, key.to_pkcs8(), rng);
    let wrapped = wrapped.map_err(|_| StoreError::Unavailable("the random source failed".to_owned()))?;
    Ok(WrappedKey { fresh, wrapped })
}

/// Take a step.
pub(super) fn turn(transaction: &mut Transaction<'_>, turn: &KeyTurn, made: &[WrappedKey]) -> Outcome<Turned> {
    let before = ring(transaction.db())?;
    let fresh: Vec<Fresh> = made.iter().map(|key| key.fresh.clone()).collect();
    let after = match before.step(&turn.step, turn.at, &turn.schedule, &fresh) {
        Ok(after) if after == before => return Ok(Turned::Already(transaction.revision())),
        Ok(after) => after,
        Err(refusal) => return Ok(Turned::Refused(refusal)),
    };
    replace(transaction.db(), &before, &after, made)?;
    for event in events(&before, &after) {
        audit::append(transaction.db(), &turn.audit(event))?;
    }
    transaction.publish(Fact::SigningKeys, turn.at)?;
    Ok(Turned::At(transaction.revision()))
}

/// Write what differs, in the order that the unique index allows: gone, stopped, begun, new.
fn replace(db: &Connection, before: &Ring, after: &Ring, made: &[WrappedKey]) -> Outcome<()> {
    for gone in before.keys().iter().filter(|key| after.key(&key.kid).is_none()) {
        db.prepare_cached(DELETE)?.execute([&*gone.kid])?;
    }
    let mut moved: Vec<_> =
        after.keys().iter().filter(|key| before.key(&key.kid).is_some_and(|old| old != *key)).collect();
    moved.sort_by_key(|key| matches!(key.stage, Stage::Active { .. }));
    for key in moved {
        let (stage, at) = stage_text(key.stage);
        db.prepare_cached(UPDATE)?.execute((&*key.kid, stage, at.map(Timestamp::micros), micros(key.token_life)?))?;
    }
    let wrapped: HashMap<&str, &[u8]> = made.iter().map(|key| (&*key.fresh.kid, key.wrapped.as_slice())).collect();
    for key in after.keys().iter().filter(|key| before.key(&key.kid).is_none()) {
        let (stage, at) = stage_text(key.stage);
        let wrapped = wrapped.get(&*key.kid).ok_or_else(|| corrupt("a new signing key was not given"))?;
        let values = (
            &*key.kid,
            key.algorithm.name(),
            key.published_at.micros(),
            stage,
            at.map(Timestamp::micros),
            micros(key.token_life)?,
            wrapped,
        );
        db.prepare_cached(INSERT)?.execute(values)?;
    }
    Ok(())
}

/// What happened to which key.
fn events<'r>(before: &'r Ring, after: &'r Ring) -> Vec<(&'static str, &'r Standing)> {
    let gone = before.keys().iter().filter(|key| after.key(&key.kid).is_none());
    let mut events: Vec<_> = gone.map(|key| ("signing-key.dropped", key)).collect();
    for key in after.keys() {
        let old = before.key(&key.kid);
        if old.is_none() {
            events.push(("signing-key.published", key));
        }
        match key.stage {
            stage if old.is_some_and(|old| old.stage == stage) => {
                if old.is_some_and(|old| old.token_life != key.token_life) {
                    events.push(("signing-key.token-life", key));
                }
            }
            Stage::Next => {}
            Stage::Active { .. } => events.push(("signing-key.activated", key)),
            Stage::Old { .. } => events.push(("signing-key.stopped", key)),
            Stage::Retired { .. } => events.push(("signing-key.retired", key)),
        }
    }
    events
}

/// All keys, newest first, unwrapped.
pub(super) fn all(db: &Connection, root_key: &RootKey) -> Outcome<Vec<StoredKey>> {
    let mut statement = db.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let standing = standing(row)?;
        let damaged = || corrupt(format!("the signing key {} does not open", standing.kid));
        let document = root_key.unwrap(&standing.kid, &row.get::<_, Vec<u8>>(6)?).map_err(|_| damaged())?;
        let key = SigningKey::from_pkcs8(standing.algorithm, &document).map_err(|_| damaged())?;
        keys.push(StoredKey { key, standing });
    }
    Ok(keys)
}

fn ring(db: &Connection) -> Outcome<Ring> {
    let mut statement = db.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push(standing(row)?);
    }
    Ok(Ring::new(keys))
}

fn standing(row: &Row<'_>) -> Outcome<Standing> {
    let kid: String = row.get(0)?;
    let damaged = || -> Failure { corrupt(format!("the row of the signing key {kid} cannot be read")) };
    let algorithm = algorithm(&row.get::<_, String>(1)?).ok_or_else(damaged)?;
    let published_at = row::time(row.get(2)?);
    let stage = stage(&row.get::<_, String>(3)?, row.get::<_, Option<i64>>(4)?.map(row::time)).ok_or_else(damaged)?;
    let token_life = Duration::from_micros(row::unsigned(row.get(5)?)?);
    Ok(Standing { kid: kid.into(), algorithm, published_at, stage, token_life })
}

fn stage_text(stage: Stage) -> (&'static str, Option<Timestamp>) {
    match stage {
        Stage::Next => ("next", None),
        Stage::Active { since } => ("active", Some(since)),
        Stage::Old { stopped } => ("old", Some(stopped)),
        Stage::Retired { at } => ("retired", Some(at)),
    }
}

fn stage(text: &str, at: Option<Timestamp>) -> Option<Stage> {
    match (text, at) {
        ("next", None) => Some(Stage::Next),
        ("active", Some(since)) => Some(Stage::Active { since }),
        ("old", Some(stopped)) => Some(Stage::Old { stopped }),
        ("retired", Some(at)) => Some(Stage::Retired { at }),
        _ => None,
    }
}

fn micros(length: Duration) -> Outcome<i64> {
    i64::try_from(length.as_micros()).map_err(|_| corrupt("a token life is too long"))
}

fn algorithm(text: &str) -> Option<Algorithm> {
    [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256].into_iter().find(|algorithm| algorithm.name() == text)
}
