//! Refusal to HTTP response: status, challenge, problem document (RFC 6750 §3, RFC 9457). The only place in this crate
//! that does so. Nothing of the request is ever echoed, and the documents are static.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use keyfob_core::refusal::{Profile, Refusal};

/// Seconds after which a client may try again what could not be decided: about as long as a lease takes to return.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("2");

/// RFC 9457 document for what could not be decided. Says nothing of the cause: that is for the log.
const CANNOT_TELL: &str = r#"{"type":"urn:keyfob:problem:cannot-decide","title":"Service Unavailable","status":503,"detail":"Whether this request may pass cannot be told right now. Try again shortly."}"#;

/// How refusals look.
///
/// ```
/// use keyfob_core::refusal::{Profile, Reason, Refusal};
/// use keyfob_tower::refusal::{Style, response};
///
/// let style = Style { profile: Profile::Rfc6750, realm: "reports".into(), resource_metadata: None };
/// let refusal = Refusal { reason: Reason::InvalidToken, deny: None };
/// let response = response(&refusal, &style);
/// assert_eq!(response.status(), 401);
/// assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="reports", error="invalid_token""#);
/// ```
#[derive(Clone, Debug)]
pub struct Style {
    /// Which status codes.
    pub profile: Profile,
    /// The `realm` of the challenge.
    pub realm: Box<str>,
    /// The address of the RFC 9728 document about this API, to be named in the challenge; none if there is none.
    pub resource_metadata: Option<Box<str>>,
}

impl Style {
    /// The `WWW-Authenticate` value of a refusal; none where no challenge belongs.
    #[must_use]
    pub fn challenge(&self, refusal: &Refusal) -> Option<HeaderValue> {
        let text = match &self.resource_metadata {
            None => refusal.challenge(&self.realm)?,
            Some(address) => refusal.challenge_naming(&self.realm, address)?,
        };
        // RFC 9110 §15.5.2: a 401 always has a challenge, even if its realm cannot be said in a header.
        let value = HeaderValue::from_maybe_shared(Bytes::from(text));
        Some(value.unwrap_or_else(|_| HeaderValue::from_static("Bearer")))
    }
}

/// The response for a refusal: `application/problem+json`, `Cache-Control: no-store`, the challenge.
#[must_use]
pub fn response(refusal: &Refusal, style: &Style) -> Response<Bytes> {
    // A route's own `deny` could be no status code at all; then it is 401, never a pass.
    let status = StatusCode::from_u16(refusal.status(style.profile)).unwrap_or(StatusCode::UNAUTHORIZED);
    let mut response = problem(status, refusal.problem(style.profile));
    response.headers_mut().extend(style.challenge(refusal).map(|challenge| (WWW_AUTHENTICATE, challenge)));
    let seconds = refusal.retry_after().map(|wait| wait.as_secs().max(1));
    response.headers_mut().extend(seconds.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))));
    response
}

/// The response when it cannot be told: 503 with `Retry-After`.
///
/// ```
/// let response = keyfob_tower::refusal::cannot_tell();
/// assert_eq!(response.status(), 503);
/// assert!(response.headers().contains_key("retry-after"));
/// ```
#[must_use]
pub fn cannot_tell() -> Response<Bytes> {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, CANNOT_TELL);
    response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    response
}

fn problem(status: StatusCode, document: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(document.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use keyfob_core::refusal::Reason;

    use super::*;

    const REASONS: [Reason; 5] = [
        Reason::NoCredentials,
        Reason::Malformed,
        Reason::InvalidToken,
        Reason::Insufficient { scope: None },
        Reason::AmbiguousTarget,
    ];

    #[test]
    fn every_refusal_is_an_uncacheable_problem_whose_status_agrees() {
        for profile in [Profile::Uniform, Profile::Rfc6750] {
            for deny in [None, Some(401), Some(403), Some(404)] {
                for reason in REASONS {
                    let refusal = Refusal { reason, deny };
                    let response = response(&refusal, &Style { profile, realm: "api".into(), resource_metadata: None });
                    assert!(response.status().is_client_error(), "{refusal:?}");
                    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
                    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
                    let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
                    assert_eq!(body["status"], response.status().as_u16(), "{refusal:?}");
                }
            }
        }
    }

    #[test]
    fn every_401_has_a_challenge_whatever_the_realm() {
        for realm in ["api", "", "a \"b\" \\c", "caf\u{e9}", "line\r\nbreak: x"] {
            for reason in REASONS {
                let refusal = Refusal { reason, deny: None };
                let response = response(
                    &refusal,
                    &Style { profile: Profile::Uniform, realm: realm.into(), resource_metadata: None },
                );
                if response.status() == 401 {
                    let challenge = response.headers()[WWW_AUTHENTICATE].as_bytes();
                    assert!(challenge.starts_with(b"Bearer"), "{realm} {refusal:?}");
                    assert!(!challenge.contains(&b'\r') && !challenge.contains(&b'\n'), "{realm}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_told_is_an_uncacheable_503() {
        let response = cannot_tell();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["status"], 503);
    }
}
