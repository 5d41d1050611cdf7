//! A verifier that takes the issuer's word for as long as a token lives (RFC 9068 §4), by its JWK Set (RFC 7517). A token that
//! was revoked is accepted until it expires: that is the bound of this verifier, and no other has it. Goes on by the keys
//! that it has where the issuer cannot be reached.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::StatusCode;
use keyfob_core::access_token::{Flaw, ResourceServer};
use keyfob_core::follow::Minted;
use keyfob_core::lease::Moment;
use keyfob_core::opaque::Kind;
use keyfob_core::policy::{Evidence, Policy, Testimony};
use keyfob_core::signing_key::{KeySet, VerifyingKey};
use keyfob_core::time::Timestamp;
use tokio::sync::Mutex;

use crate::cache::{Heard, Testimonies, TokenHash};
use crate::clock;
use crate::guard::{CannotTell, Verify};
use crate::remote::{Remote, Trouble};

/// Longest JWK Set, in bytes: dozens of RSA keys.
pub(crate) const JWKS_MAX: usize = 256 * 1024;
/// The keys are read again after so long, so that one that was retired is believed no longer than that.
const READ_EVERY: Duration = Duration::from_mins(5);
/// A token of an unknown key makes the keys be read again, but not more often than this.
const READ_LEAST: Duration = Duration::from_secs(10);

/// Takes the issuer's word.
pub struct Jwks {
    remote: Remote,
    server: ResourceServer,
    policy: Arc<Policy>,
    keys: ArcSwap<KeySet>,
    heard: Testimonies,
    /// When they were read last, or it was tried.
    read_at: Mutex<Moment>,
}

impl Jwks {
    /// Read the keys.
    pub(crate) async fn fetch(
        remote: Remote,
        server: ResourceServer,
        policy: Arc<Policy>,
        tokens: usize,
    ) -> Result<Self, Trouble> {
        let keys = ArcSwap::from_pointee(read_keys(&remote).await?);
        let (heard, read_at) = (Testimonies::new(tokens), Mutex::new(clock::boot()));
        Ok(Self { remote, server, policy, keys, heard, read_at })
    }

    /// Read the keys again, unless that was done within `least`. Those who come meanwhile wait for it.
    async fn read_again(&self, least: Duration) -> Result<(), Trouble> {
        let mut read_at = self.read_at.lock().await;
        if clock::boot().since(*read_at).is_some_and(|age| age < least) {
            return Ok(());
        }
        // Also where it fails: an issuer that is away is not asked once for each token.
        *read_at = clock::boot();
        let keys = read_keys(&self.remote).await?;
        self.keys.store(Arc::new(keys));
        self.heard.forget_all();
        Ok(())
    }

    /// What the token says, or why it is worth nothing.
    fn heard(&self, token: &str, now: Timestamp) -> Result<Heard, Flaw> {
        let hash = TokenHash::of(token);
        let since = match self.heard.look(&hash, now) {
            Ok(heard) => return Ok(heard),
            Err(since) => since,
        };
        let keys = self.keys.load();
        let screened = self.server.screen(token, &keys, now)?;
        let revision = screened.revision();
        let claims = screened.verify()?;
        let testimony = Arc::new(Testimony::of_claims(&claims, self.server.leeway));
        let heard = Heard { testimony, minted: Minted::of(&claims, revision) };
        self.heard.remember(hash, heard.clone(), since);
        Ok(heard)
    }
}

impl Verify for Jwks {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Evidence, CannotTell> {
        if token.starts_with(Kind::ApiKey.prefix()) {
            return Ok(Evidence::Invalid);
        }
        if self.keys_are_old()
            && let Err(trouble) = self.read_again(READ_EVERY).await
        {
            tracing::warn!(%trouble, "the issuer's keys cannot be read again: those of before are used");
        }
        let mut heard = self.heard(token, now);
        if heard.as_ref().is_err_and(|flaw| *flaw == Flaw::Key) {
            self.read_again(READ_LEAST).await.map_err(|trouble| {
                tracing::warn!(%trouble, "a token names an unknown key, and the issuer's keys cannot be read");
                CannotTell
            })?;
            heard = self.heard(token, now);
        }
        Ok(heard.map_or(Evidence::Invalid, |heard| Evidence::Testimony(heard.testimony)))
    }

    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy)
    }

    fn now(&self) -> Timestamp {
        clock::now()
    }
}

impl Jwks {
    /// Whether it is time to read them again, and nobody is at it.
    fn keys_are_old(&self) -> bool {
        let old = |read_at: &Moment| clock::boot().since(*read_at).is_none_or(|age| age >= READ_EVERY);
        self.read_at.try_lock().is_ok_and(|read_at| old(&read_at))
    }
}

async fn read_keys(remote: &Remote) -> Result<KeySet, Trouble> {
    match remote.read("/jwks.json", JWKS_MAX).await? {
        (StatusCode::OK, body) => {
            let set = serde_json::from_slice(&body).map_err(|_| Trouble::Unreadable)?;
            understood(&set).ok_or(Trouble::Unreadable)
        }
        (status, _) => Err(Trouble::Status(status.as_u16())),
    }
}

/// The keys of a set that can be used; others are ignored (RFC 7517 §5). `None` if there are none.
pub(crate) fn understood(set: &serde_json::Value) -> Option<KeySet> {
    let keys = set["keys"].as_array()?.iter().filter_map(|key| VerifyingKey::from_jwk(key).ok());
    let keys: Vec<_> = keys.collect();
    (!keys.is_empty()).then(|| KeySet::new(keys))
}
