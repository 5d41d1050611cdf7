//! When each API key was last used: gathered in memory and written in one go, now and then and at the end, so that a
//! request with a key never writes. What a crash loses is at most a minute of it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keyfob_core::id::KeyId;
use keyfob_core::time::Timestamp;
use keyfob_store::{Result, Store};

/// Keys remembered between two writes: 3 MiB. A use of one more is not noted; nothing else depends on it.
const KEYS_MAX: usize = 65_536;

/// The uses that are not written yet.
#[derive(Default)]
pub struct KeyUses(Mutex<HashMap<KeyId, Timestamp>>);

impl KeyUses {
    /// Note a use. Never an earlier time than is noted.
    pub fn note(&self, id: KeyId, at: Timestamp) {
        let mut noted = self.lock();
        let room = noted.len() < KEYS_MAX;
        match noted.get_mut(&id) {
            Some(last) => *last = at.max(*last),
            None if room => drop(noted.insert(id, at)),
            None => {}
        }
    }

    /// The last use, as far as it is not written yet.
    #[must_use]
    pub fn last(&self, id: KeyId) -> Option<Timestamp> {
        self.lock().get(&id).copied()
    }

    /// Write what was noted, in one call of the store; none if nothing was. What could not be written stays noted.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn flush(&self, store: &dyn Store) -> Result<()> {
        let uses: Vec<(KeyId, Timestamp)> = std::mem::take(&mut *self.lock()).into_iter().collect();
        if uses.is_empty() {
            return Ok(());
        }
        let written = store.record_key_uses(&uses).await;
        if written.is_err() {
            for (id, at) in uses {
                self.note(id, at);
            }
        }
        written
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<KeyId, Timestamp>> {
        // Nothing here can panic half way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keyfob_store::root_key::RootKey;
    use keyfob_store::sqlite;

    use super::*;
    use crate::clock;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn the_latest_use_counts_and_memory_is_bounded() {
        let uses = KeyUses::default();
        let id = KeyId::from_bytes([1; 16]);
        uses.note(id, NOW);
        uses.note(id, NOW - Duration::from_secs(5));
        assert_eq!(uses.last(id), Some(NOW));
        for number in 0..=KEYS_MAX as u128 {
            uses.note(KeyId::from_bytes((number << 8).to_be_bytes()), NOW);
        }
        assert_eq!(uses.lock().len(), KEYS_MAX);
        uses.note(id, NOW + Duration::from_secs(1));
        assert_eq!(uses.last(id), Some(NOW + Duration::from_secs(1)), "a known one is noted all the same");
    }

    #[tokio::test]
    async fn many_uses_are_one_operation_of_the_store_and_none_are_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let root_key = RootKey::from_bytes([1; 32]);
        let options = sqlite::Options { root_key, fresh_incarnation: [2; 16], mark: None, rng: clock::rng() };
        let store = sqlite::open(&folder.path().join("keyfob.db"), options).expect("opened");
        let uses = KeyUses::default();
        let before = store.operations();
        uses.flush(&*store).await.expect("written");
        assert_eq!(store.operations(), before);
        for number in 0..1000_u128 {
            uses.note(KeyId::from_bytes((number % 10).to_be_bytes()), NOW);
        }
        assert_eq!(store.operations(), before);
        uses.flush(&*store).await.expect("written");
        assert_eq!(store.operations(), before + 1);
        assert_eq!(uses.last(KeyId::from_bytes([0; 16])), None);
    }
}
