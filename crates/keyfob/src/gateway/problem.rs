//! The gateway's own answers, as RFC 9457 problem documents: fixed texts, never a word of the request or of a cause.

use http::{Response, StatusCode};

use super::upload::Failure;
use crate::body::Body;
use crate::reply::{closing, problem};

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
    /// As many connections as the API may have are in use.
    Full,
    /// No API takes the request.
    Nowhere,
}

impl Trouble {
    /// Whether it speaks against the origin, and not against the client or the policy.
    pub(super) fn is_the_apis(self) -> bool {
        self.is_of_connecting() || matches!(self, Self::ResponseTimeout | Self::Broke)
    }

    /// Whether the origin was not reached at all.
    pub(super) fn is_of_connecting(self) -> bool {
        matches!(self, Self::Unreachable | Self::ConnectTimeout)
    }

    pub(super) fn response(self) -> Response<Body> {
        match self {
            Self::Unreachable => {
                closing(StatusCode::BAD_GATEWAY, "upstream-unreachable", "The API behind cannot be reached")
            }
            Self::ConnectTimeout => {
                closing(StatusCode::GATEWAY_TIMEOUT, "upstream-unreachable", "The API behind cannot be reached in time")
            }
            Self::ResponseTimeout => {
                closing(StatusCode::GATEWAY_TIMEOUT, "upstream-timeout", "The API behind did not answer in time")
            }
            Self::Broke => closing(StatusCode::BAD_GATEWAY, "upstream-broke", "The API behind broke off"),
            Self::Upload(Failure::TooLarge) => {
                closing(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The request body is too large")
            }
            Self::Upload(Failure::Idle) => {
                closing(StatusCode::REQUEST_TIMEOUT, "body-timeout", "The request body did not come in time")
            }
            Self::Upload(Failure::Client) => {
                closing(StatusCode::BAD_REQUEST, "bad-body", "The request body is malformed or broke off")
            }
            // The caller's session ended while the body was under way; the next request gets the whole refusal.
            Self::Upload(Failure::NotAllowed) => {
                closing(StatusCode::UNAUTHORIZED, "invalid-token", "The session ended while the request was sent")
            }
            Self::Full => {
                closing(StatusCode::SERVICE_UNAVAILABLE, "upstream-full", "The API behind is in use by too many")
            }
            Self::Nowhere => problem(404, "no-upstream", "no API behind keyfob takes this host and path"),
            Self::WebSocketNotAllowed => {
                closing(StatusCode::BAD_REQUEST, "websocket-not-allowed", "WebSockets are not allowed here")
            }
        }
    }
}
