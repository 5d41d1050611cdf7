//! Refresh tokens (RFC 6749 §6, RFC 9700 §4.14.2): what becomes of a family when one of its tokens is presented. Each use
//! rotates; the family is the session; a token that should be gone ends it. Never reads a clock, and never keeps a
//! token: a stored family has digests, and its successors only sealed ([`seal`]).

use std::time::Duration;

use crate::session::Session;
use crate::time::Timestamp;

pub use seal::{NONCE_BYTES, SEALED_BYTES, Sealed, seal, unseal};

mod seal;

/// How long a predecessor gives its successor again at least, even when that was used already: an answer that was lost,
/// or two tabs that refresh at once, are no theft.
pub const RETRY_WINDOW: Duration = Duration::from_secs(10);

/// How long a family lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// Without a use.
    pub idle: Duration,
    /// From sign-in on, however often it is used.
    pub absolute: Duration,
}

impl Lives {
    /// When a session that signed in at `created_at` ends, if it is used at `now` and never again.
    ///
    /// ```
    /// use std::time::Duration;
    /// use keyfob_core::refresh::Lives;
    /// use keyfob_core::time::Timestamp;
    ///
    /// let lives = Lives { idle: Duration::from_secs(70), absolute: Duration::from_secs(100) };
    /// let at = Timestamp::from_seconds;
    /// assert_eq!(lives.end(at(0), at(10)), at(80));
    /// assert_eq!(lives.end(at(0), at(60)), at(100));
    /// ```
    #[must_use]
    pub fn end(&self, created_at: Timestamp, now: Timestamp) -> Timestamp {
        (now + self.idle).min(created_at + self.absolute)
    }
}

/// What is stored of one refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The newest of its family: it was never used.
    Newest,
    /// It was used.
    Used {
        /// When it was used first, and its successor made.
        at: Timestamp,
        /// Its successor, which only the token itself can open.
        successor: Sealed,
        /// Whether the successor was used too.
        successor_used: bool,
    },
}

/// What becomes of a presented token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Its first use: a new successor takes its place.
    Rotate,
    /// A use again that may be honest: the same successor, and nothing changes.
    Retry(Sealed),
    /// It should be gone: somebody has a copy. The family ends before the reply.
    Replay,
    /// The session was ended.
    Ended,
    /// The session has outlived its idle or its absolute life. No leeway: one clock issued and judges it.
    Expired,
}

/// Judge a token of the family of `session`.
///
/// ```
/// use keyfob_core::id::{SessionId, UserId};
/// use keyfob_core::refresh::{Stored, Transition, judge};
/// use keyfob_core::session::Session;
/// use keyfob_core::time::Timestamp;
///
/// let at = Timestamp::from_seconds;
/// let (id, user) = (SessionId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
/// let session = Session { id, user, created_at: at(0), expires_at: at(100), ended_at: None };
/// assert_eq!(judge(&session, &Stored::Newest, at(99)), Transition::Rotate);
/// assert_eq!(judge(&session, &Stored::Newest, at(100)), Transition::Expired);
/// ```
#[must_use]
pub fn judge(session: &Session, token: &Stored, now: Timestamp) -> Transition {
    if session.ended_at.is_some() {
        return Transition::Ended;
    }
    if !session.is_live(now, Duration::ZERO) {
        return Transition::Expired;
    }
    match token {
        Stored::Newest => Transition::Rotate,
        Stored::Used { at, successor, successor_used } if !successor_used || now < *at + RETRY_WINDOW => {
            Transition::Retry(successor.clone())
        }
        Stored::Used { .. } => Transition::Replay,
    }
}

#[cfg(test)]
mod tests;
