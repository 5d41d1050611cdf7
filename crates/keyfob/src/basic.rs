//! HTTP Basic on the routes that still take it (RFC 7617, the policy's `basic`): a credential is hashed once, through the throttle
//! and the pool of every other sign-in, and remembered as what it proved: that it was right for a user at an `auth_version`.
//! That is a fact which no change makes untrue, so there is nothing to invalidate: each request compares the user as it is now,
//! and a changed password, a new role, a disabled or deleted user has another `auth_version` or is gone. Never remembers a
//! wrong one, a password, or a digest that means anything outside this process.

mod uses;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use keyfob_core::basic::Credential;
use keyfob_core::id::{Incarnation, UserId};
use keyfob_core::policy::{BasicEvidence, BasicProof};
use keyfob_core::secret::Secret;
use keyfob_core::time::Timestamp;
use keyfob_store::{ProvenBasic, Saved};
use keyfob_tower::guard::CannotTell;
use tokio::sync::watch;

pub use self::uses::BasicUses;
use crate::app::App;
use crate::attempt::{Attempts, Guess, Unproven};
use crate::clock;
use crate::metrics::{Metrics, SignIn};

/// How long a proof is remembered; a use does not prolong it. As long as an access token lives by default.
const KNOWN_FOR: Duration = Duration::from_mins(15);
/// Credentials remembered: 8 MiB. One more displaces another, which costs that client a hash.
const KNOWN_MAX: usize = 65_536;
/// What a client is told when the hashing pool is full.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// A credential under a key of this process's own.
type Digest = [u8; 32];

/// What a credential proved.
#[derive(Clone, Copy)]
struct Known {
    user: UserId,
    auth_version: u64,
    // Another life of the store may have the same version of another password.
    incarnation: Incarnation,
    until: Timestamp,
}

/// How a check ended, for all who waited for it.
#[derive(Clone, Copy)]
enum Landed {
    Right(Known),
    Wrong,
    TooMany(Duration),
    CannotTell,
}

/// Those who send one credential at once wait for one hash.
type Flight = watch::Receiver<Option<Landed>>;

/// The credentials that this process knows.
pub struct Basic {
    key: hmac::Key,
    known: Mutex<HashMap<Digest, Known>>,
    flights: Mutex<HashMap<Digest, Flight>>,
    /// Who came, and when last.
    pub uses: Arc<BasicUses>,
}

impl Default for Basic {
    fn default() -> Self {
        let key = hmac::Key::new(HMAC_SHA256, &clock::random::<32>());
        Self { key, known: Mutex::default(), flights: Mutex::default(), uses: Arc::default() }
    }
}

impl Basic {
    /// What a credential is worth now.
    ///
    /// # Errors
    /// [`CannotTell`].
    pub async fn verify(
        self: &Arc<Self>,
        app: &App,
        credential: Credential,
        from: IpAddr,
    ) -> Result<BasicEvidence, CannotTell> {
        let digest = self.digest(&credential);
        if let Some(known) = self.known(&digest, app.store().incarnation(), clock::now())
            && let Some(proof) = self.proof(app, known, from).await?
        {
            return Ok(BasicEvidence::Right(proof));
        }
        match self.check(app, digest, credential, from).await {
            Landed::Right(known) => {
                // As new as it can be: the hash took a while.
                app.fresh().await?;
                // None: what this node knows of the user is older than what was judged, or newer. The next request will tell.
                self.proof(app, known, from).await?.map(BasicEvidence::Right).ok_or(CannotTell)
            }
            Landed::Wrong => Ok(BasicEvidence::Wrong),
            Landed::TooMany(wait) => Ok(BasicEvidence::TooMany(wait)),
            Landed::CannotTell => Err(CannotTell),
        }
    }

    /// What is known, with the user as it is now; none if the user has changed since.
    async fn proof(&self, app: &App, known: Known, from: IpAddr) -> Result<Option<BasicProof>, CannotTell> {
        let user = app.verifier.user(known.user).await?;
        let proof = user.map(|user| BasicProof { user, auth_version: known.auth_version });
        let proof = proof.filter(BasicProof::holds);
        if proof.is_some() {
            self.uses.note(known.user, clock::now(), from);
        }
        Ok(proof)
    }

    /// Hash it, or wait for whoever is hashing the same.
    async fn check(self: &Arc<Self>, app: &App, digest: Digest, credential: Credential, from: IpAddr) -> Landed {
        let mut flight = {
            let mut flights = lock(&self.flights);
            match flights.get(&digest) {
                Some(flight) => flight.clone(),
                None => {
                    let (land, flight) = watch::channel(None);
                    flights.insert(digest, flight.clone());
                    let password = Secret::new(credential.password().to_owned());
                    let guess = Guess { username: credential.user().to_owned(), password, address: from };
                    let (attempts, metrics) = (Arc::clone(&app.attempts), Arc::clone(&app.metrics));
                    let flying = Flying { basic: Arc::clone(self), digest, land };
                    // In a task of its own: a client that hangs up cannot leave a reservation open.
                    tokio::spawn(async move { flying.land(prove(&attempts, &metrics, guess).await) });
                    flight
                }
            }
        };
        // The sender is dropped without a word only by a panic.
        let landed = flight.wait_for(Option::is_some).await.map(|landed| *landed);
        landed.ok().flatten().unwrap_or(Landed::CannotTell)
    }

    fn digest(&self, credential: &Credential) -> Digest {
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&self.key, credential.expose()).as_ref());
        digest
    }

    fn known(&self, digest: &Digest, incarnation: Incarnation, now: Timestamp) -> Option<Known> {
        let known = *lock(&self.known).get(digest)?;
        (known.incarnation == incarnation && now < known.until).then_some(known)
    }

    fn remember(&self, digest: Digest, known: Known) {
        let mut all = lock(&self.known);
        if all.len() >= KNOWN_MAX && !all.contains_key(&digest) {
            // Keys are as good as random, so this is any of them.
            let displaced = all.keys().next().copied();
            displaced.map(|displaced| all.remove(&displaced));
        }
        all.insert(digest, known);
    }

    /// Forget what is too old to count: a dead password leaves nothing of itself behind for long.
    pub fn sweep(&self, now: Timestamp) {
        lock(&self.known).retain(|_, known| now < known.until);
    }
}

/// A check under way. However it ends, it is over for those who come after.
struct Flying {
    basic: Arc<Basic>,
    digest: Digest,
    land: watch::Sender<Option<Landed>>,
}

impl Flying {
    fn land(self, landed: Landed) {
        if let Landed::Right(known) = landed {
            self.basic.remember(self.digest, known);
        }
        self.land.send_replace(Some(landed));
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        lock(&self.basic.flights).remove(&self.digest);
    }
}

/// One attempt, settled.
async fn prove(attempts: &Attempts, metrics: &Metrics, guess: Guess) -> Landed {
    let proven = match attempts.prove(guess).await {
        Ok(proven) => proven,
        Err(unproven) => {
            metrics.unproven(&unproven);
            return match unproven {
                Unproven::Wrong | Unproven::TooLong(_) => Landed::Wrong,
                Unproven::Throttled(seconds) => Landed::TooMany(Duration::from_secs(seconds)),
                Unproven::Busy => Landed::TooMany(BUSY_RETRY_AFTER),
                Unproven::CannotTell => Landed::CannotTell,
            };
        }
    };
    let (user, auth_version) = (proven.account.user.id, proven.account.user.auth_version);
    let rehash = proven.rehashed().await;
    let settled = ProvenBasic { proof: proven.attempt(), user, auth_version, rehash, at: clock::now() };
    let saved = attempts.store.record_basic_proof(&settled).await;
    attempts.settled.notify_waiters();
    match saved {
        Ok(Saved::Stale) => {
            metrics.sign_in(SignIn::Failed);
            Landed::Wrong
        }
        Ok(Saved::Saved | Saved::At(_)) => {
            metrics.sign_in(SignIn::Succeeded);
            let incarnation = attempts.store.incarnation();
            Landed::Right(Known { user, auth_version, incarnation, until: settled.at + KNOWN_FOR })
        }
        Err(error) => {
            tracing::error!(%error, "a right password could not be settled");
            Landed::CannotTell
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here can panic half way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
