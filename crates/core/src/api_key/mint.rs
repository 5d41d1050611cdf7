//! Makes API keys and knows its own (HMAC-SHA-256, RFC 2104, truncated as its §5 allows): four of a key's 24 bytes are a
//! keyed tag over the other twenty, so an invented key costs no look into a store. The tag only keeps invented keys
//! cheap; a key is believed because a store knows its digest, never because of its tag.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{self, HMAC_SHA256};

use crate::opaque::{Kind, Opaque, RANDOM_BYTES};

/// Random bytes in an API key: 160 bits.
pub const MINT_RANDOM_BYTES: usize = 20;
/// Bytes of the tag: a guess succeeds once in 2^32, and then buys one read of a store.
const TAG_BYTES: usize = RANDOM_BYTES - MINT_RANDOM_BYTES;

/// Makes API keys, and tells those that this installation made from invented ones.
#[derive(Clone)]
pub struct Mint {
    key: hmac::Key,
}

impl Mint {
    /// A mint with a 32-byte key derived from the root key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(HMAC_SHA256, key) }
    }

    /// A new API key from fresh randomness.
    ///
    /// ```
    /// use keyfob_core::api_key::Mint;
    /// use keyfob_core::opaque::{Kind, Opaque};
    ///
    /// let mint = Mint::new(&[1; 32]);
    /// let key = mint.make(&[7; 20]);
    /// assert!(key.expose().starts_with("fob_key_"));
    /// assert!(mint.made(&key));
    /// assert!(!mint.made(&Opaque::new(Kind::ApiKey, &[7; 24]))); // well-formed, and invented
    /// ```
    #[must_use]
    pub fn make(&self, random: &[u8; MINT_RANDOM_BYTES]) -> Opaque {
        let mut bytes = zeroize::Zeroizing::new([0; RANDOM_BYTES]);
        bytes[..MINT_RANDOM_BYTES].copy_from_slice(random);
        bytes[MINT_RANDOM_BYTES..].copy_from_slice(&self.tag(random));
        Opaque::new(Kind::ApiKey, &bytes)
    }

    /// Whether `presented` is an API key of this installation's making. Constant time in the tag.
    #[must_use]
    pub fn made(&self, presented: &Opaque) -> bool {
        let random = presented.random();
        let Some((random, tag)) = random.split_at_checked(MINT_RANDOM_BYTES) else { return false };
        presented.kind() == Kind::ApiKey && verify_slices_are_equal(&self.tag(random), tag).is_ok()
    }

    fn tag(&self, random: &[u8]) -> [u8; TAG_BYTES] {
        let full = hmac::sign(&self.key, random);
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&full.as_ref()[..TAG_BYTES]);
        tag
    }
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mint(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mint_knows_its_own_keys_and_no_others() {
        let mint = Mint::new(&[1; 32]);
        for byte in 0..=u8::MAX {
            let key = mint.make(&[byte; MINT_RANDOM_BYTES]);
            assert!(mint.made(&Opaque::parse(key.expose()).expect("well-formed")));
            assert!(!Mint::new(&[2; 32]).made(&key), "another installation's");
            assert!(!mint.made(&Opaque::new(Kind::ApiKey, &[byte; RANDOM_BYTES])), "invented");
        }
    }

    #[test]
    fn a_key_is_not_known_as_another_kind_of_secret() {
        let mint = Mint::new(&[1; 32]);
        let bytes = mint.make(&[5; MINT_RANDOM_BYTES]).random();
        assert!(!mint.made(&Opaque::new(Kind::Client, &bytes)));
        assert!(mint.made(&Opaque::new(Kind::ApiKey, &bytes)));
    }
}
