//! The signing keys of this node: the one that signs, those that are accepted, and the JWK Set (RFC 7517) as bytes. Which
//! they are is read from the store and nowhere else; see [`crate::rotation`] for how they come and go.

use bytes::Bytes;
use keyfob_core::rotation::{Schedule, Stage};
use keyfob_core::signing_key::{KeySet, SigningKey};
use keyfob_core::time::Timestamp;
use keyfob_store::{Result, Store, StoreError, StoredKey};

use crate::rotation;

/// The keys.
pub struct Keys {
    signing: SigningKey,
    accepted: KeySet,
    /// The RFC 7517 document.
    pub jwks: Bytes,
    /// When a key was retired last, if one was of late: what was let through before may have been let through by it.
    pub retired_at: Option<Timestamp>,
}

impl Keys {
    /// Load them.
    ///
    /// # Errors
    /// Those of the store; [`StoreError::Corrupt`] if none signs.
    pub async fn load(store: &dyn Store) -> Result<Self> {
        let stored = store.signing_keys().await?;
        let retired = stored.iter().filter_map(|key| match key.standing.stage {
            Stage::Retired { at } => Some(at),
            _ => None,
        });
        let (retired_at, accepted) = (retired.max(), accepted(&stored));
        let signing = stored.into_iter().find(|key| matches!(key.standing.stage, Stage::Active { .. }));
        let signing = signing.ok_or_else(|| StoreError::Corrupt("no signing key is in use".to_owned()))?.key;
        let jwks = Bytes::from(accepted.to_json().to_string());
        Ok(Self { signing, accepted, jwks, retired_at })
    }

    /// Load them, after doing what is due: a new store gets its first ones.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn load_or_make(store: &dyn Store, schedule: Schedule) -> Result<Self> {
        rotation::tend(store, schedule).await?;
        Self::load(store).await
    }

    /// The key that signs.
    #[must_use]
    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The keys whose signatures are accepted.
    #[must_use]
    pub fn accepted(&self) -> KeySet {
        self.accepted.clone()
    }
}

/// Those of the stored keys whose signatures are accepted.
#[must_use]
pub fn accepted(stored: &[StoredKey]) -> KeySet {
    let accepted = stored.iter().filter(|key| key.standing.is_accepted());
    KeySet::new(accepted.map(|key| key.key.verifying_key().clone()).collect())
}
