//! What remains of HTTP Basic: who still comes with it, and whose password hash is another program's.

use keyfob_core::id::UserId;
use keyfob_core::password::LegacyForm;
use keyfob_core::time::Timestamp;
use keyfob_core::user::{Status, Username};

/// A use of HTTP Basic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicUse {
    /// By whom.
    pub user: UserId,
    /// When.
    pub at: Timestamp,
    /// From which network, coarse: see [`keyfob_core::session::SessionListing::address`].
    pub network: String,
}

/// A user who came with HTTP Basic, or has not signed in since its hash was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicUser {
    /// Its id.
    pub id: UserId,
    /// Its name.
    pub username: Username,
    /// Whether it may do anything.
    pub status: Status,
    /// The form of its legacy hash, if that is still there.
    pub legacy: Option<LegacyForm>,
    /// Its uses, if there were any.
    pub uses: Option<BasicUses>,
}

/// The uses of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicUses {
    /// The first.
    pub first_at: Timestamp,
    /// The last.
    pub last_at: Timestamp,
    /// The network of the last, coarse.
    pub network: String,
}

/// A right password that starts no session: the proof of an HTTP Basic credential.
#[derive(Clone, Debug)]
pub struct ProvenBasic {
    /// The reservation, settled as right if the user is still as it was.
    pub proof: super::ProvenAttempt,
    /// Whose password it is.
    pub user: UserId,
    /// The `auth_version` that was judged.
    pub auth_version: u64,
    /// What replaces the stored hash, if that is a legacy or a cheap one.
    pub rehash: Option<keyfob_core::password::PasswordHash>,
    /// Now.
    pub at: Timestamp,
}
