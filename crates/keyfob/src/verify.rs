//! Turns a bearer token into evidence: verified claims from memory or by signature, session and user from memory or
//! from the store. Remembers facts, never verdicts. "Could not tell" is an error and becomes 503.

use std::sync::Arc;

use arc_swap::ArcSwap;
use keyfob_core::access_token::{Claims, Profile};
use keyfob_core::id::{SessionId, UserId};
use keyfob_core::policy::{Evidence, Policy, Proof};
use keyfob_core::session::Session;
use keyfob_core::signing_key::KeySet;
use keyfob_core::time::Timestamp;
use keyfob_core::user::{KnownUser, Status};
use keyfob_store::Store;
use keyfob_tower::cache::{FactCache, TokenHash};
use keyfob_tower::guard::{CannotTell, Verify};

use crate::clock;
use crate::failed_signatures::FailedSignatures;

/// The verifier of this node.
pub struct StoreVerifier {
    /// Where facts come from when memory has none.
    pub store: Arc<dyn Store>,
    /// What is remembered.
    pub facts: FactCache,
    /// Issuer, audience, leeway, session tag.
    pub profile: Profile,
    /// The keys whose signatures are accepted.
    pub keys: ArcSwap<KeySet>,
    /// The policy in force.
    pub policy: ArcSwap<Policy>,
    /// Counts failed signatures per session.
    pub failed_signatures: FailedSignatures,
}

impl Verify for StoreVerifier {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Evidence, CannotTell> {
        let hash = TokenHash::of(token);
        let claims = match self.facts.claims(&hash, now) {
            Some(claims) => claims,
            None => match self.verify_signature(token, hash, now)? {
                Some(claims) => claims,
                None => return Ok(Evidence::Invalid),
            },
        };
        let Some(session) = self.session(claims.session, now).await? else { return Ok(Evidence::Invalid) };
        let Some(user) = self.user(claims.subject).await? else { return Ok(Evidence::Invalid) };
        let incarnation = self.store.incarnation();
        Ok(Evidence::Token(Proof { claims, session, user, incarnation, leeway: self.profile.leeway }))
    }

    fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    fn now(&self) -> Timestamp {
        clock::now()
    }
}

impl StoreVerifier {
    /// First sight of a token: cheap checks, then the signature, then remember what it says.
    fn verify_signature(
        &self,
        token: &str,
        hash: TokenHash,
        now: Timestamp,
    ) -> Result<Option<Arc<Claims>>, CannotTell> {
        let ticket = self.facts.ticket();
        let keys = self.keys.load();
        let Ok(screened) = self.profile.screen(token, &keys, now) else { return Ok(None) };
        let session = screened.claimed_session();
        if self.failed_signatures.exhausted(session, now) {
            return Err(CannotTell);
        }
        let Ok(claims) = screened.verify() else {
            self.failed_signatures.count(session, now);
            return Ok(None);
        };
        let claims = Arc::new(claims);
        self.facts.remember_claims(hash, Arc::clone(&claims), ticket);
        Ok(Some(claims))
    }

    async fn session(&self, id: SessionId, now: Timestamp) -> Result<Option<Session>, CannotTell> {
        let load = async { self.store.session(id).await.map_err(|error| could_not_tell(&error)) };
        self.facts.session(id, now, load).await
    }

    /// A user as it is now, with what the policy in force grants it.
    ///
    /// # Errors
    /// [`CannotTell`].
    pub async fn user(&self, id: UserId) -> Result<Option<Arc<KnownUser>>, CannotTell> {
        let load = async {
            let user = self.store.user(id).await.map_err(|error| could_not_tell(&error))?;
            Ok(user.map(|user| Arc::new(self.policy.load().know(user))))
        };
        self.facts.user(id, load).await
    }

    /// Whether requests of this session would still be let in: for tunnels and long streams.
    ///
    /// # Errors
    /// [`CannotTell`].
    pub async fn is_live(&self, session: SessionId, expires_at: Timestamp) -> Result<bool, CannotTell> {
        let Some(session) = self.session(session, clock::now()).await? else { return Ok(false) };
        let Some(user) = self.user(session.user).await? else { return Ok(false) };
        Ok(self.lives(&session, &user, expires_at, clock::now()))
    }

    /// The same from memory alone; `None` if a fact is not there.
    #[must_use]
    pub fn is_live_in_memory(&self, session: SessionId, expires_at: Timestamp, now: Timestamp) -> Option<bool> {
        let session = self.facts.session_hit(session, now)?;
        let user = self.facts.user_hit(session.user)?;
        Some(self.lives(&session, &user, expires_at, now))
    }

    fn lives(&self, session: &Session, user: &KnownUser, expires_at: Timestamp, now: Timestamp) -> bool {
        let leeway = self.profile.leeway;
        user.user.status == Status::Active && session.is_live(now, leeway) && now < expires_at + leeway
    }
}

fn could_not_tell(error: &keyfob_store::StoreError) -> CannotTell {
    tracing::error!(%error, "a fact could not be read");
    CannotTell
}
