//! The root key as a file. Made once, durable before it is used, private to its owner. Never overwrites a key.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use keyfob_core::SecureRandom;
use zeroize::Zeroizing;

use super::{RootKey, RootKeyError};

/// Most bytes read from a key file: the text is 57 bytes, the rest is room for white space.
const FILE_BYTES_MAX: u64 = 256;

/// Permission bits of anybody but the owner.
const GROUP_AND_OTHERS: u32 = 0o077;

/// Permission bits of those that are neither the owner nor in the group.
const OTHERS: u32 = 0o007;

impl RootKey {
    /// The root key in the file at `path`; if there is no such file, a new one, written there with mode 0600 and synced
    /// together with its directory before it is returned.
    ///
    /// # Errors
    /// [`RootKeyError`]; also where others than the owner can read the file.
    pub fn load_or_create(path: &Path, rng: &dyn SecureRandom) -> Result<Self, RootKeyError> {
        match load(path, GROUP_AND_OTHERS) {
            Err(RootKeyError::File { cause, .. }) if cause.kind() == ErrorKind::NotFound => {}
            loaded => return loaded,
        }
        let fresh = Self::generate(rng)?;
        match fresh.save_new(path) {
            // Another process made it a moment ago: that one counts.
            Err(RootKeyError::File { cause, .. }) if cause.kind() == ErrorKind::AlreadyExists => {
                load(path, GROUP_AND_OTHERS)
            }
            saved => saved.map(|()| fresh),
        }
    }

    /// The root key in a systemd credential, `$CREDENTIALS_DIRECTORY/keyfob-root-key`. systemd lets the service read
    /// it through an access list, which shows as group permission, so only access by others is refused.
    ///
    /// # Errors
    /// [`RootKeyError`]; a credential is never made.
    pub fn load_credential(path: &Path) -> Result<Self, RootKeyError> {
        load(path, OTHERS)
    }

    /// Write this key to a file that does not exist yet, with mode 0600, for `root-key import`.
    ///
    /// # Errors
    /// [`RootKeyError::File`], also if there is such a file already: a root key is never overwritten.
    pub fn save_new(&self, path: &Path) -> Result<(), RootKeyError> {
        write_new(path, self.to_text().expose()).map_err(|cause| RootKeyError::File { path: path.to_owned(), cause })
    }
}

fn load(path: &Path, refused: u32) -> Result<RootKey, RootKeyError> {
    let failed = |cause| RootKeyError::File { path: path.to_owned(), cause };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
    if mode & refused != 0 {
        return Err(RootKeyError::TooOpen { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    RootKey::from_text(&text)
}

/// Complete or not there at all: written beside, synced, then linked to its name, which fails if the name is taken.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    linked?;
    File::open(crate::directory_of(path))?.sync_all()
}
