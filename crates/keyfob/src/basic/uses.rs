//! Who still comes with HTTP Basic, and when last: gathered in memory and written in one go, now and then and at the end, so
//! that a request never writes. What a crash loses is at most a minute of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keyfob_core::id::UserId;
use keyfob_core::time::Timestamp;
use keyfob_store::{BasicUse, Result, Store};

use crate::client;

/// Users remembered between two writes: 4 MiB. A use of one more is not noted; nothing else depends on it.
const USERS_MAX: usize = 65_536;

/// The uses that are not written yet.
#[derive(Default)]
pub struct BasicUses(Mutex<HashMap<UserId, (Timestamp, IpAddr)>>);

impl BasicUses {
    /// Note a use. Never an earlier time than is noted.
    pub fn note(&self, user: UserId, at: Timestamp, from: IpAddr) {
        let mut noted = self.lock();
        let room = noted.len() < USERS_MAX;
        match noted.get_mut(&user) {
            Some(last) if last.0 <= at => *last = (at, from),
            None if room => drop(noted.insert(user, (at, from))),
            _ => {}
        }
    }

    /// Write what was noted, in one call of the store; none if nothing was. What could not be written stays noted.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn flush(&self, store: &dyn Store) -> Result<()> {
        let noted = std::mem::take(&mut *self.lock());
        if noted.is_empty() {
            return Ok(());
        }
        let written = |(user, (at, from)): (&UserId, &(Timestamp, IpAddr))| BasicUse {
            user: *user,
            at: *at,
            network: client::coarse(*from),
        };
        let uses: Vec<BasicUse> = noted.iter().map(written).collect();
        let done = store.record_basic_uses(&uses).await;
        if done.is_err() {
            for (user, (at, from)) in noted {
                self.note(user, at, from);
            }
        }
        done
    }

    #[cfg(test)]
    pub(super) fn last(&self, user: UserId) -> Option<(Timestamp, IpAddr)> {
        self.lock().get(&user).copied()
    }

    #[cfg(test)]
    pub(super) fn noted(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, (Timestamp, IpAddr)>> {
        // Nothing here can panic half way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
