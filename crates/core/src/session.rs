//! A session: one sign-in of one user (SP 800-63B-4 §5). Everything minted from it dies with it.

use std::time::Duration;

use crate::id::{SessionId, UserId};
use crate::time::Timestamp;

/// What a guard must know of a session. Small, because caches hold a million of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Who signed in.
    pub user: UserId,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// From this instant on nothing minted from the session is accepted (leeway aside).
    pub expires_at: Timestamp,
    /// When it was ended by logout, revocation or an account change.
    pub ended_at: Option<Timestamp>,
}

impl Session {
    /// Whether tokens of this session may be accepted at `now`, clocks being at most `leeway` apart.
    #[must_use]
    pub fn is_live(&self, now: Timestamp, leeway: Duration) -> bool {
        self.ended_at.is_none() && now < self.expires_at + leeway
    }
}

/// A session as its owner sees it in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionListing {
    /// The facts.
    pub session: Session,
    /// The client's own name for itself (its `User-Agent`, cut to 200 bytes, control characters removed).
    pub client_name: String,
    /// The client's network, coarse: IPv4 /24 or IPv6 /48 in text, empty if unknown.
    pub address: String,
}
