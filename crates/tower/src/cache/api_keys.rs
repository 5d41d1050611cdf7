//! API keys in the cache: which key a secret is, by its hash, and the key's facts by its id, so that a revocation finds
//! them. The first never changes: a secret is one key for ever. The second follows the feed like a session.

use std::sync::Arc;

use keyfob_core::api_key::ApiKey;
use keyfob_core::id::KeyId;
use keyfob_core::time::Timestamp;

use super::clock::{ClockMap, Generation, Key};
use super::{FactCache, TokenHash, last_eight};

/// Two maps of the same bound.
pub(super) struct ApiKeys {
    names: ClockMap<TokenHash, KeyId>,
    keys: ClockMap<KeyId, Arc<ApiKey>>,
}

impl ApiKeys {
    pub(super) fn new(entries: usize) -> Self {
        Self { names: ClockMap::new(entries), keys: ClockMap::new(entries) }
    }

    pub(super) fn forget(&self, id: KeyId) {
        self.keys.forget(&id);
    }

    pub(super) fn forget_all(&self) {
        self.names.forget_all();
        self.keys.forget_all();
    }

    /// The key, unless it has run out: then it goes.
    fn look(&self, id: KeyId, now: Timestamp) -> Result<Arc<ApiKey>, Generation> {
        let found = self.keys.look(&id, |key| answers_at(key, now));
        if found.is_err() {
            self.keys.discard(&id, |key| !answers_at(key, now));
        }
        found
    }
}

/// Whether a key's answer can be kept: it was revoked, or its time has not run out.
fn answers_at(key: &ApiKey, now: Timestamp) -> bool {
    key.revoked_at.is_some() || now < key.expires_at
}

impl FactCache {
    /// Which API key the secret of this hash is, if that is remembered. It says nothing of whether the key is good.
    #[must_use]
    pub fn key_named(&self, secret: &TokenHash) -> Option<KeyId> {
        self.api_keys.names.look(secret, |_| true).ok()
    }

    /// Remember which API key the secret of this hash is. It must be one: what does not exist is not remembered.
    pub fn remember_key_name(&self, secret: TokenHash, id: KeyId) {
        self.api_keys.names.remember(secret, id, |_| true);
    }

    /// An API key from memory. One whose time has run out at `now` is not there.
    #[must_use]
    pub fn api_key_hit(&self, id: KeyId, now: Timestamp) -> Option<Arc<ApiKey>> {
        self.api_keys.look(id, now).ok()
    }

    /// An API key, from memory or else by `load`. `None` is not remembered, nor is a key whose time has run out. `load`
    /// must not have begun before this call.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use keyfob_core::change::Fact;
    /// # use keyfob_core::api_key::ApiKey;
    /// # use keyfob_core::id::{Incarnation, KeyId, UserId};
    /// # use keyfob_core::scope::Scope;
    /// # use keyfob_core::time::Timestamp;
    /// use keyfob_tower::cache::{FactCache, TokenHash};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let now = Timestamp::from_seconds(1_800_000_000);
    /// # let id = KeyId::from_bytes([1; 16]);
    /// # let key = Arc::new(ApiKey {
    /// #     id,
    /// #     user: UserId::from_bytes([2; 16]),
    /// #     scope: Scope::default(),
    /// #     incarnation: Incarnation([3; 16]),
    /// #     created_at: now,
    /// #     expires_at: Timestamp::from_seconds(1_800_600_000),
    /// #     revoked_at: None,
    /// # });
    /// let cache = FactCache::new(1000);
    /// let secret = TokenHash::of("fob_key_...");
    /// cache.remember_key_name(secret, id);
    /// let loaded = cache.api_key(id, now, async { Ok::<_, ()>(Some(Arc::clone(&key))) }).await;
    /// assert_eq!(loaded, Ok(Some(Arc::clone(&key))));
    /// assert_eq!(cache.key_named(&secret).and_then(|id| cache.api_key_hit(id, now)), Some(key));
    ///
    /// cache.forget(Fact::Key(id));
    /// assert_eq!(cache.api_key_hit(id, now), None);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn api_key<E>(
        &self,
        id: KeyId,
        now: Timestamp,
        load: impl Future<Output = Result<Option<Arc<ApiKey>>, E>>,
    ) -> Result<Option<Arc<ApiKey>>, E> {
        let generation = match self.api_keys.look(id, now) {
            Ok(key) => return Ok(Some(key)),
            Err(generation) => generation,
        };
        let loaded = load.await?;
        if let Some(key) = loaded.as_ref().filter(|key| key.id == id && answers_at(key, now)) {
            self.api_keys.keys.remember(id, Arc::clone(key), |current| current == generation);
        }
        Ok(loaded)
    }
}

impl Key for KeyId {
    fn bits(&self) -> u64 {
        last_eight(self.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keyfob_core::change::Fact;
    use keyfob_core::id::{Incarnation, UserId};
    use keyfob_core::scope::Scope;

    use shuttle::future::block_on;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn key() -> Arc<ApiKey> {
        Arc::new(ApiKey {
            id: KeyId::from_bytes([1; 16]),
            user: UserId::from_bytes([2; 16]),
            scope: Scope::default(),
            incarnation: Incarnation([3; 16]),
            created_at: NOW,
            expires_at: NOW + Duration::from_mins(1),
            revoked_at: None,
        })
    }

    fn run(test: fn()) {
        shuttle::check_random(test, 1);
    }

    fn fill(cache: &FactCache, key: &Arc<ApiKey>, at: Timestamp) {
        let filled = block_on(cache.api_key(key.id, at, async { Ok::<_, ()>(Some(Arc::clone(key))) }));
        assert_eq!(filled, Ok(Some(Arc::clone(key))));
    }

    #[test]
    fn a_key_is_not_remembered_past_the_instant_it_expires() {
        run(|| {
            let (cache, key) = (FactCache::new(16), key());
            fill(&cache, &key, NOW);
            let last = NOW + Duration::from_micros(59_999_999);
            assert_eq!(cache.api_key_hit(key.id, last).as_ref(), Some(&key));
            assert_eq!(cache.api_key_hit(key.id, key.expires_at), None);
            assert_eq!(cache.api_keys.keys.len(), 0, "and it is gone");
            fill(&cache, &key, key.expires_at);
            assert_eq!(cache.api_keys.keys.len(), 0, "nor comes back");
        });
    }

    #[test]
    fn a_slow_fill_does_not_bring_back_a_key_that_was_revoked_meanwhile() {
        run(|| {
            let (cache, key) = (FactCache::new(16), key());
            let slow = cache.api_key(key.id, NOW, async {
                cache.forget(Fact::Key(key.id));
                Ok::<_, ()>(Some(Arc::clone(&key)))
            });
            block_on(slow).expect("loaded");
            assert_eq!(cache.api_key_hit(key.id, NOW), None);
        });
    }

    #[test]
    fn forgetting_all_forgets_keys() {
        run(|| {
            let (cache, key) = (FactCache::new(16), key());
            fill(&cache, &key, NOW);
            cache.remember_key_name(TokenHash::of("a"), key.id);
            cache.forget_all();
            assert_eq!(cache.api_key_hit(key.id, NOW), None);
            assert_eq!(cache.key_named(&TokenHash::of("a")), None);
        });
    }
}
