//! Refusals: why a request is not let through, as RFC 6750 §3 challenges, RFC 9457 problem types, and two status
//! profiles. Knows status codes as numbers, never an HTTP library. Nothing of the request is ever echoed.

use serde::{Deserialize, Serialize};

/// How refusals map to status codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Every refusal is 401: the seed text's "otherwise 401".
    #[default]
    Uniform,
    /// RFC 6750 §3.1: 400 for malformed, 401 for invalid, 403 for a missing permission.
    Rfc6750,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No credentials, or of another scheme.
    NoCredentials,
    /// Credentials that break RFC 6750's form.
    Malformed,
    /// Expired, revoked, forged, for another audience, or of a user who is gone: one text for all.
    InvalidToken,
    /// The user is known and lacks a permission. `scope` names what is needed where scope is what is missing.
    Insufficient {
        /// Space-separated scope-tokens for the challenge.
        scope: Option<Box<str>>,
    },
    /// The request target could be read in two ways.
    AmbiguousTarget,
}

/// A refusal and the route's say in how it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// The route's own `deny` status (401, 403 or 404), if it has one; it replaces 401 and 403 only.
    pub deny: Option<u16>,
}

impl Refusal {
    /// The status code under `profile`.
    #[must_use]
    pub fn status(&self, profile: Profile) -> u16 {
        let _ = profile;
        todo!()
    }

    /// The `WWW-Authenticate` value, or none where no challenge belongs (an ambiguous target, a hidden route).
    #[must_use]
    pub fn challenge(&self, realm: &str) -> Option<String> {
        let _ = realm;
        todo!()
    }

    /// The stable problem type, such as `insufficient-scope`; the RFC 9457 `type` is `urn:keyfob:problem:` + this.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        todo!()
    }

    /// One fixed sentence for people, the RFC 9457 `detail`.
    #[must_use]
    pub fn detail(&self) -> &'static str {
        todo!()
    }
}
