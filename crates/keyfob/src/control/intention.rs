//! What a command wants done, as one value that can cross the control socket.

use std::path::PathBuf;

use keyfob_core::client::ClientStatus;
use keyfob_core::secret::Secret;
use keyfob_core::user::{RoleName, Status};
use serde::{Deserialize, Serialize, Serializer};

/// One intention. Users are named by username or by id: a username never looks like an id.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "intention", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Intention {
    /// Make a user.
    UserAdd {
        /// Its name.
        name: String,
        /// Its password.
        #[serde(serialize_with = "cross")]
        password: Secret,
        /// Its roles.
        roles: Vec<RoleName>,
    },
    /// Make users with the password hashes of another program.
    UserImport {
        /// Who; at most as many as fit into a request.
        users: Vec<ImportedUser>,
        /// The roles of each.
        roles: Vec<RoleName>,
    },
    /// Who is not done with HTTP Basic, a page at a time, in order of name.
    BasicReport {
        /// The last name of the page before.
        after: Option<String>,
    },
    /// List users, a page at a time, in order of name.
    UserList {
        /// The last name of the page before.
        after: Option<String>,
    },
    /// Show one user.
    UserShow {
        /// Who.
        user: String,
    },
    /// Change a user's roles.
    UserRole {
        /// Who.
        user: String,
        /// The new roles in place of all the old ones; `None` keeps them.
        set: Option<Vec<RoleName>>,
        /// Roles to add.
        add: Vec<RoleName>,
        /// Roles to take away.
        remove: Vec<RoleName>,
    },
    /// Give a user another password; all its sessions end.
    UserPasswd {
        /// Who.
        user: String,
        /// The new password.
        #[serde(serialize_with = "cross")]
        password: Secret,
    },
    /// Disable or enable a user.
    UserStatus {
        /// Who.
        user: String,
        /// The new status.
        status: Status,
    },
    /// Delete a user.
    UserDelete {
        /// Who.
        user: String,
    },
    /// List a user's live sessions.
    SessionList {
        /// Whose.
        user: String,
    },
    /// End sessions.
    SessionEnd {
        /// Which.
        which: SessionChoice,
    },
    /// Register a client.
    ClientAdd {
        /// Its name.
        name: String,
        /// What it may have for itself, space separated.
        scope: String,
    },
    /// List clients, a page at a time, in order of name.
    ClientList {
        /// The last name of the page before.
        after: Option<String>,
    },
    /// Replace what a client may have for itself.
    ClientScope {
        /// Which, by name or id.
        client: String,
        /// The scopes, space separated.
        scope: String,
    },
    /// Give a client another secret.
    ClientRotateSecret {
        /// Which, by name or id.
        client: String,
    },
    /// Suspend or resume a client.
    ClientStatus {
        /// Which, by name or id.
        client: String,
        /// The new status.
        status: ClientStatus,
    },
    /// Delete a client.
    ClientDelete {
        /// Which, by name or id.
        client: String,
    },
    /// Make an API key for a user.
    KeyCreate {
        /// Whose.
        user: String,
        /// What to call it.
        name: String,
        /// What it is good for, space separated; `None`: all that the user has.
        scope: Option<String>,
        /// How long it lives, in seconds; `None`: as long as it may.
        life: Option<u64>,
    },
    /// List a user's live API keys.
    KeyList {
        /// Whose.
        user: String,
    },
    /// Revoke an API key.
    KeyRevoke {
        /// Its id.
        id: String,
    },
    /// Accept API keys again that a restore suspended.
    KeyResume {
        /// Their ids; none: all.
        ids: Vec<String>,
    },
    /// Accept clients again.
    ClientResume {
        /// Which, by name or id; none: all that a restore suspended.
        clients: Vec<String>,
    },
    /// List the signing keys.
    SigningKeyList,
    /// Let the next signing key take over.
    SigningKeyRotate {
        /// Although it was not published for long enough.
        early: bool,
    },
    /// Refuse a signing key and everything it signed.
    SigningKeyRetire {
        /// Its id.
        kid: String,
    },
    /// Show the policy in force.
    Policy,
    /// Put a policy in force.
    PolicyApply {
        /// The name of its file, for the audit.
        file: String,
        /// Its text.
        text: String,
    },
    /// Judge an access token.
    TokenInspect {
        /// The token.
        #[serde(serialize_with = "cross")]
        token: Secret,
    },
    /// Write a verified copy of the database.
    Backup {
        /// Where to: an absolute path, because the owner may have another working directory.
        file: PathBuf,
    },
    /// Look at the nodes that share the store.
    ClusterStatus,
    /// Look whether the store was moved away, and answer nothing from it any more if so.
    StandDown,
    /// Check the database, for `doctor`.
    Examine,
}

impl Intention {
    /// Whether it changes nothing in the store.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        match self {
            Self::UserList { .. }
            | Self::BasicReport { .. }
            | Self::UserShow { .. }
            | Self::SessionList { .. }
            | Self::ClientList { .. }
            | Self::KeyList { .. }
            | Self::SigningKeyList
            | Self::Policy
            | Self::TokenInspect { .. }
            | Self::ClusterStatus
            | Self::StandDown
            | Self::Examine => true,
            Self::UserAdd { .. }
            | Self::UserImport { .. }
            | Self::UserRole { .. }
            | Self::UserPasswd { .. }
            | Self::UserStatus { .. }
            | Self::UserDelete { .. }
            | Self::SessionEnd { .. }
            | Self::ClientAdd { .. }
            | Self::ClientScope { .. }
            | Self::ClientRotateSecret { .. }
            | Self::ClientStatus { .. }
            | Self::ClientDelete { .. }
            | Self::ClientResume { .. }
            | Self::KeyCreate { .. }
            | Self::KeyRevoke { .. }
            | Self::KeyResume { .. }
            | Self::SigningKeyRotate { .. }
            | Self::SigningKeyRetire { .. }
            | Self::PolicyApply { .. }
            | Self::Backup { .. } => false,
        }
    }
}

/// A user of another program.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedUser {
    /// Its name.
    pub name: String,
    /// Its password hash, as that program has it.
    #[serde(serialize_with = "cross")]
    pub hash: Secret,
}

/// Which sessions to end.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionChoice {
    /// One, by its id.
    Id(String),
    /// All of a user.
    AllOf(String),
}

/// The one place where a secret is serialised: towards a socket of mode 0600 whose peer is the same user.
fn cross<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}
