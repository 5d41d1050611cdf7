//! The one error of a store: it could not tell. "Not found", "stale" and "exists" are answers, not errors.

/// Why a store could not tell. Fails closed: a guard turns it into 503.
#[derive(Debug, thiserror::Error)]
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
}
