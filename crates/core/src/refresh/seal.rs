//! A successor, sealed for its predecessor: AES-256-GCM (SP 800-38D) under a key that HKDF-SHA-256 (RFC 5869) derives from
//! the predecessor's text. A store has only digests of those, so a stolen store opens nothing.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use crate::opaque::{Kind, Opaque, RANDOM_BYTES};

/// Random bytes that sealing takes.
pub const NONCE_BYTES: usize = NONCE_LEN;
const TAG_BYTES: usize = 16;
/// Bytes of a sealed successor: nonce, the random bytes of the token, tag.
pub const SEALED_BYTES: usize = NONCE_BYTES + RANDOM_BYTES + TAG_BYTES;

/// A successor that only its predecessor opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(pub [u8; SEALED_BYTES]);

/// Seal `successor` for `predecessor`. `nonce` is fresh randomness: a key seals once, but of two uses at once each seals
/// its own successor before one wins. `None` if the cipher fails, which it has no reason to.
///
/// ```
/// use keyfob_core::opaque::{Kind, Opaque};
/// use keyfob_core::refresh::{seal, unseal};
///
/// let [first, second] = [1, 2].map(|byte| Opaque::new(Kind::Refresh, &[byte; 24]));
/// let sealed = seal(&first, &second, &[3; 12]).unwrap();
/// assert_eq!(unseal(&first, &sealed).unwrap().expose(), second.expose());
/// assert!(unseal(&second, &sealed).is_none());
/// ```
#[must_use]
pub fn seal(predecessor: &Opaque, successor: &Opaque, nonce: &[u8; NONCE_BYTES]) -> Option<Sealed> {
    let mut text = successor.random();
    let digest = predecessor.digest();
    let tag = key(predecessor)?
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(*nonce), Aad::from(digest.0), text.as_mut())
        .ok()?;
    let mut sealed = [0; SEALED_BYTES];
    sealed[..NONCE_BYTES].copy_from_slice(nonce);
    sealed[NONCE_BYTES..NONCE_BYTES + RANDOM_BYTES].copy_from_slice(text.as_ref());
    sealed[NONCE_BYTES + RANDOM_BYTES..].copy_from_slice(tag.as_ref());
    Some(Sealed(sealed))
}

/// Open what was sealed for `predecessor`; `None` if it was sealed for another, or altered. See [`seal`] for an example.
#[must_use]
pub fn unseal(predecessor: &Opaque, sealed: &Sealed) -> Option<Opaque> {
    let (nonce, rest) = sealed.0.split_at(NONCE_BYTES);
    let mut buffer = Zeroizing::new([0; RANDOM_BYTES + TAG_BYTES]);
    buffer.copy_from_slice(rest);
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let opened = key(predecessor)?.open_in_place(nonce, Aad::from(predecessor.digest().0), buffer.as_mut()).ok()?;
    let mut random = Zeroizing::new([0; RANDOM_BYTES]);
    (opened.len() == RANDOM_BYTES).then(|| random.copy_from_slice(opened))?;
    Some(Opaque::new(Kind::Refresh, &random))
}

fn key(predecessor: &Opaque) -> Option<LessSafeKey> {
    let derived = Salt::new(HKDF_SHA256, b"keyfob refresh").extract(predecessor.expose().as_bytes());
    let key = derived.expand(&[b"successor"], &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}
