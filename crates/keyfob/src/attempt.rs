//! One password attempt, through whichever door: a place in the hashing pool, a reservation against the throttle, the
//! hash (always, of a dummy if there is no such user, and one more of each legacy form that any user has), and the record of a
//! failure. Wrong, unknown and disabled take the same steps and end the same way (SP 800-63B-4 §3.2.2; guarantee G12).
//! Never makes a session or a decision: whoever holds a proof settles it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use keyfob_core::password::{Password, PasswordHash};
use keyfob_core::secret::Secret;
use keyfob_core::throttle::Limits;
use keyfob_core::user::{Status, Username};
use keyfob_store::{Account, Attempt, FailedAttempt, ProvenAttempt, Reservation, Store, StoreError};
use tokio::sync::Notify;

use crate::hashing::{HashingPool, Place};
use crate::{client, clock};

/// How long an attempt may wait for the outcome of others of the same account before it is told to come back.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// How long one wait lasts when no outcome is heard of: another node may have settled it.
const WAIT_STEP: Duration = Duration::from_millis(250);

/// All that an attempt needs, shared by every door.
pub struct Attempts {
    /// Where attempts are counted and accounts are read.
    pub store: Arc<dyn Store>,
    /// Where passwords are hashed.
    pub hashing: HashingPool,
    /// Verified instead of a stored hash when there is no such user, at the same cost.
    pub dummy_hash: PasswordHash,
    /// Rings when an attempt was settled, for those that wait for its outcome.
    pub settled: Notify,
    /// The throttle.
    pub limits: Limits,
}

/// What was typed, and from where.
pub struct Guess {
    /// As it came.
    pub username: String,
    /// As it came.
    pub password: Secret,
    /// The client.
    pub address: IpAddr,
}

/// A password that was right. The reservation is still open: whoever holds this settles it.
pub struct Proven {
    /// Whose it is.
    pub account: Account,
    /// The attempt.
    pub reservation: Attempt,
    /// Where it was hashed, kept for another hash.
    pub place: Place,
    password: Arc<Password>,
    rehash: bool,
}

/// Why nothing was proven.
#[derive(Debug)]
pub enum Unproven {
    /// The password is longer than any; nobody was asked.
    TooLong(String),
    /// The hashing pool is full, or others of the account took too long.
    Busy,
    /// Too many attempts: for so many seconds.
    Throttled(u64),
    /// Wrong, unknown or disabled.
    Wrong,
    /// Could not tell.
    CannotTell,
}

impl From<StoreError> for Unproven {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store could not tell");
        Self::CannotTell
    }
}

impl Attempts {
    /// Find out whether a guess is right. A wrong one is recorded before it is answered.
    ///
    /// # Errors
    /// [`Unproven`].
    pub async fn prove(&self, guess: Guess) -> Result<Proven, Unproven> {
        let password =
            Password::parse(guess.password.expose()).map_err(|problem| Unproven::TooLong(problem.to_string()))?;
        let password = Arc::new(password);
        let place = self.hashing.place().ok_or(Unproven::Busy)?;
        let (reservation, account) = self.reserve(&guess).await?;
        let stored = account.as_ref().map_or_else(|| self.dummy_hash.clone(), |account| account.password.clone());
        let verdict = match self.store.legacy_forms().await {
            Ok(forms) => place.verify(Arc::clone(&password), stored, forms).await.map_err(|_| {
                tracing::error!("a password hash cannot be computed");
                Unproven::CannotTell
            }),
            Err(error) => Err(error.into()),
        };
        let right = verdict.as_ref().is_ok_and(|verdict| verdict.matches);
        let active = account.filter(|account| right && account.user.status == Status::Active);
        match (verdict, active) {
            (Ok(verdict), Some(account)) => {
                Ok(Proven { account, reservation, place, password, rehash: verdict.rehash })
            }
            (verdict, _) => {
                self.settle_as_failed(&reservation, client::coarse(guess.address)).await?;
                Err(verdict.err().unwrap_or(Unproven::Wrong))
            }
        }
    }

    /// Reserve the attempt, waiting while attempts that are under way could still turn out right.
    async fn reserve(&self, guess: &Guess) -> Result<(Attempt, Option<Account>), Unproven> {
        let username = Username::parse(&guess.username).ok();
        let name = username.as_ref().map_or(guess.username.as_str(), Username::as_str);
        let mut attempt = Attempt {
            id: clock::random(),
            account: sha256(name.as_bytes()),
            address: sha256(client::throttle_key(guess.address).as_bytes()),
            username,
            at: clock::now(),
            limits: self.limits,
        };
        let give_up_at = attempt.at + WAIT_MAX;
        loop {
            // Listen before asking, so that an outcome between the two is heard.
            let settled = self.settled.notified();
            match self.store.reserve_attempt(&attempt).await? {
                Reservation::Reserved(account) => return Ok((attempt, account)),
                Reservation::Wait if attempt.at < give_up_at => {
                    let _ = tokio::time::timeout(WAIT_STEP, settled).await;
                    attempt.at = clock::now();
                }
                Reservation::Wait => return Err(Unproven::Busy),
                Reservation::Refused { retry_after } => return Err(Unproven::Throttled(retry_after.as_secs().max(1))),
            }
        }
    }

    async fn settle_as_failed(&self, reservation: &Attempt, network: String) -> Result<(), Unproven> {
        let Attempt { id, account, limits, .. } = *reservation;
        let failure = FailedAttempt { attempt: id, account, network, at: clock::now(), limits };
        self.store.record_failed_attempt(&failure).await?;
        self.settled.notify_waiters();
        Ok(())
    }
}

impl Proven {
    /// A dearer hash of the same password, if the stored one is cheaper than today's cost.
    pub async fn rehashed(&self) -> Option<PasswordHash> {
        if !self.rehash {
            return None;
        }
        self.place.hash(Arc::clone(&self.password), clock::random()).await.ok()
    }

    /// What the store needs to settle it.
    #[must_use]
    pub fn attempt(&self) -> ProvenAttempt {
        let Attempt { id, account, address, .. } = self.reservation;
        ProvenAttempt { attempt: id, account, address }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}
