//! The follower's side: what it knows of denials, and what a token is worth by that. Holds nothing that was not told it, and
//! forgets a denial only when every token from before it has run out.

use std::collections::HashMap;
use std::time::Duration;

use super::Denial;
use crate::access_token::Claims;
use crate::change::Revision;
use crate::id::{ClientId, Incarnation, SessionId, UserId};
use crate::lease::Moment;

/// Every denial that may concern a token.
///
/// ```
/// use keyfob_core::change::Revision;
/// use keyfob_core::follow::{Denial, Memory, Minted};
/// use keyfob_core::id::{Incarnation, SessionId, UserId};
/// use keyfob_core::lease::Moment;
///
/// # let (life, alice, session) = (Incarnation([1; 16]), UserId::from_bytes([2; 16]), SessionId::from_bytes([3; 16]));
/// let now = Moment::from_micros(60_000_000);
/// let mut memory = Memory::new(life, Revision(40));
/// let token = Minted { incarnation: life, revision: Revision(40), session, user: Some(alice), client: None };
/// assert!(memory.accepts(&token));
///
/// // Her roles changed. This token still says what she could do before.
/// memory.apply(&[(Revision(41), Denial::User(alice))], Revision(41), now);
/// assert!(!memory.accepts(&token));
/// assert!(memory.accepts(&Minted { revision: Revision(41), ..token }));
///
/// // The session ended: that is for ever.
/// memory.apply(&[(Revision(42), Denial::Session(session))], Revision(42), now);
/// assert!(!memory.accepts(&Minted { revision: Revision(43), ..token }));
/// ```
#[derive(Clone, Debug)]
pub struct Memory {
    incarnation: Incarnation,
    applied: Revision,
    policy: Revision,
    users: HashMap<UserId, Told>,
    clients: HashMap<ClientId, Told>,
    sessions: HashMap<SessionId, Told>,
}

/// A change of something, and when it was heard of.
#[derive(Clone, Copy, Debug)]
struct Told {
    revision: Revision,
    at: Moment,
}

/// What a token names, and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minted {
    /// `inc`.
    pub incarnation: Incarnation,
    /// `rev`.
    pub revision: Revision,
    /// `sid`.
    pub session: SessionId,
    /// `sub`, if that is a user.
    pub user: Option<UserId>,
    /// `sub`, if that is a client that acts for itself.
    pub client: Option<ClientId>,
}

impl Minted {
    /// What these claims name, made at `revision`.
    #[must_use]
    pub fn of(claims: &Claims, revision: Revision) -> Self {
        let client = claims.service_account();
        let user = client.is_none().then_some(claims.subject);
        Self { incarnation: claims.incarnation, revision, session: claims.session, user, client }
    }
}

impl Memory {
    /// No denial is known, of all up to `applied` in this life of the store.
    #[must_use]
    pub fn new(incarnation: Incarnation, applied: Revision) -> Self {
        let (users, clients, sessions) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { incarnation, applied, policy: Revision(0), users, clients, sessions }
    }

    /// All changes up to this one are known.
    #[must_use]
    pub fn applied(&self) -> Revision {
        self.applied
    }

    /// The life of the store that it is about.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// These changed, and nothing else up to `applied` that was not told before. Heard of at `now`.
    pub fn apply(&mut self, changes: &[(Revision, Denial)], applied: Revision, now: Moment) {
        for &(revision, denial) in changes {
            let told = Told { revision, at: now };
            match denial {
                Denial::User(id) => keep(self.users.entry(id).or_insert(told), told),
                Denial::Client(id) => keep(self.clients.entry(id).or_insert(told), told),
                Denial::Session(id) => keep(self.sessions.entry(id).or_insert(told), told),
                Denial::Policy => self.policy = self.policy.max(revision),
                // Which keys are believed is another's to keep.
                Denial::SigningKeys => {}
            }
        }
        self.applied = self.applied.max(applied);
    }

    /// Forget what was heard of `keep` ago: every token from before it has run out.
    pub fn forget(&mut self, keep: Duration, now: Moment) {
        let young = |told: &Told| now.since(told.at).is_none_or(|age| age < keep);
        self.users.retain(|_, told| young(told));
        self.clients.retain(|_, told| young(told));
        self.sessions.retain(|_, told| young(told));
    }

    /// Whether nothing that is known denies what was minted.
    #[must_use]
    pub fn accepts(&self, minted: &Minted) -> bool {
        let before = |told: Option<&Told>| told.is_some_and(|told| minted.revision < told.revision);
        minted.incarnation == self.incarnation
            && minted.revision >= self.policy
            && !self.sessions.contains_key(&minted.session)
            && !before(minted.user.as_ref().and_then(|id| self.users.get(id)))
            && !before(minted.client.as_ref().and_then(|id| self.clients.get(id)))
    }

    /// How many denials are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len() + self.clients.len() + self.sessions.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn keep(known: &mut Told, told: Told) {
    if told.revision >= known.revision {
        *known = told;
    }
}
