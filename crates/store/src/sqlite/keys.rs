//! Signing keys, each wrapped by the root key under its own id, and where in its life it is. What a step makes of them is
//! decided by `keyfob_core::rotation`, inside the transaction, so that two steps at once never work on one ring.

use keyfob_core::change::Fact;
use keyfob_core::rotation::{Fresh, Ring, Standing};
use rusqlite::{Connection, Row};

use super::audit;
use super::failure::Outcome;
use super::writer::Transaction;
use crate::root_key::RootKey;
use crate::signing_keys::{self, Columns, WrappedKey, Write};
use crate::{KeyTurn, StoredKey, Turned};

const ALL: &str = "SELECT kid, algorithm, published_at, stage, stage_at, token_life, wrapped FROM signing_keys \
    ORDER BY published_at DESC, kid";
const INSERT: &str = "INSERT INTO signing_keys (kid, algorithm, published_at, stage, stage_at, token_life, wrapped) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const UPDATE: &str = "UPDATE signing_keys SET stage = ?2, stage_at = ?3, token_life = ?4 WHERE kid = ?1";
const DELETE: &str = "DELETE FROM signing_keys WHERE kid = ?1";

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
    for event in signing_keys::events(&before, &after) {
        audit::append(transaction.db(), &turn.audit(event))?;
    }
    transaction.publish(Fact::SigningKeys, turn.at)?;
    Ok(Turned::At(transaction.revision()))
}

fn replace(db: &Connection, before: &Ring, after: &Ring, made: &[WrappedKey]) -> Outcome<()> {
    for write in signing_keys::writes(before, after, made)? {
        match write {
            Write::Delete(kid) => db.prepare_cached(DELETE)?.execute([kid])?,
            Write::Update(key) => {
                db.prepare_cached(UPDATE)?.execute((key.kid, key.stage, key.stage_at, key.token_life))?
            }
            Write::Insert(key, wrapped) => db.prepare_cached(INSERT)?.execute((
                key.kid,
                key.algorithm,
                key.published_at,
                key.stage,
                key.stage_at,
                key.token_life,
                wrapped,
            ))?,
        };
    }
    Ok(())
}

/// All keys, newest first, unwrapped.
pub(super) fn all(db: &Connection, root_key: &RootKey) -> Outcome<Vec<StoredKey>> {
    let mut statement = db.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let standing = standing(row)?;
        keys.push(signing_keys::unwrap(standing, &row.get::<_, Vec<u8>>(6)?, root_key)?);
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
    let columns = Columns {
        kid: row.get(0)?,
        algorithm: row.get(1)?,
        published_at: row.get(2)?,
        stage: row.get(3)?,
        stage_at: row.get(4)?,
        token_life: row.get(5)?,
    };
    Ok(columns.parse()?)
}
