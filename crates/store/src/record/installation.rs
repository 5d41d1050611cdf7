//! The installation as a whole: its policy, its size, its backups, its lives.

use std::path::PathBuf;

use keyfob_core::change::Revision;
use keyfob_core::id::Incarnation;
use keyfob_core::time::Timestamp;

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    /// Its number, from 1.
    pub version: u64,
    /// The file's text.
    pub text: String,
}

/// Row counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Users.
    pub users: u64,
    /// Sessions, ended ones included until they are swept.
    pub sessions: u64,
    /// Audit rows.
    pub audit: u64,
}

/// A backup that was made and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The newest revision in it.
    pub revision: Revision,
    /// Its size in bytes.
    pub bytes: u64,
    /// The rows of each table, the same in the backup as in the store at that instant; in order of name.
    pub tables: Vec<(String, u64)>,
}

/// A new life of the store, begun by a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// The revision of the database it was begun from.
    pub from: Revision,
    /// Its first revision.
    pub revision: Revision,
    /// Sessions that it ended.
    pub sessions_ended: u64,
    /// API keys that are suspended until they are resumed.
    pub keys_suspended: u64,
    /// Clients that are suspended until they are resumed; those that an operator had suspended are not counted.
    pub clients_suspended: u64,
    /// The rows of each table, in order of name.
    pub tables: Vec<(String, u64)>,
    /// Where the database that it replaced is now; `None` if there was none.
    pub kept: Option<PathBuf>,
}

/// The life of a store, for `doctor`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// When this incarnation began by a restore; `None` if it is the first.
    pub restored_at: Option<Timestamp>,
    /// When the last backup was made, if one was.
    pub backed_up_at: Option<Timestamp>,
}
