//! The errors of `/auth/token`, `/auth/revoke` and `/auth/introspect`: RFC 6749 §5.2 JSON instead of a problem document.
//! Descriptions are fixed texts; nothing of the request is ever echoed.

use bytes::Bytes;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use keyfob_core::refusal::Refusal;
use keyfob_store::StoreError;
use keyfob_tower::guard::CannotTell;
use keyfob_tower::refusal::Style;
use serde_json::json;

use super::HttpError;
use super::client_auth::Malformed;
use crate::app::App;
use crate::body::Body;
use crate::reply;

/// What the handler of an OAuth endpoint gives back.
pub(super) type OAuthReply = Result<Response<Body>, OAuthError>;

/// Why an OAuth endpoint does not do what was asked.
#[derive(Debug)]
pub(super) enum OAuthError {
    /// `invalid_request`, and what is wrong.
    InvalidRequest(&'static str),
    /// `invalid_client`: client authentication failed. The realm of the challenge, if `Authorization` was used.
    InvalidClient(Option<Box<str>>),
    /// `invalid_grant`, and what is wrong.
    InvalidGrant(&'static str),
    /// `unsupported_grant_type`.
    UnsupportedGrantType,
    /// `invalid_scope`, and what is wrong.
    InvalidScope(&'static str),
    /// `invalid_target` (RFC 8707 §2).
    InvalidTarget,
    /// A bearer token that is not good enough, with its RFC 6750 challenge.
    Refused(Refusal, Style),
    /// `insufficient_scope`: the client lacks this one.
    InsufficientScope(&'static str),
    /// There are too many already who do this: try again later, or nowhere.
    TooMany(&'static str),
    /// An error of HTTP rather than of OAuth.
    Http(HttpError),
}

/// The answer: that of the handler, or its error in the form of RFC 6749 §5.2.
pub(super) fn answer(reply: OAuthReply) -> Response<Body> {
    reply.unwrap_or_else(OAuthError::into_response)
}

impl From<CannotTell> for OAuthError {
    fn from(CannotTell: CannotTell) -> Self {
        Self::Http(HttpError::CannotTell)
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Self::Http(error.into())
    }
}

impl From<Malformed> for OAuthError {
    fn from(Malformed(what): Malformed) -> Self {
        Self::InvalidRequest(what)
    }
}

impl From<HttpError> for OAuthError {
    /// What cannot be read is `invalid_request` (RFC 6749 §5.2).
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::BadRequest("doubled-parameter", _) => Self::InvalidRequest("a parameter is there twice"),
            HttpError::BadRequest(..) => Self::InvalidRequest("the request cannot be read"),
            HttpError::Unprocessable(..) => Self::InvalidRequest("a parameter is missing"),
            HttpError::MediaType => Self::InvalidRequest("send application/x-www-form-urlencoded"),
            other => Self::Http(other),
        }
    }
}

impl OAuthError {
    /// Client authentication failed; `header`: the client used `Authorization` (RFC 6749 §5.2).
    pub(super) fn invalid_client(app: &App, header: bool) -> Self {
        Self::InvalidClient(header.then(|| app.style.realm.clone()))
    }

    pub(super) fn into_response(self) -> Response<Body> {
        match self {
            Self::InvalidRequest(what) => error(400, "invalid_request", what),
            Self::InvalidClient(realm) => invalid_client(realm.as_deref()),
            Self::InvalidGrant(what) => error(400, "invalid_grant", what),
            Self::UnsupportedGrantType => {
                error(400, "unsupported_grant_type", "the metadata lists the grants that are supported")
            }
            Self::InvalidScope(what) => error(400, "invalid_scope", what),
            Self::InvalidTarget => error(400, "invalid_target", "the resource is another one than the metadata names"),
            Self::Refused(refusal, style) => refused(&refusal, &style),
            Self::InsufficientScope(what) => error(403, "insufficient_scope", what),
            Self::TooMany(what) => {
                let mut response = error(429, "slow_down", what);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
                response
            }
            Self::Http(HttpError::CannotTell) => {
                let mut response = error(503, "temporarily_unavailable", "this cannot be told right now: try again");
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
                response
            }
            Self::Http(error) => error.into_response(),
        }
    }
}

fn error(status: u16, code: &str, description: &str) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let document = json!({ "error": code, "error_description": description });
    reply::json(status, Bytes::from(document.to_string()))
}

/// 401; with a challenge if the client used `Authorization` (RFC 6749 §5.2). To one that authenticated in the form none
/// is sent, although RFC 9110 §15.5.2 wants one on every 401: clients take it for the whole answer, and miss the error.
fn invalid_client(realm: Option<&str>) -> Response<Body> {
    let mut response = error(401, "invalid_client", "the client cannot be authenticated");
    if let Some(realm) = realm {
        let text = format!("Basic realm=\"{}\"", realm.replace(['"', '\\'], "?"));
        let challenge = HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("Basic"));
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

fn refused(refusal: &Refusal, style: &Style) -> Response<Body> {
    let code = match refusal.reason {
        keyfob_core::refusal::Reason::Insufficient { .. } => "insufficient_scope",
        keyfob_core::refusal::Reason::Malformed => "invalid_request",
        _ => "invalid_token",
    };
    // RFC 7662 §2.3: 401 for a token that may not do this too, under either profile.
    let status = if code == "insufficient_scope" { 401 } else { refusal.status(style.profile) };
    let mut response = error(status, code, refusal.detail());
    response.headers_mut().extend(style.challenge(refusal).map(|challenge| (WWW_AUTHENTICATE, challenge)));
    response
}
