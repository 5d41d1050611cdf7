//! Changes of users, API keys and clients.

use keyfob_core::api_key::{ApiKey, KeyName};
use keyfob_core::client::Client;
use keyfob_core::id::{ClientId, SessionId, UserId};
use keyfob_core::opaque::Digest;
use keyfob_core::password::PasswordHash;
use keyfob_core::user::User;

use super::ProvenAttempt;

/// A user to make.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Its facts.
    pub user: User,
    /// Its password.
    pub password: PasswordHash,
}

/// A client as stored.
#[derive(Clone, Debug)]
pub struct StoredClient {
    /// Its facts.
    pub client: Client,
    /// The digest of its secret.
    pub secret: Digest,
}

/// A new secret for a client.
#[derive(Clone, Copy, Debug)]
pub struct ClientRotation {
    /// Whose.
    pub client: ClientId,
    /// The digest of the new secret.
    pub secret: Digest,
    /// The session that takes the place of the old one.
    pub session: SessionId,
}

/// A new password for a user.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    /// Whose.
    pub user: UserId,
    /// The new hash.
    pub password: PasswordHash,
    /// Refuse as [`Changed::Stale`] if the user's `auth_version` is not this one any more.
    pub auth_version: Option<u64>,
    /// The session that survives (the one that changed the password); all others end.
    pub keep: Option<SessionId>,
    /// The reservation that proved the current password; `None` if an operator sets the new one.
    pub proof: Option<ProvenAttempt>,
}

/// An API key to make.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its facts.
    pub key: ApiKey,
    /// What its owner calls it.
    pub name: KeyName,
    /// What it is found by.
    pub digest: Digest,
    /// The `auth_version` of its user that was judged.
    pub auth_version: u64,
    /// The session that asked for it, if a user did; it must not have ended.
    pub session: Option<SessionId>,
}

/// Whether a key was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMade {
    /// It was.
    Made,
    /// The user or the session it was judged on had changed; nothing was written.
    Stale,
    /// The user has [`keyfob_core::api_key::KEYS_PER_USER_MAX`] live keys; nothing was written.
    TooMany,
}
