//! Signing keys. What a step makes of them is decided by `keyfob_core::rotation`, inside the transaction and under one lock,
//! so that two steps at once never work on one ring, even an empty one.

use keyfob_core::change::Fact;
use keyfob_core::rotation::{Fresh, Ring, Standing};
use tokio_postgres::Row;

use super::failure::Outcome;
use super::transaction::{Answer, Db, Transaction};
use super::{locks, row};
use crate::root_key::RootKey;
use crate::signing_keys::{self, Columns, WrappedKey, Write};
use crate::{KeyTurn, StoredKey, Turned};

const ALL: &str = "SELECT kid, algorithm, published_at, stage, stage_at, token_life, wrapped FROM signing_keys \
    ORDER BY published_at DESC, kid";
const INSERT: &str = "INSERT INTO signing_keys (kid, algorithm, published_at, stage, stage_at, token_life, wrapped) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const UPDATE: &str = "UPDATE signing_keys SET stage = $2, stage_at = $3, token_life = $4 WHERE kid = $1";
const DELETE: &str = "DELETE FROM signing_keys WHERE kid = $1";

/// Take a step.
pub(super) async fn turn(
    transaction: &mut Transaction<'_>,
    turn: &KeyTurn,
    made: &[WrappedKey],
) -> Outcome<Answer<Turned>> {
    locks::take(transaction, locks::SIGNING_KEYS);
    let before = transaction.rows(ALL, &[]).await?.iter().map(standing).collect::<Outcome<Vec<_>>>();
    let before = Ring::new(before?);
    let fresh: Vec<Fresh> = made.iter().map(|key| key.fresh.clone()).collect();
    let after = match before.step(&turn.step, turn.at, &turn.schedule, &fresh) {
        Ok(after) if after == before => return Ok(Answer::At(Turned::Already)),
        Ok(after) => after,
        Err(refusal) => return Ok(Answer::Known(Turned::Refused(refusal))),
    };
    for write in signing_keys::writes(&before, &after, made)? {
        queue(transaction, write);
    }
    for event in signing_keys::events(&before, &after) {
        transaction.audit(&turn.audit(event));
    }
    transaction.publish(Fact::SigningKeys, turn.at);
    Ok(Answer::At(Turned::At))
}

fn queue(transaction: &mut Transaction<'_>, write: Write<'_>) {
    match write {
        Write::Delete(kid) => transaction.later(DELETE, values![kid.to_owned()]),
        Write::Update(key) => {
            transaction.later(UPDATE, values![key.kid, key.stage, key.stage_at, key.token_life]);
        }
        Write::Insert(key, wrapped) => {
            let Columns { kid, algorithm, published_at, stage, stage_at, token_life } = key;
            let values = values![kid, algorithm, published_at, stage, stage_at, token_life, wrapped.to_vec()];
            transaction.later(INSERT, values);
        }
    }
}

/// All keys, newest first, unwrapped.
pub(super) async fn all(db: &mut impl Db, root_key: &RootKey) -> Outcome<Vec<StoredKey>> {
    let rows = db.rows(ALL, &[]).await?;
    rows.iter().map(|found| Ok(signing_keys::unwrap(standing(found)?, row::column(found, 6)?, root_key)?)).collect()
}

fn standing(found: &Row) -> Outcome<Standing> {
    let columns = Columns {
        kid: row::column(found, 0)?,
        algorithm: row::column(found, 1)?,
        published_at: row::column(found, 2)?,
        stage: row::column(found, 3)?,
        stage_at: row::column(found, 4)?,
        token_life: row::column(found, 5)?,
    };
    Ok(columns.parse()?)
}
