//! The facts a guard remembers: verified claims by token hash, sessions and users by id. Never verdicts. Bounded; an
//! entry never outlives `exp`; a slow fill never overwrites a newer invalidation.

use std::sync::Arc;

use keyfob_core::access_token::Claims;
use keyfob_core::change::Fact;
use keyfob_core::id::{SessionId, UserId};
use keyfob_core::session::Session;
use keyfob_core::user::KnownUser;

/// SHA-256 of a token as presented.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Hash a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let _ = token;
        todo!()
    }
}

/// The facts of one guard.
pub struct FactCache {
    _todo: (),
}

impl FactCache {
    /// A cache for at most `sessions` sessions (and as many tokens and users).
    #[must_use]
    pub fn new(sessions: usize) -> Self {
        let _ = sessions;
        todo!()
    }

    /// The verified claims of a token.
    #[must_use]
    pub fn claims(&self, token: &TokenHash) -> Option<Arc<Claims>> {
        let _ = token;
        todo!()
    }

    /// Remember verified claims. A retirement of signing keys ([`FactCache::forget`]) that began after `verify` began
    /// wins.
    pub fn remember_claims(&self, token: TokenHash, claims: Arc<Claims>, ticket: Ticket) {
        let _ = (token, claims, ticket);
        todo!()
    }

    /// A session, from memory or else by `load`. `None` (no such session) is not remembered.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn session<E>(
        &self,
        id: SessionId,
        load: impl Future<Output = Result<Option<Session>, E>>,
    ) -> Result<Option<Session>, E> {
        let _ = (id, load);
        todo!()
    }

    /// A user, from memory or else by `load`. `None` is not remembered.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn user<E>(
        &self,
        id: UserId,
        load: impl Future<Output = Result<Option<Arc<KnownUser>>, E>>,
    ) -> Result<Option<Arc<KnownUser>>, E> {
        let _ = (id, load);
        todo!()
    }

    /// What was so when a fill began.
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        todo!()
    }

    /// Forget a fact. When this returns no later look-up sees what was remembered, or what a fill that began before
    /// would bring.
    pub fn forget(&self, fact: Fact) {
        let _ = fact;
        todo!()
    }

    /// Forget everything, with the same promise.
    pub fn forget_all(&self) {
        todo!()
    }
}

/// Taken before a fill; refused by the cache if an invalidation came between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);
