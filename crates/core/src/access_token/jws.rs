//! RFC 7515 §7.1 compact serialisation, and no other: three parts of canonical base64url (RFC 4648 §3.5: spare bits
//! are zero; RFC 7515 §2: no padding). Written here rather than taken from a JWT library because those ignore `crit`
//! and `typ`, decode leniently, and parse the key again for each token. Never interprets what the parts say, apart
//! from the header. Allocates no more than the token is long.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::Flaw;
use crate::bearer::TOKEN_BYTES_MAX;
use crate::signing_key::VerifyingKey;

/// A compact JWS, decoded and not judged.
pub(super) struct Compact<'t> {
    /// What is signed: the first two parts as they were sent.
    pub(super) signing_input: &'t str,
    pub(super) header: Vec<u8>,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl<'t> Compact<'t> {
    pub(super) fn split(token: &'t str) -> Result<Self, Flaw> {
        // Before the first look inside: splitting a megabyte of dots is work that nobody signed for.
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Flaw::Shape);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(Flaw::Shape)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Flaw::Shape)?;
        // A fourth part leaves a dot in the payload, which is not base64url.
        Ok(Self { signing_input, header: part(header)?, payload: part(payload)?, signature: part(signature)? })
    }
}

fn part(text: &str) -> Result<Vec<u8>, Flaw> {
    if text.is_empty() {
        return Err(Flaw::Shape);
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Flaw::Shape)
}

/// The JOSE header of an access token: these three members and no other. `crit`, `b64` and `zip` would change what
/// the signature means; `jku`, `jwk`, `x5u` and `x5c` offer a key, and keys come from the key set alone
/// (RFC 8725 §3.10). None of them is ever in a token of ours.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header<'h> {
    #[serde(borrow)]
    alg: Text<'h>,
    #[serde(borrow)]
    typ: Text<'h>,
    #[serde(borrow)]
    pub(super) kid: Text<'h>,
}

impl<'h> Header<'h> {
    pub(super) fn read(json: &'h [u8]) -> Result<Self, Flaw> {
        let header: Self = object(json).ok_or(Flaw::Header)?;
        // RFC 9068 §4 and RFC 7515 §4.1.9: a media type, so without regard to case, `application/` may be left out.
        let typ = &*header.typ.0;
        if typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt") {
            Ok(header)
        } else {
            Err(Flaw::Header)
        }
    }

    /// Whether it names the one algorithm of `key` (RFC 8725 §3.1).
    pub(super) fn is_for(&self, key: &VerifyingKey) -> bool {
        self.alg.0 == key.algorithm().name()
    }

    /// The header that [`Header::read`] accepts, for a token signed with `key`.
    pub(super) fn json(key: &VerifyingKey) -> String {
        // Nothing in it needs escaping: `kid` is base64url.
        format!(r#"{{"alg":"{}","typ":"at+jwt","kid":"{}"}}"#, key.algorithm().name(), key.kid())
    }
}

/// Read a JSON object, all of `json` and nothing after it. Doubled members are for the target's own reading to refuse.
pub(super) fn object<'j, T: Deserialize<'j>>(json: &'j [u8]) -> Option<T> {
    // serde also reads a struct from an array; a JOSE header and a claims set are objects.
    if json.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    // RFC 8259 §8.1: UTF-8, in the members that are skipped as well.
    serde_json::from_str(std::str::from_utf8(json).ok()?).ok()
}

/// A JSON string, borrowed where it holds no escape.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}
