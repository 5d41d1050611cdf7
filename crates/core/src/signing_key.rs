//! Signing keys and the RFC 7517 JWK Set. One key has exactly one algorithm (RFC 8725 §3.1); its id is its RFC 7638
//! thumbprint. All cryptography is aws-lc-rs. Never fetches a key, never reads `jku`, `jwk` or `x5u`.

use aws_lc_rs::rand::SecureRandom;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The signature algorithms keyfob signs with and accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits (RFC 7518 §3.3; RFC 9068 §2.1 requires its support).
    #[serde(rename = "RS256")]
    Rs256,
}

/// A key that signs.
pub struct SigningKey {
    _todo: (),
}

/// The cryptographic library refused: a broken random source or a damaged key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing key cannot be used: it is damaged or of another algorithm")]
pub struct KeyError;

impl SigningKey {
    /// Make a new key.
    ///
    /// # Errors
    /// [`KeyError`] if the library cannot make one.
    pub fn generate(algorithm: Algorithm, rng: &dyn SecureRandom) -> Result<Self, KeyError> {
        let _ = (algorithm, rng);
        todo!()
    }

    /// Read a PKCS#8 document (RFC 5958) as written by [`SigningKey::to_pkcs8`].
    ///
    /// # Errors
    /// [`KeyError`] if it is damaged or of another algorithm.
    pub fn from_pkcs8(algorithm: Algorithm, document: &[u8]) -> Result<Self, KeyError> {
        let _ = (algorithm, document);
        todo!()
    }

    /// The PKCS#8 document, to be wrapped by the root key before it is stored.
    #[must_use]
    pub fn to_pkcs8(&self) -> &Zeroizing<Vec<u8>> {
        todo!()
    }

    /// Its public half.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        todo!()
    }

    /// Sign `message` (the JWS signing input), giving the raw JWS signature (R || S for ES256).
    ///
    /// # Errors
    /// [`KeyError`] if the library refuses.
    pub fn sign(&self, message: &[u8], rng: &dyn SecureRandom) -> Result<Vec<u8>, KeyError> {
        let _ = (message, rng);
        todo!()
    }
}

/// A key that verifies.
#[derive(Clone)]
pub struct VerifyingKey {
    _todo: (),
}

impl VerifyingKey {
    /// Its RFC 7638 SHA-256 thumbprint, base64url: 43 characters.
    #[must_use]
    pub fn kid(&self) -> &str {
        todo!()
    }

    /// Its one algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        todo!()
    }

    /// The public JWK, with `kid`, `alg` and `use`.
    #[must_use]
    pub fn to_jwk(&self) -> serde_json::Value {
        todo!()
    }

    /// Read a public JWK.
    ///
    /// # Errors
    /// [`KeyError`] if it is not one of the three kinds, or its `alg` contradicts its type.
    pub fn from_jwk(jwk: &serde_json::Value) -> Result<Self, KeyError> {
        let _ = jwk;
        todo!()
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let _ = (message, signature);
        todo!()
    }
}

/// The keys a verifier trusts, found by exact `kid` only.
#[derive(Clone, Default)]
pub struct KeySet(Vec<VerifyingKey>);

impl KeySet {
    /// A set of keys.
    #[must_use]
    pub fn new(keys: Vec<VerifyingKey>) -> Self {
        Self(keys)
    }

    /// The key of that id.
    #[must_use]
    pub fn key(&self, kid: &str) -> Option<&VerifyingKey> {
        self.0.iter().find(|key| key.kid() == kid)
    }

    /// The RFC 7517 §5 JWK Set document.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "keys": self.0.iter().map(VerifyingKey::to_jwk).collect::<Vec<_>>() })
    }
}
