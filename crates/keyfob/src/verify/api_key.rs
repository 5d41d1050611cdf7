//! Turns an API key into evidence. A mistyped or invented key touches no store: checksum and tag are looked at first. A
//! key that was seen is found in memory by its hash. One that is gone buys a few reads of the store a minute, whoever
//! sends it, and is answered 503 beyond that.

use std::sync::Arc;

use keyfob_core::api_key::ApiKey;
use keyfob_core::id::{Incarnation, KeyId, UserId};
use keyfob_core::opaque::Opaque;
use keyfob_core::policy::{Evidence, KeyProof};
use keyfob_core::scope::Scope;
use keyfob_core::time::Timestamp;
use keyfob_tower::cache::TokenHash;
use keyfob_tower::guard::CannotTell;

use super::{StoreVerifier, could_not_tell};
use crate::clock;

impl StoreVerifier {
    /// The evidence that an API key is, and a note of its use if it is good.
    pub(super) async fn verify_key(&self, text: &str, hash: TokenHash, now: Timestamp) -> Result<Evidence, CannotTell> {
        let id = match self.facts.key_named(&hash) {
            Some(id) => id,
            None => match self.find_key(text, hash, now).await? {
                Some(id) => id,
                None => return Ok(Evidence::Invalid),
            },
        };
        let Some(proof) = self.key_proof(id, now).await? else { return Ok(Evidence::Invalid) };
        if proof.holds(now) {
            self.key_uses.note(id, now);
        }
        Ok(Evidence::Key(proof))
    }

    /// First sight of a key: the cheap checks, then its digest in the store.
    async fn find_key(&self, text: &str, hash: TokenHash, now: Timestamp) -> Result<Option<KeyId>, CannotTell> {
        let Some(secret) = Opaque::parse(text).filter(|secret| self.mint.made(secret)) else { return Ok(None) };
        let digest = secret.digest();
        let [name, _] = digest.0.as_chunks().0 else { return Ok(None) };
        if self.dead_keys.exhausted(*name, now) {
            return Err(CannotTell);
        }
        let found = self.store.api_key_by_digest(digest).await.map_err(|error| could_not_tell(&error))?;
        match &found {
            Some(key) => self.facts.remember_key_name(hash, key.id),
            None => self.dead_keys.count(*name, now),
        }
        Ok(found.map(|key| key.id))
    }

    async fn key_proof(&self, id: KeyId, now: Timestamp) -> Result<Option<KeyProof>, CannotTell> {
        let key = self.api_key(id, now).await?.filter(|key| key.revoked_at.is_none());
        let Some(key) = key else { return Ok(None) };
        let Some(user) = self.user(key.user).await? else { return Ok(None) };
        Ok(Some(KeyProof { key, user, incarnation: self.store.incarnation() }))
    }

    async fn api_key(&self, id: KeyId, now: Timestamp) -> Result<Option<Arc<ApiKey>>, CannotTell> {
        let load = async {
            if self.dead_keys.exhausted(id.to_bytes(), now) {
                return Err(CannotTell);
            }
            let found = self.store.api_key(id).await.map_err(|error| could_not_tell(&error))?;
            let key = found.unwrap_or_else(|| gone(id, now));
            // What has run out is not remembered, so it would be read again and again.
            if key.revoked_at.is_none() && now >= key.expires_at {
                self.dead_keys.count(id.to_bytes(), now);
            }
            Ok(Some(Arc::new(key)))
        };
        self.facts.api_key(id, now, load).await
    }

    /// Whether requests with this key would still be let in.
    pub(super) async fn key_is_live(&self, id: KeyId) -> Result<bool, CannotTell> {
        let proof = self.key_proof(id, clock::now()).await?;
        Ok(proof.is_some_and(|proof| proof.holds(clock::now())))
    }

    /// The same from memory alone; `None` if a fact is not there.
    pub(super) fn key_is_live_in_memory(&self, id: KeyId, now: Timestamp) -> Option<bool> {
        let key = self.facts.api_key_hit(id, now)?;
        let user = self.facts.user_hit(key.user)?;
        Some(KeyProof { key, user, incarnation: self.store.incarnation() }.holds(now))
    }
}

/// What is left of a key that was there, since it has an id, and whose row is gone: that it has ended, for good.
fn gone(id: KeyId, now: Timestamp) -> ApiKey {
    ApiKey {
        id,
        user: UserId::from_bytes([0; 16]),
        scope: Scope::default(),
        incarnation: Incarnation([0; 16]),
        created_at: now,
        expires_at: now,
        revoked_at: Some(now),
    }
}

#[cfg(test)]
mod tests;
