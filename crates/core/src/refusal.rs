//! Refusals: why a request is not let through, as RFC 6750 §3 challenges, RFC 9457 problem types, and two status
//! profiles (DESIGN §4). Knows status codes as numbers, never an HTTP library. Nothing of the request is ever echoed.

mod problem;

use std::time::Duration;

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
    /// No credentials, on a route that still takes HTTP Basic: it is offered beside Bearer.
    NoCredentialsYet,
    /// An HTTP Basic credential that is not right, on such a route. One text for wrong, unknown and disabled.
    BasicFailed,
    /// An HTTP Basic credential on a route that took them until a date that has come.
    BasicEnded,
    /// So many attempts with HTTP Basic that this one was not looked at.
    TooManyAttempts {
        /// How long until one may be.
        retry_after: Duration,
    },
}

/// A refusal and the route's say in how it looks.
///
/// ```
/// use keyfob_core::refusal::{Profile, Reason, Refusal};
///
/// let refusal = Refusal { reason: Reason::Insufficient { scope: Some("reports:read".into()) }, deny: None };
/// assert_eq!(refusal.status(Profile::Uniform), 401);
/// assert_eq!(refusal.status(Profile::Rfc6750), 403);
/// assert_eq!(
///     refusal.challenge("keyfob").as_deref(),
///     Some(r#"Bearer realm="keyfob", error="insufficient_scope", scope="reports:read""#),
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// The route's own `deny` status (401, 403 or 404), if it has one. It replaces 401 and 403; 404 hides the route, so
    /// it replaces everything but the 400 of an ambiguous target.
    pub deny: Option<u16>,
}

impl Reason {
    /// The stable name of this reason, for logs and metrics; unlike [`Refusal::kind`] it knows no hiding.
    #[must_use]
    pub fn slug(&self) -> &'static str {
        match self {
            Self::NoCredentials | Self::NoCredentialsYet => "no-credentials",
            Self::Malformed => "malformed-credentials",
            Self::InvalidToken => "invalid-token",
            Self::Insufficient { .. } => "insufficient-scope",
            Self::AmbiguousTarget => "ambiguous-path",
            Self::BasicFailed => "basic-failed",
            Self::BasicEnded => "basic-ended",
            Self::TooManyAttempts { .. } => "too-many-attempts",
        }
    }

    /// RFC 6750 §3.1 error code; none for a request that carried no credentials (§3).
    fn error(&self) -> Option<&'static str> {
        match self {
            Self::NoCredentials
            | Self::NoCredentialsYet
            | Self::BasicFailed
            | Self::BasicEnded
            | Self::AmbiguousTarget
            | Self::TooManyAttempts { .. } => None,
            Self::Malformed => Some("invalid_request"),
            Self::InvalidToken => Some("invalid_token"),
            Self::Insufficient { .. } => Some("insufficient_scope"),
        }
    }
}

impl Refusal {
    /// A refusal on a route that has no say in it.
    #[must_use]
    pub fn of(reason: Reason) -> Self {
        Self { reason, deny: None }
    }

    /// The status code under `profile`.
    #[must_use]
    pub fn status(&self, profile: Profile) -> u16 {
        if self.hides() {
            return 404;
        }
        let status = match (&self.reason, profile) {
            (Reason::AmbiguousTarget, _) | (Reason::Malformed, Profile::Rfc6750) => 400,
            (Reason::TooManyAttempts { .. }, _) => 429,
            (Reason::Insufficient { .. }, Profile::Rfc6750) => 403,
            _ => 401,
        };
        if matches!(status, 400 | 429) { status } else { self.deny.unwrap_or(status) }
    }

    /// The `WWW-Authenticate` value, or none where no challenge belongs (an ambiguous target, too many attempts, a hidden
    /// route).
    #[must_use]
    pub fn challenge(&self, realm: &str) -> Option<String> {
        let mut text = self.bearer_challenge(realm)?;
        self.push_basic(&mut text, realm);
        Some(text)
    }

    fn bearer_challenge(&self, realm: &str) -> Option<String> {
        if self.hides() || matches!(self.reason, Reason::AmbiguousTarget | Reason::TooManyAttempts { .. }) {
            return None;
        }
        let mut text = String::with_capacity(64 + realm.len());
        text.push_str("Bearer ");
        push_quoted(&mut text, "realm", realm);
        if let Some(error) = self.reason.error() {
            text.push_str(", ");
            push_quoted(&mut text, "error", error);
        }
        if let Reason::Insufficient { scope: Some(scope) } = &self.reason {
            text.push_str(", ");
            push_quoted(&mut text, "scope", scope);
        }
        Some(text)
    }

    /// The same, with the address of the RFC 9728 metadata that says how to get a token (§5.1 there).
    ///
    /// ```
    /// use keyfob_core::refusal::{Reason, Refusal};
    ///
    /// let at = "https://api.example/.well-known/oauth-protected-resource";
    /// assert_eq!(
    ///     Refusal::of(Reason::NoCredentials).challenge_naming("api", at).as_deref(),
    ///     Some(r#"Bearer realm="api", resource_metadata="https://api.example/.well-known/oauth-protected-resource""#),
    /// );
    /// ```
    #[must_use]
    pub fn challenge_naming(&self, realm: &str, resource_metadata: &str) -> Option<String> {
        let mut text = self.bearer_challenge(realm)?;
        text.push_str(", ");
        push_quoted(&mut text, "resource_metadata", resource_metadata);
        self.push_basic(&mut text, realm);
        Some(text)
    }

    /// RFC 7617 §2, as a second challenge of the same field (RFC 9110 §11.6.1), on a route that takes it: browsers ask for a
    /// password on seeing it.
    fn push_basic(&self, text: &mut String, realm: &str) {
        if matches!(self.reason, Reason::NoCredentialsYet | Reason::BasicFailed) {
            text.push_str(", Basic ");
            push_quoted(text, "realm", realm);
            text.push_str(", charset=\"UTF-8\"");
        }
    }

    /// How long to wait, where that is the reason.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.reason {
            Reason::TooManyAttempts { retry_after } if !self.hides() => Some(retry_after),
            _ => None,
        }
    }

    /// The same refusal by a guard that cannot check passwords: it takes no HTTP Basic, whatever the route says, so it offers
    /// none.
    #[must_use]
    pub fn without_basic(self) -> Self {
        let reason = match self.reason {
            Reason::NoCredentialsYet | Reason::BasicFailed => Reason::NoCredentials,
            reason => reason,
        };
        Self { reason, ..self }
    }

    /// The stable problem type, such as `insufficient-scope`; the RFC 9457 `type` is `urn:keyfob:problem:` + this.
    /// It is `not-found` on a hidden route, whatever the reason.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.hides() { "not-found" } else { self.reason.slug() }
    }

    /// One fixed sentence for people, the RFC 9457 `detail`.
    #[must_use]
    pub fn detail(&self) -> &'static str {
        if self.hides() {
            return problem::NOT_FOUND;
        }
        match self.reason {
            Reason::NoCredentials | Reason::NoCredentialsYet => problem::NO_CREDENTIALS,
            Reason::BasicFailed => problem::BASIC_FAILED,
            Reason::BasicEnded => problem::BASIC_ENDED,
            Reason::TooManyAttempts { .. } => problem::TOO_MANY_ATTEMPTS,
            Reason::Malformed => problem::MALFORMED,
            Reason::InvalidToken => problem::INVALID_TOKEN,
            Reason::Insufficient { .. } => problem::INSUFFICIENT,
            Reason::AmbiguousTarget => problem::AMBIGUOUS,
        }
    }

    /// The RFC 9457 problem document, for `application/problem+json`. Built at compile time: a refusal must be as cheap
    /// as a pass.
    #[must_use]
    pub fn problem(&self, profile: Profile) -> &'static str {
        problem::document(self.kind(), self.status(profile))
    }

    /// Whether the route pretends not to exist (RFC 9110 §15.5.4).
    fn hides(&self) -> bool {
        self.deny == Some(404) && self.reason != Reason::AmbiguousTarget
    }
}

/// Appends `name="value"` as RFC 9110 §5.6.4 has it. What no header can carry as text becomes `?`.
fn push_quoted(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str("=\"");
    for character in value.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            ' '..='~' => text.push(character),
            _ => text.push('?'),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests;
