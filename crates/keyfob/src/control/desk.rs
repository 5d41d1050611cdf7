//! What carrying out an intention needs: the store, the rules, and someone who says when a change is in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyfob_core::access_token::Profile;
use keyfob_core::api_key::Mint;
use keyfob_core::change::Revision;
use keyfob_core::lease::{Moment, Terms};
use keyfob_core::password::{Cost, HashError, Hasher, LegacyHash, Password, PasswordHash, Rules};
use keyfob_core::rotation::Schedule;
use keyfob_store::Store;

use super::Problem;
use crate::basic::BasicUses;
use crate::clock;
use crate::following;
use crate::key_uses::KeyUses;

/// Where intentions are carried out. The server has one for its control socket; a command without a server makes one.
pub struct Desk {
    /// The facts.
    pub store: Arc<dyn Store>,
    /// What a new password must satisfy.
    pub rules: Rules,
    /// What tokens are inspected against.
    pub profile: Profile,
    /// How often signing keys change.
    pub schedule: Schedule,
    /// Makes API keys.
    pub mint: Mint,
    /// Whether only what reads is carried out.
    pub guard_only: bool,
    /// The longest life of an API key, and the usual one.
    pub api_key_life: Duration,
    /// The uses of API keys that are not in the store yet.
    pub key_uses: Arc<KeyUses>,
    /// The uses of HTTP Basic that are not in the store yet.
    pub basic_uses: Arc<BasicUses>,
    /// Where passwords are hashed.
    pub hashing: Arc<dyn HashPassword>,
    /// Says when a change is in force.
    pub acknowledge: Arc<dyn Acknowledge>,
    /// Intentions that read before they write take turns, so that two of them never undo each other.
    pub turn: tokio::sync::Mutex<()>,
}

/// Hashes a new password, off the threads that answer requests.
#[async_trait]
pub trait HashPassword: Send + Sync {
    /// Hash it with a fresh salt.
    ///
    /// # Errors
    /// [`Problem`] if it cannot be hashed now.
    async fn hash(&self, password: Password) -> Result<PasswordHash, Problem>;

    /// What is stored of legacy hashes, each with a fresh salt.
    ///
    /// # Errors
    /// [`Problem`] if that cannot be computed now.
    async fn wrap(&self, legacy: Vec<LegacyHash>) -> Result<Vec<PasswordHash>, Problem>;
}

/// Knows when the guards of this process have applied a change.
#[async_trait]
pub trait Acknowledge: Send + Sync {
    /// Returns `true` once everything up to `revision` is in force: no later request is judged on older facts.
    /// `false`: that could not be told in time, so nothing may be acknowledged.
    async fn applied(&self, revision: Revision) -> bool;
}

/// Without a server nothing is cached, so a committed change is in force at once.
#[derive(Clone, Copy, Debug)]
pub struct AtOnce;

#[async_trait]
impl Acknowledge for AtOnce {
    async fn applied(&self, _revision: Revision) -> bool {
        true
    }
}

/// Without a server, where an earlier one may have given leases to followers: what is committed is in force when those have
/// run out.
#[derive(Clone, Debug)]
pub struct Outlast {
    dir: PathBuf,
    until: Moment,
}

impl Outlast {
    /// Whom to wait for in the data directory `dir`, which this process owns.
    #[must_use]
    pub fn of(dir: &Path) -> Option<Self> {
        following::left_behind(dir, Terms::DEFAULT).map(|until| Self { dir: dir.to_owned(), until })
    }
}

#[async_trait]
impl Acknowledge for Outlast {
    async fn applied(&self, _revision: Revision) -> bool {
        if let Some(left) = self.until.since(clock::boot()) {
            tokio::time::sleep(left).await;
        }
        following::outlived(&self.dir);
        true
    }
}

/// Hashes at this cost where it is called: a command has nothing else to do meanwhile.
#[async_trait]
impl HashPassword for Cost {
    async fn hash(&self, password: Password) -> Result<PasswordHash, Problem> {
        Hasher::new(*self).hash(&password, &clock::random()).map_err(cannot_hash)
    }

    async fn wrap(&self, legacy: Vec<LegacyHash>) -> Result<Vec<PasswordHash>, Problem> {
        let mut hasher = Hasher::new(*self);
        legacy.iter().map(|legacy| hasher.wrap(legacy, &clock::random()).map_err(cannot_hash)).collect()
    }
}

fn cannot_hash(error: HashError) -> Problem {
    Problem::could_not_tell(error.to_string()).hint("check `password-memory-kib` and `password-passes`")
}
