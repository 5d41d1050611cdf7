//! The root key: 32 random bytes kept outside the database (a file of mode 0600, or a systemd credential). It wraps
//! signing keys (AES-256-GCM, SP 800-38D) and derives other keys (HKDF-SHA-256, RFC 5869). Never written to a log or a
//! database; as text it carries a checksum, so that a slip in copying is noticed before it locks anybody out.

mod file;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{digest, hkdf};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyfob_core::SecureRandom;
use keyfob_core::secret::Secret;
use zeroize::Zeroizing;

/// Bytes in a root key: AES-256 and HKDF-SHA-256 both want 256 bits.
const ROOT_KEY_BYTES: usize = 32;

/// Checksum bytes in the text of a root key: one slip in four billion goes unnoticed.
const CHECKSUM_BYTES: usize = 4;

/// How the text of a root key begins. For ever: it is in operators' vaults and in secret scanners.
const TEXT_PREFIX: &str = "fob_root_";

/// Separates this use of HKDF from every other use of the same 32 bytes.
const HKDF_SALT: &[u8] = b"keyfob root key v1";

/// Separates the checksum from every other digest of the same 32 bytes.
const CHECKSUM_LABEL: &[u8] = b"keyfob root key checksum v1";

/// The root key. No `Display`, no `Serialize`; wiped when dropped.
pub struct RootKey(Zeroizing<[u8; ROOT_KEY_BYTES]>);

/// Why there is no root key to use. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The file is absent, cannot be read, or cannot be written.
    #[error("cannot use the root key file {path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Others than its owner may read the file.
    #[error("others can read the root key file {path} (mode {mode:04o}): make it private with `chmod 600 {path}`")]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The text is no root key.
    #[error("this is no root key: it starts with `fob_root_` and 48 letters, digits, - or _ follow; copy it again")]
    NotARootKey,
    /// The text has the form of a root key, but a character of it is wrong.
    #[error("the root key has a typing error: its checksum does not match; copy it again")]
    Checksum,
    /// The random source failed.
    #[error("the random source of this system failed")]
    Random,
}

impl RootKey {
    /// Take these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; ROOT_KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new random root key.
    ///
    /// # Errors
    /// [`RootKeyError::Random`].
    pub fn generate(rng: &dyn SecureRandom) -> Result<Self, RootKeyError> {
        let mut bytes = Zeroizing::new([0; ROOT_KEY_BYTES]);
        rng.fill(bytes.as_mut_slice()).map_err(|_| RootKeyError::Random)?;
        Ok(Self(bytes))
    }

    /// The bytes, for `root-key export` and the key file.
    #[must_use]
    pub fn expose(&self) -> &[u8; ROOT_KEY_BYTES] {
        &self.0
    }

    /// The key as one word that survives a clipboard: `fob_root_` and 48 base64url characters, checksum included.
    #[must_use]
    pub fn to_text(&self) -> Secret {
        let mut bytes = Zeroizing::new([0; ROOT_KEY_BYTES + CHECKSUM_BYTES]);
        bytes[..ROOT_KEY_BYTES].copy_from_slice(self.expose());
        bytes[ROOT_KEY_BYTES..].copy_from_slice(&checksum(self.expose()));
        Secret::new(format!("{TEXT_PREFIX}{}", *Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
    }

    /// Read what [`RootKey::to_text`] wrote; white space around it is ignored.
    ///
    /// # Errors
    /// [`RootKeyError::NotARootKey`] or [`RootKeyError::Checksum`].
    pub fn from_text(text: &str) -> Result<Self, RootKeyError> {
        let encoded = text.trim().strip_prefix(TEXT_PREFIX).ok_or(RootKeyError::NotARootKey)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map(Zeroizing::new).map_err(|_| RootKeyError::NotARootKey)?;
        let (key, sum) = bytes.split_at_checked(ROOT_KEY_BYTES).ok_or(RootKeyError::NotARootKey)?;
        if sum.len() != CHECKSUM_BYTES {
            return Err(RootKeyError::NotARootKey);
        }
        let mut root = Self::from_bytes([0; ROOT_KEY_BYTES]);
        root.0.copy_from_slice(key);
        if sum == checksum(root.expose()) { Ok(root) } else { Err(RootKeyError::Checksum) }
    }

    /// A 32-byte key for one purpose: `session-tag`, `signing-key-wrap`, `check-value` (HKDF-SHA-256, RFC 5869, with
    /// the purpose as `info`). Different purposes give unrelated keys.
    ///
    /// # Panics
    /// Never: 32 bytes are within what one HKDF expansion can give.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, HKDF_SALT).extract(self.expose());
        prk.expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(key.as_mut_slice()))
            .expect("HKDF-SHA-256 can always give 32 bytes");
        key
    }

    /// Encrypt `secret` for the database: nonce, ciphertext, tag. Only the same `name` opens it, so a row cannot be
    /// passed off as another.
    pub(crate) fn wrap(&self, name: &str, secret: &[u8], rng: &dyn SecureRandom) -> Result<Vec<u8>, NotOpened> {
        let mut nonce = [0; NONCE_LEN];
        rng.fill(&mut nonce).map_err(|_| NotOpened)?;
        let mut sealed = Zeroizing::new(secret.to_vec());
        self.wrapping_key()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name.as_bytes()), &mut *sealed)
            .map_err(|_| NotOpened)?;
        Ok([nonce.as_slice(), sealed.as_slice()].concat())
    }

    /// Decrypt what [`RootKey::wrap`] made under the same `name`.
    pub(crate) fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_LEN>().ok_or(NotOpened)?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let opened = self
            .wrapping_key()?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(name.as_bytes()), &mut buffer)
            .map_err(|_| NotOpened)?
            .len();
        buffer.truncate(opened);
        Ok(buffer)
    }

    fn wrapping_key(&self) -> Result<LessSafeKey, NotOpened> {
        let key = self.derive("signing-key-wrap");
        UnboundKey::new(&AES_256_GCM, key.as_slice()).map(LessSafeKey::new).map_err(|_| NotOpened)
    }
}

impl std::fmt::Debug for RootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RootKey(..)")
    }
}

/// A wrapped secret did not open: altered, another row's, or wrapped by another root key. Or the random source failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotOpened;

fn checksum(key: &[u8; ROOT_KEY_BYTES]) -> [u8; CHECKSUM_BYTES] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(CHECKSUM_LABEL);
    context.update(key);
    let digest = context.finish();
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&digest.as_ref()[..CHECKSUM_BYTES]);
    sum
}
