//! SQLite inside the process: WAL, `synchronous=FULL`, STRICT tables, one writer thread with group commit, reads on the
//! calling thread. One process owns the store.

use std::path::Path;

use crate::root_key::RootKey;
use crate::{Result, Store};

/// What [`open`] needs beside the path.
pub struct Options {
    /// Unwraps the signing keys; must be the one the database was made with.
    pub root_key: RootKey,
    /// Sixteen random bytes, used as the incarnation if the database is new.
    pub fresh_incarnation: [u8; 16],
    /// Randomness for AES-GCM nonces.
    pub rng: &'static (dyn keyfob_core::SecureRandom + Sync),
}

/// Open or make the database at `path`, migrate it, and check the root key against it.
///
/// # Errors
/// Every [`crate::StoreError`], with a text an operator can act on.
pub fn open(path: &Path, options: Options) -> Result<Box<dyn Store>> {
    let _ = (path, options);
    todo!()
}
