//! Opaque secrets: refresh tokens, API keys, client secrets. 192 random bits and a CRC-32, in base64url behind a prefix
//! that says what it is and that a scanner finds in leaked text (RFC 6750 §2.1: every one is a `b64token`).
//!
//! The checksum tells a typing error from a guess without a look into the store; it protects nothing. A store keeps
//! [`Digest`]s only: with this much randomness, a plain SHA-256 cannot be searched.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Random bytes in a secret.
pub const RANDOM_BYTES: usize = 24;
const CHECKSUM_BYTES: usize = 4;
/// Characters behind the prefix.
const TEXT_LENGTH: usize = ((RANDOM_BYTES + CHECKSUM_BYTES) * 8).div_ceil(6);

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A refresh token (RFC 6749 §1.5): `fob_ref_…`.
    Refresh,
    /// An API key of a user: `fob_key_…`.
    ApiKey,
    /// The secret of a registered client (RFC 6749 §2.3.1): `fob_sec_…`.
    Client,
}

impl Kind {
    /// What its secrets begin with.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Refresh => "fob_ref_",
            Self::ApiKey => "fob_key_",
            Self::Client => "fob_sec_",
        }
    }
}

/// SHA-256 of a secret's text: what a store keeps and finds it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

/// A well-formed opaque secret: the right prefix, length and checksum. Whether it is known is the store's to say.
#[derive(Clone, Debug)]
pub struct Opaque {
    kind: Kind,
    text: Secret,
}

impl Opaque {
    /// Make one from fresh randomness.
    ///
    /// ```
    /// use keyfob_core::opaque::{Kind, Opaque};
    ///
    /// let key = Opaque::new(Kind::ApiKey, &[7; 24]);
    /// assert!(key.expose().starts_with("fob_key_"));
    /// assert_eq!(Opaque::parse(key.expose()).map(|key| key.kind()), Some(Kind::ApiKey));
    /// ```
    #[must_use]
    pub fn new(kind: Kind, random: &[u8; RANDOM_BYTES]) -> Self {
        let mut bytes = Zeroizing::new([0; RANDOM_BYTES + CHECKSUM_BYTES]);
        bytes[..RANDOM_BYTES].copy_from_slice(random);
        bytes[RANDOM_BYTES..].copy_from_slice(&checksum(kind, random));
        let mut text = String::with_capacity(kind.prefix().len() + TEXT_LENGTH);
        text.push_str(kind.prefix());
        URL_SAFE_NO_PAD.encode_string(bytes.as_ref(), &mut text);
        Self { kind, text: Secret::new(text) }
    }

    /// Read one. `None`: no secret of ours, or mistyped.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let kind =
            [Kind::Refresh, Kind::ApiKey, Kind::Client].into_iter().find(|kind| text.starts_with(kind.prefix()))?;
        let encoded = &text[kind.prefix().len()..];
        let mut bytes = Zeroizing::new([0; RANDOM_BYTES + CHECKSUM_BYTES]);
        let read = URL_SAFE_NO_PAD.decode_slice(encoded, bytes.as_mut()).ok()?;
        let (random, sum) = bytes.split_at(RANDOM_BYTES);
        let whole = read == RANDOM_BYTES + CHECKSUM_BYTES && sum == checksum(kind, random);
        whole.then(|| Self { kind, text: Secret::new(text.to_owned()) })
    }

    /// Read one of this kind. `None`: another kind, no secret of ours, or mistyped.
    #[must_use]
    pub fn parse_as(kind: Kind, text: &str) -> Option<Self> {
        Self::parse(text).filter(|secret| secret.kind == kind)
    }

    /// What it is for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The secret itself, to be shown to its owner once. Every call is a place to check in review.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// The random bytes that it was made from.
    pub(crate) fn random(&self) -> Zeroizing<[u8; RANDOM_BYTES]> {
        let mut bytes = Zeroizing::new([0; RANDOM_BYTES + CHECKSUM_BYTES]);
        let mut random = Zeroizing::new([0; RANDOM_BYTES]);
        if URL_SAFE_NO_PAD.decode_slice(&self.expose()[self.kind.prefix().len()..], bytes.as_mut()).is_ok() {
            random.copy_from_slice(&bytes[..RANDOM_BYTES]);
        }
        random
    }

    /// What a store knows it by.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut out = [0; 32];
        out.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.expose().as_bytes()).as_ref());
        Digest(out)
    }
}

fn checksum(kind: Kind, random: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(kind.prefix().as_bytes());
    sum.update(random);
    sum.finalize().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_back_and_keeps_its_kind() {
        for kind in [Kind::Refresh, Kind::ApiKey, Kind::Client] {
            for byte in 0..=u8::MAX {
                let made = Opaque::new(kind, &[byte; RANDOM_BYTES]);
                assert_eq!(made.expose().len(), kind.prefix().len() + TEXT_LENGTH);
                let read = Opaque::parse(made.expose()).expect("well-formed");
                assert_eq!((read.kind(), read.digest()), (kind, made.digest()));
            }
        }
    }

    #[test]
    fn one_changed_character_is_noticed() {
        let made = Opaque::new(Kind::Refresh, &[0x5A; RANDOM_BYTES]);
        for place in 0..made.expose().len() {
            let mut text = made.expose().to_owned().into_bytes();
            text[place] = if text[place] == b'A' { b'B' } else { b'A' };
            assert!(Opaque::parse(std::str::from_utf8(&text).expect("ASCII")).is_none(), "changed at {place}");
        }
        for text in ["", "fob_ref_", "fob_ref_AAAA", &format!("{}A", made.expose()), &format!(" {}", made.expose())] {
            assert!(Opaque::parse(text).is_none(), "{text:?}");
        }
        let other = made.expose().replace("fob_ref_", "fob_key_");
        assert!(Opaque::parse(&other).is_none(), "the checksum covers the prefix");
    }

    #[test]
    fn debug_shows_no_secret() {
        let made = Opaque::new(Kind::Client, &[1; RANDOM_BYTES]);
        assert!(!format!("{made:?}").contains(made.expose()));
    }
}
