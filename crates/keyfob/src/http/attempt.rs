//! One password attempt, through whichever door: a place in the hashing pool, a reservation against the throttle, the
//! hash (always, of a dummy if there is no such user), and the record of a failure. Wrong, unknown and disabled take
//! the same steps and get the same answer (SP 800-63B-4 §3.2.2; guarantee G12).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use keyfob_core::password::{Password, PasswordHash};
use keyfob_core::secret::Secret;
use keyfob_core::user::{Status, Username};
use keyfob_store::{Account, Attempt, FailedAttempt, Reservation};

use super::problem::HttpError;
use crate::app::App;
use crate::hashing::Place;
use crate::metrics::SignIn;
use crate::{client, clock};

/// How long an attempt may wait for the outcome of others of the same account before it is answered 429.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// How long one wait lasts when no outcome is heard of: another node may have settled it.
const WAIT_STEP: Duration = Duration::from_millis(250);
/// What a client is told when the hashing pool is full, in seconds.
const BUSY_RETRY_AFTER: u64 = 1;

/// What was typed, and from where.
pub(super) struct Guess {
    pub(super) username: String,
    pub(super) password: Secret,
    pub(super) address: IpAddr,
}

/// A password that was right. The reservation is still open: whoever holds this settles it.
pub(super) struct Proven {
    pub(super) account: Account,
    pub(super) reservation: Attempt,
    pub(super) place: Place,
    pub(super) password: Arc<Password>,
    pub(super) rehash: bool,
}

/// Find out whether a guess is right. A wrong one is recorded before it is answered.
pub(super) async fn prove(app: &App, guess: Guess) -> Result<Proven, HttpError> {
    let password = Password::parse(guess.password.expose())
        .map_err(|problem| HttpError::Unprocessable("password-too-long", problem.to_string()))?;
    let password = Arc::new(password);
    let Some(place) = app.hashing.place() else {
        app.metrics.sign_in(SignIn::Busy);
        return Err(HttpError::TooMany(BUSY_RETRY_AFTER));
    };
    let (reservation, account) = reserve(app, &guess).await?;
    let stored = account.as_ref().map_or_else(|| app.dummy_hash.clone(), |account| account.password.clone());
    let verdict = place.verify(Arc::clone(&password), stored).await;
    let right = verdict.is_ok_and(|verdict| verdict.matches);
    let active = account.filter(|account| right && account.user.status == Status::Active);
    match (verdict, active) {
        (Ok(verdict), Some(account)) => Ok(Proven { account, reservation, place, password, rehash: verdict.rehash }),
        (verdict, _) => {
            settle_as_failed(app, &reservation, client::coarse(guess.address)).await?;
            match verdict {
                Ok(_) => Err(HttpError::SignInFailed(app.style.clone())),
                Err(_) => {
                    tracing::error!("a password hash cannot be computed");
                    Err(HttpError::CannotTell)
                }
            }
        }
    }
}

/// Reserve the attempt, waiting while attempts that are under way could still turn out right.
async fn reserve(app: &App, guess: &Guess) -> Result<(Attempt, Option<Account>), HttpError> {
    let username = Username::parse(&guess.username).ok();
    let name = username.as_ref().map_or(guess.username.as_str(), Username::as_str);
    let mut attempt = Attempt {
        id: clock::random(),
        account: sha256(name.as_bytes()),
        address: sha256(client::throttle_key(guess.address).as_bytes()),
        username,
        at: clock::now(),
        limits: app.settings.throttle,
    };
    let give_up_at = attempt.at + WAIT_MAX;
    loop {
        // Listen before asking, so that an outcome between the two is heard.
        let settled = app.settled.notified();
        match app.store().reserve_attempt(&attempt).await? {
            Reservation::Reserved(account) => return Ok((attempt, account)),
            Reservation::Wait if attempt.at < give_up_at => {
                let _ = tokio::time::timeout(WAIT_STEP, settled).await;
                attempt.at = clock::now();
            }
            Reservation::Wait => {
                app.metrics.sign_in(SignIn::Busy);
                return Err(HttpError::TooMany(BUSY_RETRY_AFTER));
            }
            Reservation::Refused { retry_after } => {
                app.metrics.sign_in(SignIn::Throttled);
                return Err(HttpError::TooMany(retry_after.as_secs().max(1)));
            }
        }
    }
}

async fn settle_as_failed(app: &App, reservation: &Attempt, network: String) -> Result<(), HttpError> {
    let Attempt { id, account, limits, .. } = *reservation;
    let failure = FailedAttempt { attempt: id, account, network, at: clock::now(), limits };
    app.store().record_failed_attempt(&failure).await?;
    app.settled.notify_waiters();
    app.metrics.sign_in(SignIn::Failed);
    Ok(())
}

impl Proven {
    /// A dearer hash of the same password, if the stored one is cheaper than today's cost.
    pub(super) async fn rehashed(&self) -> Option<PasswordHash> {
        if !self.rehash {
            return None;
        }
        self.place.hash(Arc::clone(&self.password), clock::random()).await.ok()
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}
