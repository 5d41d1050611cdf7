//! What came of an intention. These values are also what `--json` prints, so their names are for ever.

use std::path::PathBuf;

use keyfob_core::api_key::KeyListing;
use keyfob_core::client::{Client, ClientStatus};
use keyfob_core::session::SessionListing;
use keyfob_core::signing_key::Algorithm;
use keyfob_core::user::{RoleName, Status, User};
use keyfob_store::FailedSignIns;
use serde::{Deserialize, Serialize};

use super::ShownOnce;
use crate::clock::rfc3339;

/// What was done or found.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "value", rename_all = "kebab-case")]
pub enum Outcome {
    /// A user as it is now, whether anything changed, and which of its roles the policy in force does not know.
    User {
        /// The user.
        user: UserView,
        /// False if it was so already.
        changed: bool,
        /// Roles that grant nothing.
        unknown_roles: Vec<RoleName>,
    },
    /// A page of users.
    Users(Vec<UserView>),
    /// A user is gone.
    Deleted(UserView),
    /// Live sessions.
    Sessions(Vec<SessionView>),
    /// An API key was made.
    ApiKey {
        /// What is known of it.
        key: ApiKeyView,
        /// The key itself.
        secret: ShownOnce,
    },
    /// Live API keys.
    ApiKeys(Vec<ApiKeyView>),
    /// Sessions ended, or a key; false if there was nothing to end.
    Ended(bool),
    /// API keys, by id, or clients, by name, that were suspended and are accepted again.
    Resumed(Vec<String>),
    /// A client as it is now, whether anything changed, and its secret if it is a new one.
    Client {
        /// The client.
        client: ClientView,
        /// False if it was so already.
        changed: bool,
        /// The new secret.
        secret: Option<ShownOnce>,
    },
    /// A page of clients.
    Clients(Vec<ClientView>),
    /// A client is gone.
    ClientDeleted(ClientView),
    /// Signing keys: next, active, old, retired; of each the newest first.
    SigningKeys(Vec<KeyView>),
    /// Signing keys were rotated, or one was retired.
    KeysTurned {
        /// The keys as they are now.
        keys: Vec<KeyView>,
        /// False if it was so already.
        changed: bool,
        /// Another key signs, and was not published for long enough before.
        early: bool,
    },
    /// The policy in force, if one was ever imported.
    Policy(Option<PolicyView>),
    /// What a token is worth.
    Token(Box<TokenView>),
    /// A backup was made and verified.
    Backup(BackupView),
    /// The state of the database.
    Examination(Examination),
}

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

/// A policy as imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyView {
    /// Its number, from 1.
    pub version: u64,
    /// The file's text.
    pub text: String,
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

/// A backup. What it holds, never the root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupView {
    /// The file.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The newest revision in it.
    pub revision: u64,
    /// The life of the store it was made of.
    pub incarnation: String,
    /// The rows of each table, equal in the backup and in the store at that instant.
    pub tables: Vec<TableView>,
}

/// A new life of the store, begun by a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredView {
    /// Which life: 32 hexadecimal digits, in every token as `inc`.
    pub incarnation: String,
    /// The revision of the database it began from.
    pub from: u64,
    /// Its first revision.
    pub revision: u64,
    /// Sessions that it ended.
    pub sessions_ended: u64,
    /// API keys that are suspended until they are resumed.
    pub keys_suspended: u64,
    /// Clients that are suspended until they are resumed, those that were before included.
    pub clients_suspended: u64,
    /// Where the store that it replaced is now, if there was one.
    pub kept: Option<PathBuf>,
    /// The rows of each table.
    pub tables: Vec<TableView>,
}

/// How many rows a table has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableView {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
}

/// The state of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examination {
    /// What is damaged, or nothing.
    pub damage: Option<String>,
    /// Users.
    pub users: u64,
    /// Sessions, ended ones included until they are swept.
    pub sessions: u64,
    /// Audit rows.
    pub audit: u64,
    /// The newest revision.
    pub revision: u64,
    /// Which life of the store this is: 32 hexadecimal digits, in every token as `inc`.
    pub incarnation: String,
    /// When that life began by a restore (RFC 3339); nothing if it is the first.
    pub restored_at: Option<String>,
    /// When the last backup was made (RFC 3339).
    pub backed_up_at: Option<String>,
    /// The id of the key that signs, if a server was ever started.
    pub signing_key: Option<String>,
    /// Since when that key is older than its life (RFC 3339), if it is.
    pub signing_key_overdue_since: Option<String>,
    /// The number of the policy in force.
    pub policy: Option<u64>,
    /// What is wrong with the policy in force, if anything.
    pub policy_problem: Option<String>,
    /// The origin that tokens are issued as, if a server was ever started.
    pub public_url: Option<String>,
}

/// Why an intention was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What is wrong: lower case, no full stop, no secret.
    pub message: String,
    /// What to do, if that can be said.
    pub hint: Option<String>,
}

impl Problem {
    /// It was refused; nothing was changed.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// It could not be told whether it was done.
    pub fn could_not_tell(message: impl Into<String>) -> Self {
        Self::refused(message)
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
