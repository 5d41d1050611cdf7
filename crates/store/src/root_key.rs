//! The root key: 32 random bytes kept outside the database (a file of mode 0600, or a systemd credential). It wraps
//! signing keys (AES-256-GCM) and derives the session tag key (HKDF-SHA-256). Never written to a log or a database.

use zeroize::Zeroizing;

/// The root key.
pub struct RootKey(Zeroizing<[u8; 32]>);

impl RootKey {
    /// Take these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for `root-key export` and the key file.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A 32-byte key for one purpose: `session-tag`, `signing-key-wrap`, `check-value`.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let _ = purpose;
        todo!()
    }
}
