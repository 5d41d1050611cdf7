//! What both backends do with signing keys at rest: each is wrapped by the root key under its own id (AES-256-GCM), and its
//! row says where in its life it is. Decides nothing; `keyfob_core::rotation` does.

use std::collections::HashMap;
use std::time::Duration;

use keyfob_core::SecureRandom;
use keyfob_core::rotation::{Fresh, Ring, Stage, Standing};
use keyfob_core::signing_key::{Algorithm, SigningKey};
use keyfob_core::time::Timestamp;

use crate::column::{self, corrupt};
use crate::root_key::RootKey;
use crate::{Result, StoreError, StoredKey, sabotage};

/// A key as it is stored.
pub(crate) struct WrappedKey {
    /// What a step may publish.
    pub(crate) fresh: Fresh,
    wrapped: Vec<u8>,
}

/// Wrap a key for the database.
pub(crate) fn wrap(key: &SigningKey, root_key: &RootKey, rng: &dyn SecureRandom) -> Result<WrappedKey> {
    let fresh = Fresh::from(key.verifying_key());
    let wrapped = root_key.wrap(&fresh.kid, key.to_pkcs8(), rng);
    let wrapped = wrapped.map_err(|_| StoreError::Unavailable("the random source failed".to_owned()))?;
    Ok(WrappedKey { fresh, wrapped })
}

/// The columns of a key, but for the wrapped document.
pub(crate) struct Columns {
    pub(crate) kid: String,
    pub(crate) algorithm: String,
    pub(crate) published_at: i64,
    pub(crate) stage: String,
    pub(crate) stage_at: Option<i64>,
    pub(crate) token_life: i64,
}

impl Columns {
    fn of(key: &Standing) -> Result<Self> {
        let (stage, at) = stage_text(key.stage);
        Ok(Self {
            kid: key.kid.to_string(),
            algorithm: key.algorithm.name().to_owned(),
            published_at: key.published_at.micros(),
            stage: stage.to_owned(),
            stage_at: at.map(Timestamp::micros),
            token_life: i64::try_from(key.token_life.as_micros()).map_err(|_| corrupt("a token life is too long"))?,
        })
    }

    /// What they say.
    pub(crate) fn parse(self) -> Result<Standing> {
        let damaged = || corrupt(format!("the row of the signing key {} cannot be read", self.kid));
        let algorithm = algorithm(&self.algorithm).ok_or_else(damaged)?;
        let stage = stage(&self.stage, self.stage_at.map(column::time)).map(sabotage::stage).ok_or_else(damaged)?;
        let token_life = Duration::from_micros(column::unsigned(self.token_life)?);
        let published_at = column::time(self.published_at);
        Ok(Standing { kid: self.kid.into(), algorithm, published_at, stage, token_life })
    }
}

/// Unwrap a key.
pub(crate) fn unwrap(standing: Standing, wrapped: &[u8], root_key: &RootKey) -> Result<StoredKey> {
    let damaged = || corrupt(format!("the signing key {} does not open", standing.kid));
    let document = root_key.unwrap(&standing.kid, wrapped).map_err(|_| damaged())?;
    let key = SigningKey::from_pkcs8(standing.algorithm, &document).map_err(|_| damaged())?;
    Ok(StoredKey { key, standing })
}

/// One row to write.
pub(crate) enum Write<'k> {
    /// The key of this id goes.
    Delete(&'k str),
    /// A key is somewhere else in its life.
    Update(Columns),
    /// A key is new, with its wrapped document.
    Insert(Columns, &'k [u8]),
}

/// What differs, in the order that the unique index allows: gone, stopped, begun, new.
pub(crate) fn writes<'k>(before: &'k Ring, after: &'k Ring, made: &'k [WrappedKey]) -> Result<Vec<Write<'k>>> {
    let gone = before.keys().iter().filter(|key| after.key(&key.kid).is_none());
    let mut writes: Vec<_> = gone.map(|key| Write::Delete(&key.kid)).collect();
    let mut moved: Vec<_> =
        after.keys().iter().filter(|key| before.key(&key.kid).is_some_and(|old| old != *key)).collect();
    moved.sort_by_key(|key| matches!(key.stage, Stage::Active { .. }));
    for key in moved {
        writes.push(Write::Update(Columns::of(key)?));
    }
    let wrapped: HashMap<&str, &[u8]> = made.iter().map(|key| (&*key.fresh.kid, key.wrapped.as_slice())).collect();
    for key in after.keys().iter().filter(|key| before.key(&key.kid).is_none()) {
        let wrapped = wrapped.get(&*key.kid).ok_or_else(|| corrupt("a new signing key was not given"))?;
        writes.push(Write::Insert(Columns::of(key)?, wrapped));
    }
    Ok(writes)
}

/// What happened to which key.
pub(crate) fn events<'r>(before: &'r Ring, after: &'r Ring) -> Vec<(&'static str, &'r Standing)> {
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

fn algorithm(text: &str) -> Option<Algorithm> {
    [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256].into_iter().find(|algorithm| algorithm.name() == text)
}
