//! Users and their sessions, as commands tell of them.

use keyfob_core::session::SessionListing;
use keyfob_core::user::{RoleName, Status, User};
use keyfob_store::FailedSignIns;
use serde::{Deserialize, Serialize};

use crate::clock::rfc3339;

/// A user, for people and scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    /// Its id, never reused.
    pub id: String,
    /// Its canonical name.
    pub username: String,
    /// `active` or `disabled`.
    pub status: Status,
    /// Its roles, sorted.
    pub roles: Vec<RoleName>,
    /// When it was made (RFC 3339).
    pub created_at: String,
    /// Its failed sign-ins of the last 24 hours, where one user was asked for and there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_sign_ins: Option<FailedSignInsView>,
}

/// Failed sign-ins, for people and scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedSignInsView {
    /// How many.
    pub count: u64,
    /// The first (RFC 3339).
    pub first_at: String,
    /// The last (RFC 3339).
    pub last_at: String,
    /// From how many networks; in each hour, those beyond the first eight count as one.
    pub networks: u32,
}

impl From<FailedSignIns> for FailedSignInsView {
    fn from(failed: FailedSignIns) -> Self {
        let FailedSignIns { count, first_at, last_at, networks } = failed;
        Self { count, first_at: rfc3339(first_at), last_at: rfc3339(last_at), networks }
    }
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            username: user.username.to_string(),
            status: user.status,
            roles: user.roles.clone(),
            created_at: rfc3339(user.created_at),
            failed_sign_ins: None,
        }
    }
}

/// A session, for people and scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// Whose it is: a user id.
    pub user: String,
    /// When the user signed in (RFC 3339).
    pub created_at: String,
    /// When it ends by itself (RFC 3339).
    pub expires_at: String,
    /// The client's name for itself.
    pub client_name: String,
    /// The client's network, coarse.
    pub address: String,
}

impl From<&SessionListing> for SessionView {
    fn from(listing: &SessionListing) -> Self {
        Self {
            id: listing.session.id.to_string(),
            user: listing.session.user.to_string(),
            created_at: rfc3339(listing.session.created_at),
            expires_at: rfc3339(listing.session.expires_at),
            client_name: listing.client_name.clone(),
            address: listing.address.clone(),
        }
    }
}
