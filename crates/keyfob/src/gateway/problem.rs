//! The gateway's own answers, as RFC 9457 problem documents: fixed texts, never a word of the request or of a cause.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use super::upload::Failure;
use crate::body::Body;

/// Why a permitted request has no answer of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection could be opened: refused, unresolved, or no valid certificate.
    Unreachable,
    /// A connection did not open in time.
    ConnectTimeout,
    /// The response headers did not come in time.
    ResponseTimeout,
    /// The connection broke, or what came was not HTTP.
    Broke,
    /// The client's body failed first.
    Upload(Failure),
    /// The route lets no upgrade pass.
    WebSocketNotAllowed,
}

impl Trouble {
    pub(super) fn response(self) -> Response<Body> {
        match self {
            Self::Unreachable => {
                response(StatusCode::BAD_GATEWAY, "upstream-unreachable", "The API behind cannot be reached")
            }
            Self::ConnectTimeout => response(
                StatusCode::GATEWAY_TIMEOUT,
                "upstream-unreachable",
                "The API behind cannot be reached in time",
            ),
            Self::ResponseTimeout => {
                response(StatusCode::GATEWAY_TIMEOUT, "upstream-timeout", "The API behind did not answer in time")
            }
            Self::Broke => response(StatusCode::BAD_GATEWAY, "upstream-broke", "The API behind broke off"),
            Self::Upload(Failure::TooLarge) => {
                response(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The request body is too large")
            }
            Self::Upload(Failure::Idle) => {
                response(StatusCode::REQUEST_TIMEOUT, "body-timeout", "The request body did not come in time")
            }
            Self::Upload(Failure::Client) => {
                response(StatusCode::BAD_REQUEST, "bad-body", "The request body is malformed or broke off")
            }
            // The caller's session ended while the body was under way; the next request gets the whole refusal.
            Self::Upload(Failure::NotAllowed) => {
                response(StatusCode::UNAUTHORIZED, "invalid-token", "The session ended while the request was sent")
            }
            Self::WebSocketNotAllowed => {
                response(StatusCode::BAD_REQUEST, "websocket-not-allowed", "WebSockets are not allowed here")
            }
        }
    }
}

/// A problem document of type `urn:keyfob:problem:KIND`, never stored. Answers that leave the client's message half
/// read, or that answer a malformed one, close the connection.
pub(super) fn response(status: StatusCode, kind: &str, title: &str) -> Response<Body> {
    let text = format!(r#"{{"type":"urn:keyfob:problem:{kind}","title":"{title}","status":{}}}"#, status.as_u16());
    let mut response = Response::new(Body::from(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status.is_client_error() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    response
}
