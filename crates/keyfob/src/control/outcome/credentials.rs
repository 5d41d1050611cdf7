//! API keys, clients, signing keys and tokens, as commands tell of them. Never a secret.

use keyfob_core::api_key::KeyListing;
use keyfob_core::client::{Client, ClientStatus};
use keyfob_core::signing_key::Algorithm;
use serde::{Deserialize, Serialize};

use super::UserView;
use crate::clock::rfc3339;

/// An API key without its secret, for people and scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyView {
    /// Its id.
    pub id: String,
    /// Whose it is: a user id.
    pub user: String,
    /// What its owner calls it.
    pub name: String,
    /// What it is good for, space separated; at each use narrowed by what its user has then.
    pub scope: String,
    /// When it was made (RFC 3339).
    pub created_at: String,
    /// When it ends by itself (RFC 3339).
    pub expires_at: String,
    /// When it was last used (RFC 3339).
    pub last_used_at: Option<String>,
    /// Whether it was made before the database was restored: then it is refused.
    pub suspended: bool,
}

impl From<&KeyListing> for ApiKeyView {
    fn from(listing: &KeyListing) -> Self {
        let KeyListing { key, name, used_at } = listing;
        Self {
            id: key.id.to_string(),
            user: key.user.to_string(),
            name: name.to_string(),
            scope: key.scope.to_string(),
            created_at: rfc3339(key.created_at),
            expires_at: rfc3339(key.expires_at),
            last_used_at: used_at.map(rfc3339),
            suspended: false,
        }
    }
}

/// A client, for people and scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientView {
    /// Its id, never reused: `client_id`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `active` or `suspended`.
    pub status: ClientStatus,
    /// What it may have for itself, space separated.
    pub scope: String,
    /// When it was made (RFC 3339).
    pub created_at: String,
}

impl From<&Client> for ClientView {
    fn from(client: &Client) -> Self {
        Self {
            id: client.id.to_string(),
            name: client.name.to_string(),
            status: client.status,
            scope: client.scope.to_string(),
            created_at: rfc3339(client.created_at),
        }
    }
}

/// A signing key, without its private half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// Its id: the RFC 7638 thumbprint.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// `next`, `active`, `old` or `retired`.
    pub state: String,
    /// When it was made, and so published (RFC 3339).
    pub created_at: String,
    /// Since when it is in that state (RFC 3339).
    pub since: String,
    /// When nothing it signed is alive and it goes (RFC 3339); for old and retired ones.
    pub dropped_at: Option<String>,
}

/// What a token is worth here and now. Never the token, never its signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenView {
    /// The decoded header, if it is JSON.
    pub header: Option<serde_json::Value>,
    /// The decoded claims, if they are JSON.
    pub claims: Option<serde_json::Value>,
    /// Whether a guard would believe it now.
    pub accepted: bool,
    /// Everything that speaks against it; empty if it is accepted.
    pub reasons: Vec<String>,
    /// The state of the session it names: `live`, `ended`, `expired` or `unknown`.
    pub session: String,
    /// The user it names, if there is one.
    pub user: Option<UserView>,
}
