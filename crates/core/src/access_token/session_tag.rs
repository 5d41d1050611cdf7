//! The keyed tag on session ids (HMAC-SHA-256, RFC 2104, truncated as its §5 allows). It only keeps invented sessions
//! cheap; it never replaces the signature, and a session is never believed because of it.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::id::SessionId;

/// Bytes of a session id.
const ID_BYTES: usize = 16;
/// Bytes of its tag: a guess succeeds once in 2^64, and then buys one signature check.
const TAG_BYTES: usize = 8;
/// Characters of a `sid`: 24 bytes in base64url, so it has neither padding nor spare bits.
const SID_CHARS: usize = 32;

/// Keyed tag on session ids, so that an invented session costs no signature check and no store read.
#[derive(Clone)]
pub struct SessionTagger {
    key: hmac::Key,
}

impl SessionTagger {
    /// A tagger with a 32-byte key derived from the root key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(HMAC_SHA256, key) }
    }

    /// The `sid` text for a session: base64url of its 16 bytes and an 8-byte HMAC-SHA-256 tag, 32 characters.
    #[must_use]
    pub fn seal(&self, session: SessionId) -> String {
        let id = session.to_bytes();
        let mut sealed = [0; ID_BYTES + TAG_BYTES];
        sealed[..ID_BYTES].copy_from_slice(&id);
        sealed[ID_BYTES..].copy_from_slice(&self.tag(&id));
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The session that `sid` names, if this installation made it. Constant time in the tag.
    #[must_use]
    pub fn open(&self, sid: &str) -> Option<SessionId> {
        let (id, tag) = split(sid)?;
        verify_slices_are_equal(&self.tag(&id), &tag).ok()?;
        Some(SessionId::from_bytes(id))
    }

    fn tag(&self, id: &[u8; ID_BYTES]) -> [u8; TAG_BYTES] {
        let full = hmac::sign(&self.key, id);
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&full.as_ref()[..TAG_BYTES]);
        tag
    }
}

/// The session that `sid` names, its tag unread: for those who have no key to it, and believe the signature.
pub(super) fn unopened(sid: &str) -> Option<SessionId> {
    split(sid).map(|(id, _)| SessionId::from_bytes(id))
}

/// Id and tag.
fn split(sid: &str) -> Option<([u8; ID_BYTES], [u8; TAG_BYTES])> {
    if sid.len() != SID_CHARS {
        return None;
    }
    let mut sealed = [0; ID_BYTES + TAG_BYTES];
    let length = URL_SAFE_NO_PAD.decode_slice(sid, &mut sealed).ok()?;
    let (id, tag) = sealed.get(..length)?.split_at_checked(ID_BYTES)?;
    Some((id.try_into().ok()?, tag.try_into().ok()?))
}

impl fmt::Debug for SessionTagger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionTagger(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> SessionId {
        SessionId::from_bytes([7; 16])
    }

    #[test]
    fn a_sealed_session_opens_with_the_same_key_only() {
        let sid = SessionTagger::new(&[1; 32]).seal(session());
        assert_eq!(sid.len(), SID_CHARS);
        assert_eq!(SessionTagger::new(&[1; 32]).open(&sid), Some(session()));
        assert_eq!(SessionTagger::new(&[2; 32]).open(&sid), None);
    }

    #[test]
    fn every_changed_character_keeps_a_session_closed() {
        let tagger = SessionTagger::new(&[1; 32]);
        let sid = tagger.seal(session());
        for at in 0..sid.len() {
            for other in ["A", "B", "-", "=", "~", "\0"].into_iter().filter(|&other| other != &sid[at..=at]) {
                let changed = format!("{}{other}{}", &sid[..at], &sid[at + 1..]);
                assert_eq!(tagger.open(&changed), None, "{changed}");
            }
        }
    }

    #[test]
    fn a_text_of_another_length_does_not_open() {
        let tagger = SessionTagger::new(&[1; 32]);
        let sid = tagger.seal(session());
        for other in ["", &sid[..31], &sid[1..], &format!("{sid}A"), &format!("{sid}=")] {
            assert_eq!(tagger.open(other), None, "{other}");
        }
    }

    #[test]
    fn the_tag_is_the_head_of_hmac_sha_256() {
        // Computed apart: HMAC-SHA-256 with key 32 x 01 over 16 x 07.
        let sealed = URL_SAFE_NO_PAD.decode(SessionTagger::new(&[1; 32]).seal(session())).unwrap();
        assert_eq!(sealed[..ID_BYTES], [7; 16]);
        assert_eq!(sealed[ID_BYTES..], [0xfa, 0x74, 0x70, 0xd8, 0x81, 0x91, 0xed, 0x1f]);
    }
}
