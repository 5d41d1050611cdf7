//! What goes into and comes out of a store for refresh tokens.

use keyfob_core::change::Revision;
use keyfob_core::opaque::Digest;
use keyfob_core::refresh::{Lives, Sealed, Stored};
use keyfob_core::scope::Scope;
use keyfob_core::session::Session;
use keyfob_core::time::Timestamp;

use super::Audit;

/// A refresh token and its family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// The session that it keeps alive.
    pub session: Session,
    /// The token itself.
    pub stored: Stored,
    /// What the sign-in asked for; `None`: whatever the user may have.
    pub scope: Option<Scope>,
}

/// The use of a refresh token.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// The token that was presented.
    pub presented: Digest,
    /// Its successor, if it gets one now.
    pub successor: Digest,
    /// The successor, sealed for the presented one.
    pub sealed: Sealed,
    /// Now.
    pub at: Timestamp,
    /// How long the family lives.
    pub lives: Lives,
    /// The `auth_version` that was judged.
    pub auth_version: u64,
    /// The audit row of a replay.
    pub replayed: Audit,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The successor is the newest now; the session as it is from here on.
    Rotated(Session),
    /// It was used before, and that may be honest: the successor it got then. Nothing was written.
    Again(Session, Sealed),
    /// It should be gone: the session ended. Acknowledge when this revision is applied.
    Replayed(Revision),
    /// Unknown, or its session has ended or expired. Nothing was written.
    Refused,
    /// The user it was judged on has changed. Nothing was written; judge again.
    Stale,
}
