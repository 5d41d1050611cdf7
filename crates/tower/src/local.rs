//! A verifier for use in one's own process: tokens are verified with keys given by value, and the session and the user
//! come from the application's own [`Facts`], asked for every request. Remembers verified claims only, so nothing that
//! is revoked lives on here. Never fetches a key, never reads a clock but the one it is given.

use std::future::Future;
use std::sync::Arc;

use arc_swap::ArcSwap;
use keyfob_core::access_token::{Claims, Profile};
use keyfob_core::change::Fact;
use keyfob_core::id::{Incarnation, SessionId, UserId};
use keyfob_core::policy::{Evidence, Policy, Proof};
use keyfob_core::session::Session;
use keyfob_core::signing_key::{KeyError, KeySet, VerifyingKey};
use keyfob_core::time::Timestamp;
use keyfob_core::user::User;

use crate::cache::{FactCache, TokenHash};
use crate::guard::{CannotTell, Verify};

/// Where the application keeps its sessions and users. `Err` means "could not tell" and becomes 503; `None` means that
/// there is no such thing, and the token is refused.
pub trait Facts: Send + Sync + 'static {
    /// The session of this id, as it is now.
    fn session(&self, id: SessionId) -> impl Future<Output = Result<Option<Session>, CannotTell>> + Send;

    /// The user of this id, as it is now.
    fn user(&self, id: UserId) -> impl Future<Output = Result<Option<User>, CannotTell>> + Send;
}

/// Whose tokens are believed.
pub struct Trust {
    /// Issuer, audience, leeway and the tag on session ids, as the issuer has them.
    pub profile: Profile,
    /// The issuer's keys: [`keys_from_jwks`] reads them from its JWK Set.
    pub keys: KeySet,
    /// The incarnation of the issuer's store. Tokens of another one are refused.
    pub incarnation: Incarnation,
}

/// Verifies tokens in this process.
pub struct LocalVerifier<F> {
    profile: Profile,
    keys: ArcSwap<KeySet>,
    incarnation: Incarnation,
    policy: ArcSwap<Policy>,
    facts: F,
    clock: fn() -> Timestamp,
    cache: FactCache,
}

impl<F: Facts> LocalVerifier<F> {
    /// A verifier that remembers the claims of at most `tokens` tokens.
    pub fn new(trust: Trust, policy: Policy, facts: F, clock: fn() -> Timestamp, tokens: usize) -> Self {
        Self {
            profile: trust.profile,
            keys: ArcSwap::from_pointee(trust.keys),
            incarnation: trust.incarnation,
            policy: ArcSwap::from_pointee(policy),
            facts,
            clock,
            cache: FactCache::new(tokens),
        }
    }

    /// Believe these keys and no others. When this returns, no later request passes on the word of a key that is gone.
    pub fn set_keys(&self, keys: KeySet) {
        self.keys.store(Arc::new(keys));
        self.cache.forget(Fact::SigningKeys);
    }

    /// Decide by this policy from the next request on.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.store(Arc::new(policy));
    }

    fn claims(&self, token: &str, now: Timestamp) -> Option<Arc<Claims>> {
        let name = TokenHash::of(token);
        self.cache.claims(&name, now).or_else(|| {
            // Before the keys are read: keys that go while the signature is checked take these claims with them.
            let ticket = self.cache.ticket();
            let claims = Arc::new(self.profile.verify(token, &self.keys.load(), now).ok()?);
            self.cache.remember_claims(name, Arc::clone(&claims), ticket);
            Some(claims)
        })
    }
}

impl<F: Facts> Verify for LocalVerifier<F> {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Evidence, CannotTell> {
        let Some(claims) = self.claims(token, now) else { return Ok(Evidence::Invalid) };
        let Some(session) = self.facts.session(claims.session).await? else { return Ok(Evidence::Invalid) };
        let Some(user) = self.facts.user(claims.subject).await? else { return Ok(Evidence::Invalid) };
        let user = Arc::new(self.policy.load().know(user));
        let (incarnation, leeway) = (self.incarnation, self.profile.leeway);
        Ok(Evidence::Token(Proof { claims, session, user, incarnation, leeway }))
    }

    fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

/// The keys of an RFC 7517 §5 JWK Set, all of them: a key of an unknown kind is an error, not skipped, because a set
/// given by value is one that somebody chose.
///
/// ```
/// use keyfob_tower::local::keys_from_jwks;
///
/// let key = serde_json::json!({
///     "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
/// });
/// let keys = keys_from_jwks(&serde_json::json!({ "keys": [key] }))?;
/// assert!(keys.key("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k").is_some()); // RFC 8037 appendix A.3
/// # Ok::<(), keyfob_core::signing_key::KeyError>(())
/// ```
///
/// # Errors
/// [`KeyError`] if it is no JWK Set, or one of its keys cannot be used.
pub fn keys_from_jwks(set: &serde_json::Value) -> Result<KeySet, KeyError> {
    let keys = set["keys"].as_array().ok_or(KeyError)?;
    keys.iter().map(VerifyingKey::from_jwk).collect::<Result<Vec<_>, _>>().map(KeySet::new)
}
