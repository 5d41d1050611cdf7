//! The one error of a store: it could not tell. "Not found", "stale" and "exists" are answers, not errors.

/// Why a store could not tell. Fails closed: a guard turns it into 503.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached, is full, or refuses to write. Nothing was acknowledged.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What is stored cannot be right.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The database was made with another root key.
    #[error("the root key is not the one this database was made with")]
    WrongRootKey,
    /// A newer keyfob made this database, or a migration was altered after it ran.
    #[error("the database schema is not one this version knows: {0}")]
    Schema(String),
    /// A backup could not be written, or is none that can be restored.
    #[error("{0}")]
    Backup(String),
    /// The database is older than what was last acknowledged on it: an older file was put in its place.
    #[error(
        "the database is at revision {found}, but {mark} was acknowledged on it: an older copy was put in its place"
    )]
    RolledBack {
        /// The database's revision.
        found: u64,
        /// The high-water mark.
        mark: u64,
    },
    /// The database is of another incarnation than the one that was last used with this root key.
    #[error("the database is not the one that was last used with this root key: another was put in its place")]
    OtherLife,
    /// The database lacks the change of that revision and has another in its place: it is an older copy that went on.
    #[error(
        "the change at revision {revision} is not the one that was acknowledged on this database: an older copy was put in \
        its place and went on"
    )]
    OtherHistory {
        /// The change that is another one.
        revision: u64,
    },
    /// The store was moved elsewhere: what is left here is never served again.
    #[error("the store has moved to {0}")]
    Moved(String),
    /// A move into this database, or this directory, was not finished: what is in it is no store.
    #[error("a move to here was begun and not finished: what there is is no store yet")]
    Arriving,
    /// A move cannot be done.
    #[error("the store cannot move: {0}")]
    Move(String),
    /// The high-water mark cannot be read or kept.
    #[error("cannot use the high-water mark {0}")]
    HighWater(String),
}

impl StoreError {
    /// Whether the database is not the one that was last served, with nothing missing: nothing helps but to put that one
    /// back, or that an operator accepts this one.
    #[must_use]
    pub fn went_backwards(&self) -> bool {
        matches!(self, Self::RolledBack { .. } | Self::OtherLife | Self::OtherHistory { .. })
    }
}
