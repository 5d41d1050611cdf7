//! What came of an intention. These values are also what `--json` prints, so their names are for ever.

mod accounts;
mod basic;
mod credentials;
mod installation;

use keyfob_core::user::RoleName;
use serde::{Deserialize, Serialize};

pub use self::accounts::{FailedSignInsView, SessionView, UserView};
pub use self::basic::BasicUserView;
pub use self::credentials::{ApiKeyView, ClientView, KeyView, TokenView};
pub use self::installation::{
    BackupView, Examination, MovedTableView, MovedView, NodeView, PolicyView, RestoredView, TableView,
};
use super::ShownOnce;

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
    /// Users were imported.
    Imported {
        /// Those that were made.
        made: Vec<String>,
        /// Those that were there already, and are as they were.
        taken: Vec<String>,
        /// Roles that grant nothing.
        unknown_roles: Vec<RoleName>,
    },
    /// A page of users who are not done with HTTP Basic.
    BasicUsers(Vec<BasicUserView>),
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
    /// A policy is in force; false if it was already.
    PolicyApplied(bool),
    /// What a token is worth.
    Token(Box<TokenView>),
    /// A backup was made and verified.
    Backup(BackupView),
    /// The state of the database.
    Examination(Box<Examination>),
    /// The nodes that share the store; `None` where one process owns it.
    Nodes(Option<Vec<NodeView>>),
    /// Whether the store was moved away; if so, nothing is answered from it any more.
    StoodDown {
        /// It was.
        moved: bool,
        /// It is one that nodes share.
        shared: bool,
    },
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
