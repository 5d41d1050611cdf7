//! A verifier that follows the issuer (`POST /auth/follow`): the denials come here, so what was revoked is refused without
//! asking for each request, and a revocation is acknowledged only when it is ([`keyfob_core::follow`]). Believes what it knows
//! only while it holds a lease; without one it answers "could not tell". Asks about API keys.

mod hear;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use keyfob_core::access_token::ResourceServer;
use keyfob_core::follow::{Memory, Minted};
use keyfob_core::id::FollowerId;
use keyfob_core::opaque::Kind;
use keyfob_core::policy::{Evidence, Policy, Testimony};
use keyfob_core::signing_key::KeySet;
use keyfob_core::time::Timestamp;
use tokio::task::AbortHandle;

use crate::cache::{Heard, Testimonies, TokenHash};
use crate::clock;
use crate::guard::{CannotTell, Verify};
use crate::introspect::Introspect;
use crate::issuer::SetupProblem;
use crate::remote::Remote;

/// Follows the issuer.
pub struct Follow {
    shared: Arc<Shared>,
    ask: Introspect,
    hearing: AbortHandle,
}

/// What the task that hears of denials writes, and requests read.
struct Shared {
    server: ResourceServer,
    keys: ArcSwap<KeySet>,
    heard: Testimonies,
    /// What is known, and of whom; `None` before the first answer.
    known: RwLock<Option<Known>>,
    /// Until when that may be believed, in microseconds of [`clock::boot_micros`].
    until: AtomicU64,
}

struct Known {
    follower: FollowerId,
    memory: Memory,
}

impl Follow {
    /// Begin to follow; returns when there is a lease.
    pub(crate) async fn start(
        remote: Remote,
        server: ResourceServer,
        ask: Introspect,
        tokens: usize,
        patience: Duration,
    ) -> Result<Arc<Self>, SetupProblem> {
        let shared = Arc::new(Shared {
            server,
            keys: ArcSwap::from_pointee(KeySet::default()),
            heard: Testimonies::new(tokens),
            known: RwLock::new(None),
            until: AtomicU64::new(0),
        });
        let first = hear::until_first(&remote, &shared, patience);
        first.await?;
        let task = tokio::spawn(hear::on(remote, Arc::clone(&shared)));
        Ok(Arc::new(Self { shared, ask, hearing: task.abort_handle() }))
    }

    /// What is left of the lease; zero where requests are answered with 503.
    #[must_use]
    pub fn lease_left(&self) -> Duration {
        Duration::from_micros(self.shared.until.load(Ordering::Acquire).saturating_sub(clock::boot_micros()))
    }

    /// How many denials are known here.
    #[must_use]
    pub fn denials(&self) -> usize {
        let known = self.shared.known.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map_or(0, |known| known.memory.len())
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.hearing.abort();
    }
}

impl Verify for Follow {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Evidence, CannotTell> {
        if token.starts_with(Kind::ApiKey.prefix()) {
            return self.ask.verify(token, now).await;
        }
        let Some(heard) = self.shared.heard(token, now) else { return Ok(Evidence::Invalid) };
        let known = self.shared.known.read().unwrap_or_else(PoisonError::into_inner);
        let accepted = known.as_ref().is_some_and(|known| known.memory.accepts(&heard.minted));
        Ok(if accepted { Evidence::Testimony(heard.testimony) } else { Evidence::Invalid })
    }

    async fn fresh(&self) -> Result<(), CannotTell> {
        // Before anything is read: whoever acknowledges a change waits for this, or has seen that it was known here.
        if clock::boot_micros() < self.shared.until.load(Ordering::Acquire) { Ok(()) } else { Err(CannotTell) }
    }

    fn policy(&self) -> Arc<Policy> {
        self.ask.policy()
    }

    fn now(&self) -> Timestamp {
        clock::now()
    }
}

impl Shared {
    /// What a token says whose signature is the issuer's.
    fn heard(&self, token: &str, now: Timestamp) -> Option<Heard> {
        let hash = TokenHash::of(token);
        let since = match self.heard.look(&hash, now) {
            Ok(heard) => return Some(heard),
            Err(since) => since,
        };
        let keys = self.keys.load();
        let screened = self.server.screen(token, &keys, now).ok()?;
        let revision = screened.revision();
        let claims = screened.verify().ok()?;
        let testimony = Arc::new(Testimony::of_claims(&claims, self.server.leeway));
        let heard = Heard { testimony, minted: Minted::of(&claims, revision) };
        self.heard.remember(hash, heard.clone(), since);
        Some(heard)
    }
}
