//! RFC 9068 §2.2 claims as JSON (RFC 7519 §4). Each claim has one JSON type, an absent one is an error and never a
//! default, a doubled member is refused whether it is known or not (RFC 7519 §4 leaves the choice; two readers that
//! choose differently are an attack). Unknown claims are skipped. Never compares a claim with anything.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use super::jws::Text;
use crate::id::{TokenId, UserId};

/// Most audiences that one token may list: RFC 9068 §3 expects one resource, some issuers list a few.
const AUDIENCES_MAX: usize = 16;
/// Most unknown claims that are skipped: beyond the registered ones there are never dozens.
const UNKNOWN_CLAIMS_MAX: usize = 32;
/// Largest `NumericDate`: beyond 2^53 JSON numbers are no longer exact (RFC 8259 §6).
const NUMERIC_DATE_MAX: u64 = 1 << 53;

/// What [`super::Profile::sign`] writes.
#[derive(Serialize)]
pub(super) struct Written<'a> {
    pub(super) iss: &'a str,
    pub(super) aud: &'a str,
    pub(super) sub: UserId,
    pub(super) client_id: &'a str,
    pub(super) exp: i64,
    pub(super) iat: i64,
    pub(super) jti: TokenId,
    pub(super) sid: &'a str,
    #[serde(serialize_with = "displayed")]
    pub(super) scope: &'a crate::scope::Scope,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) narrowed: bool,
    pub(super) inc: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rev: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_false(value: &bool) -> bool {
    !value
}

fn displayed<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// What a token says, of the right types and nothing more.
pub(super) struct Read<'a> {
    pub(super) iss: Text<'a>,
    pub(super) aud: Audiences<'a>,
    pub(super) sub: Text<'a>,
    pub(super) client_id: Text<'a>,
    pub(super) exp: NumericDate,
    pub(super) iat: NumericDate,
    pub(super) nbf: Option<NumericDate>,
    pub(super) jti: Text<'a>,
    pub(super) sid: Text<'a>,
    pub(super) scope: Text<'a>,
    pub(super) narrowed: Option<bool>,
    pub(super) inc: Text<'a>,
    pub(super) rev: Option<NumericDate>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Read<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReadVisitor)
    }
}

struct ReadVisitor;

impl<'de> Visitor<'de> for ReadVisitor {
    type Value = Read<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims of an access token")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let (mut iss, mut aud, mut sub, mut client_id) = (None, None, None, None);
        let (mut exp, mut iat, mut nbf) = (None, None, None);
        let (mut jti, mut sid, mut scope, mut narrowed, mut inc, mut rev) = (None, None, None, None, None, None);
        let mut unknown: Vec<Text<'de>> = Vec::new();
        while let Some(name) = map.next_key::<Text<'de>>()? {
            match &*name.0 {
                "iss" => once(&mut iss, &mut map)?,
                "aud" => once(&mut aud, &mut map)?,
                "sub" => once(&mut sub, &mut map)?,
                "client_id" => once(&mut client_id, &mut map)?,
                "exp" => once(&mut exp, &mut map)?,
                "iat" => once(&mut iat, &mut map)?,
                "nbf" => once(&mut nbf, &mut map)?,
                "jti" => once(&mut jti, &mut map)?,
                "sid" => once(&mut sid, &mut map)?,
                "scope" => once(&mut scope, &mut map)?,
                "narrowed" => once(&mut narrowed, &mut map)?,
                "inc" => once(&mut inc, &mut map)?,
                "rev" => once(&mut rev, &mut map)?,
                _ if unknown.len() == UNKNOWN_CLAIMS_MAX => return Err(Error::custom("too many claims")),
                _ if unknown.iter().any(|seen| seen.0 == name.0) => return Err(Error::custom("a claim is doubled")),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    unknown.push(name);
                }
            }
        }
        Ok(Read {
            iss: present(iss)?,
            aud: present(aud)?,
            sub: present(sub)?,
            client_id: present(client_id)?,
            exp: present(exp)?,
            iat: present(iat)?,
            nbf,
            jti: present(jti)?,
            sid: present(sid)?,
            scope: present(scope)?,
            narrowed,
            inc: present(inc)?,
            rev,
        })
    }
}

fn once<'de, T: Deserialize<'de>, M: MapAccess<'de>>(slot: &mut Option<T>, map: &mut M) -> Result<(), M::Error> {
    if slot.is_some() {
        return Err(Error::custom("a claim is doubled"));
    }
    *slot = Some(map.next_value()?);
    Ok(())
}

fn present<T, E: Error>(slot: Option<T>) -> Result<T, E> {
    slot.ok_or_else(|| E::custom("a claim is missing"))
}

/// RFC 7519 §2 `NumericDate`, whole seconds since the epoch. RFC 7519 allows fractions; ours never have any.
#[derive(Clone, Copy)]
pub(super) struct NumericDate(pub(super) i64);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumericDateVisitor;

        impl Visitor<'_> for NumericDateVisitor {
            type Value = NumericDate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("whole seconds since the epoch")
            }

            // Negative numbers and fractions come by other methods, whose answer is an error.
            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Self::Value, E> {
                if seconds > NUMERIC_DATE_MAX {
                    return Err(E::custom("a time is too large"));
                }
                i64::try_from(seconds).map(NumericDate).map_err(E::custom)
            }
        }

        deserializer.deserialize_u64(NumericDateVisitor)
    }
}

/// RFC 7519 §4.1.3 `aud`: one string, or an array of them.
pub(super) struct Audiences<'a>(Vec<Text<'a>>);

impl Audiences<'_> {
    pub(super) fn contains(&self, audience: &str) -> bool {
        self.0.iter().any(|listed| listed.0 == audience)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Audiences<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AudiencesVisitor;

        impl<'de> Visitor<'de> for AudiencesVisitor {
            type Value = Audiences<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Audiences(vec![Text(text.into())]))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Audiences(vec![Text(text.to_owned().into())]))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
                let mut audiences = Vec::new();
                while let Some(audience) = seq.next_element()? {
                    if audiences.len() == AUDIENCES_MAX {
                        return Err(Error::custom("too many audiences"));
                    }
                    audiences.push(audience);
                }
                Ok(Audiences(audiences))
            }
        }

        deserializer.deserialize_any(AudiencesVisitor)
    }
}
