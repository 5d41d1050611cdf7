//! Turns a bearer token into evidence: verified claims from memory or by signature, session and user from memory or
//! from the store. Remembers facts, never verdicts. "Could not tell" is an error and becomes 503.

mod api_key;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use keyfob_core::access_token::{Claims, Profile};
use keyfob_core::api_key::Mint;
use keyfob_core::client::{ClientStatus, KnownClient};
use keyfob_core::id::{ClientId, SessionId, UserId};
use keyfob_core::opaque::{Kind, Opaque};
use keyfob_core::policy::{ClientProof, Credential, Evidence, Policy, Proof};
use keyfob_core::session::Session;
use keyfob_core::signing_key::KeySet;
use keyfob_core::time::Timestamp;
use keyfob_core::user::{KnownUser, Status};
use keyfob_store::Store;
use keyfob_tower::cache::{FactCache, TokenHash};
use keyfob_tower::guard::{CannotTell, Verify};

use crate::clock;
use crate::failed_signatures::FailedSignatures;
use crate::key_uses::KeyUses;

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
    /// Tells this installation's API keys from invented ones.
    pub mint: Mint,
    /// When API keys were last used.
    pub key_uses: Arc<KeyUses>,
    /// Counts reads of the store for API keys that turned out to be gone.
    pub dead_keys: FailedSignatures,
    /// Counts keys that were retired while somebody was let in.
    pub retirements: Retirements,
}

/// When a signing key was retired last. A tunnel or a long stream that was let in before may have been let in by a
/// token of that key, and is cut: in an emergency a new handshake is a small price.
#[derive(Debug)]
pub struct Retirements(AtomicI64);

impl Retirements {
    /// When the last one was before this process let anybody in.
    #[must_use]
    pub fn seen_at_start(at: Option<Timestamp>) -> Self {
        Self(AtomicI64::new(at.map_or(i64::MIN, Timestamp::micros)))
    }

    /// A retirement that is in force: noted after everything verified before was forgotten.
    pub fn note(&self, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.0.fetch_max(at.micros(), Ordering::SeqCst);
        }
    }

    /// What a request must take before it is judged, to see later whether it [`Retirements::has_passed`].
    #[must_use]
    pub fn seen(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether a key was retired since `seen`.
    #[must_use]
    pub fn has_passed(&self, seen: i64) -> bool {
        self.seen() != seen
    }
}

impl Verify for StoreVerifier {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Evidence, CannotTell> {
        let hash = TokenHash::of(token);
        if token.starts_with(Kind::ApiKey.prefix()) {
            return self.verify_key(token, hash, now).await;
        }
        let claims = match self.facts.claims(&hash, now) {
            Some(claims) => claims,
            None => match self.verify_signature(token, hash, now)? {
                Some(claims) => claims,
                None => return Ok(Evidence::Invalid),
            },
        };
        self.facts_of(claims, now).await
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
        if self.failed_signatures.exhausted(session.to_bytes(), now) {
            return Err(CannotTell);
        }
        let Ok(claims) = screened.verify() else {
            self.failed_signatures.count(session.to_bytes(), now);
            return Ok(None);
        };
        let claims = Arc::new(claims);
        self.facts.remember_claims(hash, Arc::clone(&claims), ticket);
        Ok(Some(claims))
    }

    /// Whether a token or key may have been made here, as far as its form tells: neither a signature nor the store is asked.
    #[must_use]
    pub fn looks_made_here(&self, token: &str, now: Timestamp) -> bool {
        if token.starts_with(Kind::ApiKey.prefix()) {
            return Opaque::parse(token).is_some_and(|secret| self.mint.made(&secret));
        }
        self.profile.screen(token, &self.keys.load(), now).is_ok()
    }

    /// What genuine claims name, as it is now.
    async fn facts_of(&self, claims: Arc<Claims>, now: Timestamp) -> Result<Evidence, CannotTell> {
        let (incarnation, leeway) = (self.store.incarnation(), self.profile.leeway);
        if let Some(id) = claims.service_account() {
            let Some(client) = self.client(id).await? else { return Ok(Evidence::Invalid) };
            return Ok(Evidence::Client(ClientProof { claims, client, incarnation, leeway }));
        }
        let (Some(session), Some(user)) = self.session_and_user(&claims, now).await? else {
            return Ok(Evidence::Invalid);
        };
        Ok(Evidence::Token(Proof { claims, session, user, incarnation, leeway }))
    }

    /// The session and the user of a token. Where memory has neither, both come by one read of the store.
    async fn session_and_user(
        &self,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<(Option<Session>, Option<Arc<KnownUser>>), CannotTell> {
        let (id, subject) = (claims.session, claims.subject);
        if let Some(session) = self.facts.session_hit(id, now) {
            return Ok((Some(session), self.user(subject).await?));
        }
        if self.facts.user_hit(subject).is_some() {
            let Some(session) = self.session(id, now).await? else { return Ok((None, None)) };
            return Ok((Some(session), self.user(subject).await?));
        }
        let load = async {
            let found = self.store.session_and_user(id, subject).await;
            let (session, user) = found.map_err(|error| could_not_tell(&error))?;
            Ok((session, user.map(|user| Arc::new(self.policy.load().know(user)))))
        };
        self.facts.session_and_user((id, subject), now, load).await
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

    /// A client as it is now.
    ///
    /// # Errors
    /// [`CannotTell`].
    pub async fn client(&self, id: ClientId) -> Result<Option<Arc<KnownClient>>, CannotTell> {
        let load = async { self.client_from_store(id).await };
        self.facts.client(id, load).await
    }

    /// The same, not from memory.
    ///
    /// # Errors
    /// [`CannotTell`].
    pub async fn client_from_store(&self, id: ClientId) -> Result<Option<Arc<KnownClient>>, CannotTell> {
        let found = self.store.client(id).await.map_err(|error| could_not_tell(&error))?;
        Ok(found.map(|stored| Arc::new(KnownClient::new(stored.client, stored.secret))))
    }

    /// Whether requests with this token or key would still be let in: for tunnels and long streams.
    ///
    /// # Errors
    /// [`CannotTell`].
    pub async fn is_live(&self, credential: &Credential) -> Result<bool, CannotTell> {
        let claims = match credential {
            Credential::Token(claims) => claims,
            Credential::Key(key) => return self.key_is_live(key.id).await,
            // This node has the facts; it takes nobody's word for them.
            Credential::Testimony(_) => return Ok(false),
            Credential::Basic(basic) => {
                let user = self.user(basic.user).await?;
                return Ok(user.is_some_and(|user| basic.is_live(&user, clock::now())));
            }
        };
        if let Some(id) = claims.service_account() {
            let client = self.client(id).await?;
            return Ok(client.is_some_and(|client| self.client_lives(&client, claims, clock::now())));
        }
        let Some(session) = self.session(claims.session, clock::now()).await? else { return Ok(false) };
        let Some(user) = self.user(session.user).await? else { return Ok(false) };
        Ok(self.lives(&session, &user, claims, clock::now()))
    }

    /// The same from memory alone; `None` if a fact is not there.
    #[must_use]
    pub fn is_live_in_memory(&self, credential: &Credential, now: Timestamp) -> Option<bool> {
        let claims = match credential {
            Credential::Token(claims) => claims,
            Credential::Key(key) => return self.key_is_live_in_memory(key.id, now),
            Credential::Testimony(_) => return Some(false),
            Credential::Basic(basic) => return self.facts.user_hit(basic.user).map(|user| basic.is_live(&user, now)),
        };
        if let Some(id) = claims.service_account() {
            return self.facts.client_hit(id).map(|client| self.client_lives(&client, claims, now));
        }
        let session = self.facts.session_hit(claims.session, now)?;
        let user = self.facts.user_hit(session.user)?;
        Some(self.lives(&session, &user, claims, now))
    }

    fn lives(&self, session: &Session, user: &KnownUser, claims: &Claims, now: Timestamp) -> bool {
        let leeway = self.profile.leeway;
        user.user.status == Status::Active && session.is_live(now, leeway) && now < claims.expires_at + leeway
    }

    fn client_lives(&self, known: &KnownClient, claims: &Claims, now: Timestamp) -> bool {
        let (client, leeway) = (&known.client, self.profile.leeway);
        client.status == ClientStatus::Active && client.session == claims.session && now < claims.expires_at + leeway
    }
}

fn could_not_tell(error: &keyfob_store::StoreError) -> CannotTell {
    tracing::error!(%error, "a fact could not be read");
    CannotTell
}
