//! What a request must be before anybody judges it: one host, one reading of its target, no way around the gate
//! (RFC 9112 §3.2, RFC 9110 §7.8). hyper has already refused what cannot be framed (differing or listed
//! `Content-Length`, `Transfer-Encoding` not ending in `chunked`, obs-fold, bad bytes) and re-frames the rest.
//!
//! A fragment never arrives here: the URI parser cuts it off. The target that is judged is the target that is
//! forwarded, so the two never differ over one.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};

use crate::body::Body;
use crate::reply::closing;

/// Why a request is refused before it is judged. It says nothing about the caller, so it is no refusal of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// No `Host`, two of them, or one that is no host (RFC 9112 §3.2: 400).
    #[error("exactly one valid Host is needed")]
    Host,
    /// An absolute or `:authority` target that names another host than `Host` does.
    #[error("the target and Host name different hosts")]
    HostMismatch,
    /// Not origin-form, absolute-form or `*`.
    #[error("the request target has a form that is not served here")]
    Target,
    /// `CONNECT` and `TRACE` would go around the gate.
    #[error("this method is not served here")]
    Method,
    /// A WebSocket handshake that is not a bodyless HTTP/1.1 `GET` with `Connection: upgrade` (RFC 6455 §4.1).
    #[error("the upgrade request is malformed")]
    Upgrade,
}

impl BadRequest {
    /// The problem document: 400, or 405 for a method. The connection is closed after it, because whoever sent this
    /// and keyfob may not agree on where the next request begins.
    #[must_use]
    pub fn response(self) -> Response<Body> {
        match self {
            Self::Method => closing(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Self::Host => closing(StatusCode::BAD_REQUEST, "bad-host", "One valid Host is needed"),
            Self::HostMismatch => {
                closing(StatusCode::BAD_REQUEST, "bad-host", "The target and Host name different hosts")
            }
            Self::Target => closing(StatusCode::BAD_REQUEST, "bad-target", "The request target is not usable"),
            Self::Upgrade => closing(StatusCode::BAD_REQUEST, "bad-upgrade", "The upgrade is malformed"),
        }
    }
}

/// Check the framing of a request and return its effective host, which may be empty on HTTP/1.0.
///
/// # Errors
/// [`BadRequest`]: the request must be answered with [`BadRequest::response`] and never judged or forwarded.
pub fn check<B>(request: &Request<B>) -> Result<&str, BadRequest> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(BadRequest::Method);
    }
    let target = request.uri().path_and_query().ok_or(BadRequest::Target)?.as_str();
    if !target.starts_with('/') && target != "*" {
        return Err(BadRequest::Target);
    }
    if let Some(scheme) = request.uri().scheme_str()
        && !scheme.eq_ignore_ascii_case("http")
        && !scheme.eq_ignore_ascii_case("https")
    {
        return Err(BadRequest::Target);
    }
    if request.headers().contains_key(UPGRADE) {
        check_upgrade(request)?;
    }
    host(request)
}

/// Whether this is a WebSocket handshake. Any other `Upgrade` is ignored, as RFC 9110 §7.8 allows: it is removed with
/// the other hop-by-hop fields, and no tunnel can come of it. (Java's client offers `h2c` on every first request.)
#[must_use]
pub fn asks_websocket<B>(request: &Request<B>) -> bool {
    request.headers().get_all(UPGRADE).iter().any(|value| lists(value.as_bytes(), "websocket"))
}

/// Whether a comma-separated field value holds `token`, whatever its case.
pub(crate) fn lists(value: &[u8], token: &str) -> bool {
    value.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

fn check_upgrade<B>(request: &Request<B>) -> Result<(), BadRequest> {
    if !asks_websocket(request) {
        return Ok(());
    }
    let headers = request.headers();
    let mut values = headers.get_all(UPGRADE).iter();
    let only_websocket =
        values.next().is_some_and(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket"))
            && values.next().is_none();
    let connection = headers.get_all(CONNECTION).iter().any(|value| lists(value.as_bytes(), "upgrade"));
    let bodyless = !headers.contains_key(TRANSFER_ENCODING)
        && headers.get(CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0");
    let http11_get = request.version() == Version::HTTP_11 && request.method() == Method::GET;
    if only_websocket && connection && bodyless && http11_get { Ok(()) } else { Err(BadRequest::Upgrade) }
}

fn host<B>(request: &Request<B>) -> Result<&str, BadRequest> {
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let named = single_host(request.headers())?;
    let host = match (authority, named) {
        // RFC 9112 §3.2.2 would let the target win; a request that says two things is refused instead.
        (Some(authority), Some(named)) if !authority.eq_ignore_ascii_case(named) => {
            return Err(BadRequest::HostMismatch);
        }
        (_, Some(named)) => named,
        // RFC 9113 §8.3.1: HTTP/2 carries the host in `:authority`.
        (Some(authority), None) if request.version() == Version::HTTP_2 => authority,
        (None, None) if matches!(request.version(), Version::HTTP_10 | Version::HTTP_09) => "",
        (_, None) => return Err(BadRequest::Host),
    };
    if host.bytes().all(is_host_byte) { Ok(host) } else { Err(BadRequest::Host) }
}

fn single_host(headers: &HeaderMap) -> Result<Option<&str>, BadRequest> {
    let mut values = headers.get_all(HOST).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(BadRequest::Host);
    }
    first.to_str().map(Some).map_err(|_| BadRequest::Host)
}

// RFC 3986 §3.2.2 reg-name, IP literal and port, less user information and percent-encoding: no host that is served
// needs them, and upstreams read them in more than one way.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(version: Version, target: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut builder = Request::builder().version(version).uri(target);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).expect("a request")
    }

    fn checked(target: &str, headers: &[(&str, &str)]) -> Result<String, BadRequest> {
        check(&request(Version::HTTP_11, target, headers)).map(str::to_owned)
    }

    #[test]
    fn one_host_is_needed_and_no_more() {
        assert_eq!(checked("/a", &[("host", "api.example")]), Ok("api.example".to_owned()));
        assert_eq!(checked("/a", &[("host", "[::1]:8080")]), Ok("[::1]:8080".to_owned()));
        assert_eq!(checked("/a", &[]), Err(BadRequest::Host));
        assert_eq!(checked("/a", &[("host", "a"), ("host", "a")]), Err(BadRequest::Host));
        assert_eq!(check(&request(Version::HTTP_10, "/a", &[])), Ok(""));
    }

    #[test]
    fn a_host_with_anything_but_a_host_in_it_is_refused() {
        for host in ["a b", "a/b", "u@h", "a,b", "a?b", "a#b", "a%41", "a\\b", "h\tx"] {
            assert_eq!(checked("/a", &[("host", host)]), Err(BadRequest::Host), "{host}");
        }
    }

    #[test]
    fn an_absolute_target_must_name_the_same_host() {
        assert_eq!(checked("http://API.example/a", &[("host", "api.example")]), Ok("api.example".to_owned()));
        assert_eq!(checked("http://evil.example/a", &[("host", "api.example")]), Err(BadRequest::HostMismatch));
        assert_eq!(checked("http://u@api.example/a", &[("host", "api.example")]), Err(BadRequest::HostMismatch));
        assert_eq!(checked("http://api.example/a", &[]), Err(BadRequest::Host));
        assert_eq!(checked("ftp://api.example/a", &[("host", "api.example")]), Err(BadRequest::Target));
        assert_eq!(checked("api.example:80", &[("host", "api.example:80")]), Err(BadRequest::Target));
    }

    #[test]
    fn http_2_takes_its_host_from_authority() {
        let h2 = |headers: &[(&str, &str)]| {
            check(&request(Version::HTTP_2, "http://api.example/a", headers)).map(str::to_owned)
        };
        assert_eq!(h2(&[]), Ok("api.example".to_owned()));
        assert_eq!(h2(&[("host", "other.example")]), Err(BadRequest::HostMismatch));
    }

    #[test]
    fn connect_and_trace_are_not_served() {
        for method in [Method::CONNECT, Method::TRACE] {
            let mut request = request(Version::HTTP_11, "/a", &[("host", "a")]);
            *request.method_mut() = method;
            assert_eq!(check(&request), Err(BadRequest::Method));
        }
    }

    #[test]
    fn a_websocket_handshake_is_a_bodyless_get_over_http_11() {
        let good = [("host", "a"), ("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")];
        assert!(checked("/a", &good).is_ok());
        assert!(asks_websocket(&request(Version::HTTP_11, "/a", &good)));
        for bad in [
            &[("host", "a"), ("upgrade", "websocket")][..],
            &[("host", "a"), ("connection", "upgrade"), ("upgrade", "websocket, h2c")],
            &[("host", "a"), ("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")],
            &[("host", "a"), ("connection", "upgrade"), ("upgrade", "websocket"), ("content-length", "4")],
            &[("host", "a"), ("connection", "upgrade"), ("upgrade", "websocket"), ("transfer-encoding", "chunked")],
        ] {
            assert_eq!(checked("/a", bad), Err(BadRequest::Upgrade), "{bad:?}");
        }
        assert_eq!(check(&request(Version::HTTP_10, "/a", &good)), Err(BadRequest::Upgrade));
    }

    #[test]
    fn any_other_upgrade_is_ignored() {
        let h2c = request(Version::HTTP_11, "/a", &[("host", "a"), ("connection", "upgrade"), ("upgrade", "h2c")]);
        assert!(check(&h2c).is_ok());
        assert!(!asks_websocket(&h2c));
    }

    proptest! {
        #[test]
        fn whatever_passes_has_one_host_of_host_bytes(hosts in proptest::collection::vec("[ -~]{0,12}", 0..3)) {
            let mut request = request(Version::HTTP_11, "/", &[]);
            for host in &hosts {
                request.headers_mut().append(HOST, host.parse().expect("printable"));
            }
            if let Ok(host) = check(&request) {
                prop_assert_eq!(hosts.len(), 1);
                prop_assert!(host.bytes().all(is_host_byte));
            }
        }
    }
}
