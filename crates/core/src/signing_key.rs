//! Signing keys and the RFC 7517 JWK Set. One key has exactly one algorithm (RFC 8725 §3.1); its id is its RFC 7638
//! thumbprint. All cryptography is aws-lc-rs. Never fetches a key, never reads `jku`, `jwk` or `x5u`.

mod jwk;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SecureRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_SHA256,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::jwk::PublicKey;

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

impl Algorithm {
    /// Its registered JOSE name (RFC 7518 §3.1, RFC 8037 §3.1), as `alg` carries it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }
}

/// A key that signs.
///
/// ```
/// use aws_lc_rs::rand::SystemRandom;
/// use keyfob_core::signing_key::{Algorithm, KeySet, SigningKey};
///
/// let rng = SystemRandom::new();
/// let key = SigningKey::generate(Algorithm::Es256, &rng)?;
/// let signature = key.sign(b"signing input", &rng)?;
///
/// let published = KeySet::new(vec![key.verifying_key().clone()]);
/// let found = published.key(key.verifying_key().kid()).expect("found by its thumbprint");
/// assert!(found.verifies(b"signing input", &signature));
/// assert!(!found.verifies(b"another input", &signature));
/// # Ok::<(), keyfob_core::signing_key::KeyError>(())
/// ```
pub struct SigningKey {
    pair: Pair,
    document: Zeroizing<Vec<u8>>,
    public: VerifyingKey,
}

/// The library's key pairs. Each wipes its own private half.
enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(rsa::KeyPair),
}

/// The cryptographic library refused: a broken random source or a damaged key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing key cannot be used: it is damaged or of another algorithm")]
pub struct KeyError;

impl SigningKey {
    /// Make a new key: P-256, Ed25519, or RSA of 2048 bits.
    ///
    /// aws-lc-rs draws from its own generator and takes `rng` for the sake of its interface; callers pass theirs, so
    /// that a library that does use it can take its place.
    ///
    /// # Errors
    /// [`KeyError`] if the library cannot make one.
    pub fn generate(algorithm: Algorithm, rng: &dyn SecureRandom) -> Result<Self, KeyError> {
        let document = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, rng),
            Algorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(rng),
            Algorithm::Rs256 => {
                let pair = rsa::KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError)?;
                return Self::from_pkcs8(algorithm, pair.as_der().map_err(|_| KeyError)?.as_ref());
            }
        };
        Self::from_pkcs8(algorithm, document.map_err(|_| KeyError)?.as_ref())
    }

    /// Read a PKCS#8 document (RFC 5958) as written by [`SigningKey::to_pkcs8`].
    ///
    /// # Errors
    /// [`KeyError`] if it is damaged or of another algorithm.
    pub fn from_pkcs8(algorithm: Algorithm, document: &[u8]) -> Result<Self, KeyError> {
        let (pair, public) = match algorithm {
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document);
                let pair = pair.map_err(|_| KeyError)?;
                let public = PublicKey::es256(pair.public_key().as_ref())?;
                (Pair::Es256(pair), public)
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(document).map_err(|_| KeyError)?;
                let public = PublicKey::eddsa(pair.public_key().as_ref())?;
                (Pair::EdDsa(pair), public)
            }
            Algorithm::Rs256 => {
                let pair = rsa::KeyPair::from_pkcs8(document).map_err(|_| KeyError)?;
                let public = PublicKey::rs256_from_der(pair.public_key().as_ref())?;
                (Pair::Rs256(pair), public)
            }
        };
        Ok(Self { pair, document: Zeroizing::new(document.to_vec()), public: VerifyingKey::new(public)? })
    }

    /// The PKCS#8 document, to be wrapped by the root key before it is stored.
    #[must_use]
    pub fn to_pkcs8(&self) -> &Zeroizing<Vec<u8>> {
        &self.document
    }

    /// Its public half.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// Sign `message` (the JWS signing input), giving the raw JWS signature (R || S for ES256).
    ///
    /// # Errors
    /// [`KeyError`] if the library refuses.
    pub fn sign(&self, message: &[u8], rng: &dyn SecureRandom) -> Result<Vec<u8>, KeyError> {
        match &self.pair {
            Pair::Es256(pair) => pair.sign(rng, message).map(|signature| signature.as_ref().to_vec()),
            Pair::EdDsa(pair) => pair.try_sign(message).map(|signature| signature.as_ref().to_vec()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, rng, message, &mut signature).map(|()| signature)
            }
        }
        .map_err(|_| KeyError)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.public.algorithm().name(), self.public.kid())
    }
}

/// A key that verifies. Parsed once; a clone shares it.
#[derive(Clone)]
pub struct VerifyingKey(Arc<Verifier>);

struct Verifier {
    kid: Box<str>,
    public: PublicKey,
    parsed: ParsedPublicKey,
}

impl VerifyingKey {
    fn new(public: PublicKey) -> Result<Self, KeyError> {
        let parsed = public.parse()?;
        Ok(Self(Arc::new(Verifier { kid: public.thumbprint().into(), public, parsed })))
    }

    /// Its RFC 7638 SHA-256 thumbprint, base64url: 43 characters.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.0.kid
    }

    /// Its one algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.public.algorithm()
    }

    /// The public JWK, with `kid`, `alg` and `use`.
    #[must_use]
    pub fn to_jwk(&self) -> serde_json::Value {
        self.0.public.to_jwk(self.kid())
    }

    /// Read a public JWK: P-256, Ed25519, or RSA of 2048 to 8192 bits. A `kid` in it is not read: the id of a key is
    /// its thumbprint, so no two keys can claim one id.
    ///
    /// ```
    /// use keyfob_core::signing_key::{Algorithm, VerifyingKey};
    ///
    /// // RFC 8037 appendix A.2 and A.3.
    /// let mut jwk = serde_json::json!({
    ///     "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    /// });
    /// let key = VerifyingKey::from_jwk(&jwk)?;
    /// assert_eq!(key.algorithm(), Algorithm::EdDsa);
    /// assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    ///
    /// jwk["alg"] = "HS256".into();
    /// assert!(VerifyingKey::from_jwk(&jwk).is_err());
    /// # Ok::<(), keyfob_core::signing_key::KeyError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError`] if it is not one of the three kinds, carries a private member, is not meant for signatures, or
    /// its `alg` contradicts its type.
    pub fn from_jwk(jwk: &serde_json::Value) -> Result<Self, KeyError> {
        Self::new(PublicKey::from_jwk(jwk)?)
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({} {})", self.algorithm().name(), self.kid())
    }
}

/// The keys a verifier trusts, found by exact `kid` only.
#[derive(Clone, Debug, Default)]
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
