//! The signing keys of this node: the one that signs, those that are accepted, and the JWK Set as bytes.

use bytes::Bytes;
use keyfob_core::signing_key::{Algorithm, KeySet, SigningKey};
use keyfob_store::{Audit, Result, Store, StoreError};

use crate::clock;

/// The keys.
pub struct Keys {
    signing: SigningKey,
    accepted: KeySet,
    /// The RFC 7517 document.
    pub jwks: Bytes,
}

impl Keys {
    /// Load them; the newest of `algorithm` signs.
    ///
    /// # Errors
    /// Those of the store; [`StoreError::Corrupt`] if no key of that algorithm exists.
    pub async fn load(store: &dyn Store, algorithm: Algorithm) -> Result<Self> {
        let stored = store.signing_keys().await?;
        let accepted = KeySet::new(stored.iter().map(|key| key.key.verifying_key().clone()).collect());
        let signing = stored.into_iter().find(|key| key.algorithm == algorithm);
        let signing = signing.ok_or_else(|| StoreError::Corrupt(format!("no {algorithm:?} signing key")))?.key;
        let jwks = Bytes::from(accepted.to_json().to_string());
        Ok(Self { signing, accepted, jwks })
    }

    /// Load them, after making one of `algorithm` if there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn load_or_make(store: &dyn Store, algorithm: Algorithm) -> Result<Self> {
        let stored = store.signing_keys().await?;
        if !stored.iter().any(|key| key.algorithm == algorithm) {
            let key = SigningKey::generate(algorithm, clock::rng())
                .map_err(|error| StoreError::Unavailable(format!("no signing key can be made: {error}")))?;
            let subject = key.verifying_key().kid().to_owned();
            let audit = Audit {
                at: clock::now(),
                event: "signing-key.made",
                actor: "keyfob".to_owned(),
                subject,
                detail: format!("{algorithm:?}"),
            };
            store.add_signing_key(&key, &audit).await?;
        }
        Self::load(store, algorithm).await
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
