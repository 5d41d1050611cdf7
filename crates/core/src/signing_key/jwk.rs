//! RFC 7517 public keys of the three kinds (RFC 7518 §6, RFC 8037 §2) and their RFC 7638 thumbprints. A value of
//! [`PublicKey`] has the right lengths; that it is a usable key is for [`PublicKey::parse`] to find. Never holds or
//! reads a private member.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Algorithm, KeyError};

/// Shortest RSA modulus that is accepted, in bits (RFC 7518 §3.3: "2048 bits or larger MUST be used").
const RSA_BITS_MIN: usize = 2048;
/// Longest RSA modulus that is accepted, in bits: the most that aws-lc-rs verifies with.
const RSA_BITS_MAX: usize = 8192;

/// RFC 7518 §6.2.2, §6.3.2, §6.4.1: members that only a private or symmetric key has.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The encodings of the eight points of small order on edwards25519, sign bit cleared. Under such a key a signature
/// over one message holds for others too, and anybody can make one, so it is no key at all.
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// A public key as its JWK members, big-endian and without leading zeros where RFC 7518 says so.
pub(super) enum PublicKey {
    Es256 { x: [u8; 32], y: [u8; 32] },
    EdDsa { x: [u8; 32] },
    Rs256 { n: Box<[u8]>, e: Box<[u8]> },
}

impl PublicKey {
    /// From an uncompressed SEC 1 point: `0x04 || x || y`.
    pub(super) fn es256(point: &[u8]) -> Result<Self, KeyError> {
        let (x, y) = point.strip_prefix(&[4]).and_then(|point| point.split_at_checked(32)).ok_or(KeyError)?;
        Ok(Self::Es256 { x: x.try_into().map_err(|_| KeyError)?, y: y.try_into().map_err(|_| KeyError)? })
    }

    /// From the 32 bytes of RFC 8032 §5.1.5.
    pub(super) fn eddsa(x: &[u8]) -> Result<Self, KeyError> {
        let x: [u8; 32] = x.try_into().map_err(|_| KeyError)?;
        if is_small_order(x) { Err(KeyError) } else { Ok(Self::EdDsa { x }) }
    }

    /// From modulus and exponent, big-endian, without leading zeros (RFC 7518 §6.3.1).
    pub(super) fn rs256(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let leading_zeros = n.first().filter(|&&byte| byte != 0).ok_or(KeyError)?.leading_zeros();
        let bits = n.len() * 8 - leading_zeros as usize;
        if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
            return Err(KeyError);
        }
        Ok(Self::Rs256 { n: n.into(), e: e.into() })
    }

    /// From the `RSAPublicKey` of RFC 8017 §A.1.1, as aws-lc-rs writes it. The library would hand out the two numbers
    /// itself with a feature that brings a second version of another crate; its own DER needs no more than this.
    pub(super) fn rs256_from_der(der: &[u8]) -> Result<Self, KeyError> {
        let (sequence, _) = der_element(0x30, der).ok_or(KeyError)?;
        let (n, rest) = der_element(0x02, sequence).ok_or(KeyError)?;
        let (e, _) = der_element(0x02, rest).ok_or(KeyError)?;
        // A DER INTEGER is signed: one zero byte goes before a number whose first bit is set.
        let unsigned = |integer: &[u8]| integer.strip_prefix(&[0]).unwrap_or(integer).to_vec();
        Self::rs256(&unsigned(n), &unsigned(e))
    }

    pub(super) fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        let jwk = jwk.as_object().ok_or(KeyError)?;
        if PRIVATE_MEMBERS.iter().any(|&name| jwk.contains_key(name)) {
            return Err(KeyError);
        }
        let text = |name| jwk.get(name).and_then(Value::as_str).ok_or(KeyError);
        let bytes = |name| URL_SAFE_NO_PAD.decode(text(name)?).map_err(|_| KeyError);
        let key = match (text("kty")?, text("crv")) {
            ("EC", Ok("P-256")) => Self::es256(&[&[4], &*bytes("x")?, &*bytes("y")?].concat())?,
            ("OKP", Ok("Ed25519")) => Self::eddsa(&bytes("x")?)?,
            ("RSA", Err(_)) => Self::rs256(&bytes("n")?, &bytes("e")?)?,
            _ => return Err(KeyError),
        };
        // RFC 7517 §4.2, §4.3: a key published for something else must not verify a token.
        let allowed = jwk.get("alg").is_none_or(|alg| alg == key.algorithm().name())
            && jwk.get("use").is_none_or(|usage| usage == "sig")
            && jwk
                .get("key_ops")
                .is_none_or(|ops| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify")));
        if allowed { Ok(key) } else { Err(KeyError) }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Es256 { .. } => Algorithm::Es256,
            Self::EdDsa { .. } => Algorithm::EdDsa,
            Self::Rs256 { .. } => Algorithm::Rs256,
        }
    }

    /// The library's key, checked: on its curve, or a modulus and exponent that can be RSA's.
    pub(super) fn parse(&self) -> Result<ParsedPublicKey, KeyError> {
        match self {
            Self::Es256 { x, y } => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], &x[..], &y[..]].concat()),
            Self::EdDsa { x } => ParsedPublicKey::new(&ED25519, x),
            // Built from components a key is not checked before its first use; read back from DER it is.
            Self::Rs256 { n, e } => RsaPublicKeyComponents { n, e }
                .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
                .and_then(|built| ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, built.as_ref())),
        }
        .map_err(|_| KeyError)
    }

    /// RFC 7638 §3: SHA-256 of the required members, in the order of their names, without white space.
    pub(super) fn thumbprint(&self) -> String {
        let text = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        let members = match self {
            Self::Es256 { x, y } => format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, text(&x[..]), text(y)),
            Self::EdDsa { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x)),
            Self::Rs256 { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n)),
        };
        URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
    }

    pub(super) fn to_jwk(&self, kid: &str) -> Value {
        let text = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        let alg = self.algorithm().name();
        match self {
            Self::Es256 { x, y } => {
                json!({ "kty": "EC", "crv": "P-256", "x": text(&x[..]), "y": text(y), "kid": kid, "alg": alg, "use": "sig" })
            }
            Self::EdDsa { x } => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(&x[..]), "kid": kid, "alg": alg, "use": "sig" })
            }
            Self::Rs256 { n, e } => {
                json!({ "kty": "RSA", "n": text(&n[..]), "e": text(e), "kid": kid, "alg": alg, "use": "sig" })
            }
        }
    }
}

/// The contents of the first DER element, if it has that tag, and what follows it.
fn der_element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match der.strip_prefix(&[tag])? {
        [length @ 0..=0x7f, rest @ ..] | [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn is_small_order(mut x: [u8; 32]) -> bool {
    x[31] &= 0x7f;
    let hex = x.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    SMALL_ORDER.contains(&hex.as_str())
}
