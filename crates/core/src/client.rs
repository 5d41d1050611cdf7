//! A client (RFC 6749 §2): a registered program with an id and a secret of its own. As a service account it acts for
//! itself (§4.4), with its own scopes and no user; as a resource server it asks about tokens (RFC 7662). Never holds a
//! secret, only its digest.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::{ClientId, SessionId};
use crate::opaque::Digest;
use crate::scope::{Scope, is_scope_token};
use crate::time::Timestamp;

/// Longest client name, in bytes: one column of a terminal.
const NAME_BYTES_MAX: usize = 64;

/// What operators call a client: 1 to 64 visible ASCII characters (those of a scope-token), never one that parses as a
/// UUID, because that is how client ids look.
///
/// ```
/// use keyfob_core::client::ClientName;
///
/// assert_eq!(ClientName::parse("nightly-report")?.as_str(), "nightly-report");
/// assert!(ClientName::parse("nightly report").is_err());
/// assert!(ClientName::parse("0193a1f0-0000-7000-8000-000000000000").is_err());
/// # Ok::<(), keyfob_core::client::NotAClientName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientName(String);

/// A text that is no client name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client name has 1 to 64 visible ASCII characters, without spaces, quotes or backslashes, and is no UUID")]
pub struct NotAClientName;

impl ClientName {
    /// The client name `raw`.
    ///
    /// # Errors
    /// [`NotAClientName`].
    pub fn parse(raw: &str) -> Result<Self, NotAClientName> {
        let ok = raw.len() <= NAME_BYTES_MAX && is_scope_token(raw) && uuid::Uuid::try_parse(raw).is_err();
        if ok { Ok(Self(raw.to_owned())) } else { Err(NotAClientName) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ClientName {
    type Error = NotAClientName;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        Self::parse(&raw)
    }
}

impl From<ClientName> for String {
    fn from(name: ClientName) -> Self {
        name.0
    }
}

/// Whether a client may authenticate and its tokens are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientStatus {
    /// May.
    Active,
    /// May not, until resumed.
    Suspended,
}

/// What a guard must know of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its id, never reused: `client_id`, and `sub` of the tokens it gets for itself (RFC 9068 §2.2).
    pub id: ClientId,
    /// What operators call it.
    pub name: ClientName,
    /// What it may have for itself.
    pub scope: Scope,
    /// Whether it may do anything.
    pub status: ClientStatus,
    /// The one session of a service account, the `sid` of its tokens. Another one takes its place when the secret is
    /// rotated or the client suspended: everything minted from it dies with it.
    pub session: SessionId,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A client with its secret's digest, and the header values that name it to the API behind. It has no `X-Auth-User` and
/// no roles.
#[derive(Clone, Debug)]
pub struct KnownClient {
    /// The client.
    pub client: Client,
    /// `X-Auth-Subject`: the client id.
    pub subject_header: Bytes,
    /// Its scopes as text, for `X-Auth-Scope`.
    pub scope_text: Bytes,
    secret: Digest,
}

impl KnownClient {
    /// What a guard keeps of a client.
    #[must_use]
    pub fn new(client: Client, secret: Digest) -> Self {
        let (subject_header, scope_text) = (client.id.to_string().into(), client.scope.to_string().into());
        Self { client, subject_header, scope_text, secret }
    }

    /// Whether `presented` is the digest of its secret, and it may authenticate at all. The digests are
    /// compared in constant time.
    ///
    /// ```
    /// use keyfob_core::client::{Client, ClientName, ClientStatus, KnownClient};
    /// use keyfob_core::id::{ClientId, SessionId};
    /// use keyfob_core::opaque::{Kind, Opaque};
    /// use keyfob_core::scope::Scope;
    /// use keyfob_core::time::Timestamp;
    ///
    /// let now = Timestamp::from_seconds(1_800_000_000);
    /// let secret = Opaque::new(Kind::Client, &[1; 24]);
    /// let client = Client {
    ///     id: ClientId::new(now, &[2; 10]),
    ///     name: ClientName::parse("nightly-report")?,
    ///     scope: Scope::parse("reports:read")?,
    ///     status: ClientStatus::Active,
    ///     session: SessionId::new(now, &[3; 10]),
    ///     created_at: now,
    /// };
    /// let known = KnownClient::new(client, secret.digest());
    /// assert!(known.is_proven_by(&secret.digest()));
    /// assert!(!known.is_proven_by(&Opaque::new(Kind::Client, &[9; 24]).digest()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_proven_by(&self, presented: &Digest) -> bool {
        let same = verify_slices_are_equal(&self.secret.0, &presented.0).is_ok();
        same && self.client.status == ClientStatus::Active
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_visible_ascii_and_never_looks_like_an_id() {
        for name in ["a", "nightly-report", "svc:reports/eu", &"x".repeat(64)] {
            assert_eq!(ClientName::parse(name).unwrap().to_string(), name);
        }
        let long = "x".repeat(65);
        let simple = "0193a1f0000070008000000000000000";
        for name in
            ["", " ", "a b", "a\"b", "a\\b", "é", "a\n", &long, simple, "{0193a1f0-0000-7000-8000-000000000000}"]
        {
            assert_eq!(ClientName::parse(name), Err(NotAClientName), "{name:?}");
        }
    }
}
