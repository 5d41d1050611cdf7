//! What can change under a running guard, and in which order.

use serde::{Deserialize, Serialize};

use crate::id::{ClientId, KeyId, SessionId, UserId};

/// Gap-free counter in the store: every change to a fact a cache may hold raises it by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

/// One fact that a cache may hold and must forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// A user: status, roles, name, or existence.
    User(UserId),
    /// A session: it ended.
    Session(SessionId),
    /// An API key: it was revoked, or its user is gone.
    Key(KeyId),
    /// A client: secret, scopes, status, or existence.
    Client(ClientId),
    /// The policy in force.
    Policy,
    /// The set of signing keys.
    SigningKeys,
}

/// A fact that changed, and the revision that changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The revision of the transaction that made the change.
    pub revision: Revision,
    /// What to forget.
    pub fact: Fact,
}
