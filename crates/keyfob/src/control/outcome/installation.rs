//! The installation as a whole, as commands tell of it: its policy, its backups, the state of its database.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::FailedSignInsView;

/// A policy as imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyView {
    /// Its number, from 1.
    pub version: u64,
    /// The file's text.
    pub text: String,
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
    /// Clients that are suspended until they are resumed; those that an operator had suspended are not counted.
    pub clients_suspended: u64,
    /// Where the store that it replaced is now, if there was one.
    pub kept: Option<PathBuf>,
    /// The rows of each table.
    pub tables: Vec<TableView>,
}

/// A store that was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedView {
    /// Where it was: a data directory, or a URL without a password.
    pub from: String,
    /// Where it is.
    pub to: String,
    /// Whether it was there before, and nothing was done.
    pub already: bool,
    /// Whether an earlier move was finished, which had been cut off after it had compared both sides.
    pub finished: bool,
    /// What was moved; nothing if there was nothing to copy.
    pub tables: Vec<MovedTableView>,
    /// For how many milliseconds nothing could be written.
    pub held_ms: u64,
    /// How many milliseconds it all took.
    pub took_ms: u64,
}

/// A table that was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedTableView {
    /// Its name.
    pub name: String,
    /// Its rows, equal on both sides.
    pub rows: u64,
    /// The sum of the SHA-256 of its rows, equal on both sides.
    pub digest: String,
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
    /// Failed sign-ins of the last 24 hours at names that nobody has, if there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at_unknown_names: Option<FailedSignInsView>,
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
    /// By how many milliseconds the wall clock of whoever looked was ahead of the shared database's; behind, if negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew_ms: Option<i64>,
}

/// One node of those that share a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its id, new at each start.
    pub id: String,
    /// Whether it renewed its lease while it was looked at.
    pub alive: bool,
    /// The newest change it has applied.
    pub applied: u64,
    /// How many changes it has yet to apply.
    pub behind: u64,
    /// By how many milliseconds its wall clock was ahead of the database's at its last renewal; behind, if negative.
    pub clock_skew_ms: Option<i64>,
}
