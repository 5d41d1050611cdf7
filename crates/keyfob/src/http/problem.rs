//! Error to response: RFC 9457 problem documents with a stable `type`. The only place of this program's own endpoints
//! that knows status codes. Public texts are fixed; the cause goes to the log, once. Nothing of the request is echoed.

use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response};
use keyfob_core::refusal::Refusal;
use keyfob_store::StoreError;
use keyfob_tower::guard::CannotTell;
use keyfob_tower::refusal::{self, Style};

use crate::body::Body;
pub(super) use crate::reply::{done, json, problem};

/// Why one of keyfob's own endpoints does not answer what was asked.
#[derive(Debug)]
pub(super) enum HttpError {
    /// The caller is not let in.
    Refused(Refusal, Style),
    /// Could not tell: 503, never a pass.
    CannotTell,
    /// No such endpoint, or no such thing of the caller's.
    NotFound,
    /// This node only guards.
    GuardOnly,
    /// The endpoint has other methods.
    MethodNotAllowed(&'static str),
    /// A message that cannot be read: a stable kind and what to do.
    BadRequest(&'static str, String),
    /// The body is over the limit, in bytes.
    TooLarge(usize),
    /// The body did not come in time.
    TooSlow,
    /// The media type is not one of those taken.
    MediaType,
    /// Well formed, but not acceptable: a stable kind and what to do.
    Unprocessable(&'static str, String),
    /// What it was judged on has changed, or a bound is reached: a stable kind and what to do.
    Conflict(&'static str, String),
    /// Too many sign-ins: try again later, in seconds.
    TooMany(u64),
    /// Wrong username or password: one text for every cause.
    SignInFailed(Style),
}

impl From<CannotTell> for HttpError {
    fn from(CannotTell: CannotTell) -> Self {
        Self::CannotTell
    }
}

impl From<StoreError> for HttpError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store could not tell");
        Self::CannotTell
    }
}

impl HttpError {
    pub(super) fn into_response(self) -> Response<Body> {
        match self {
            Self::Refused(refusal, style) => refusal::response(&refusal, &style).map(Body::from),
            Self::CannotTell => refusal::cannot_tell().map(Body::from),
            Self::NotFound => problem(404, "not-found", "keyfob has nothing at this path"),
            Self::GuardOnly => problem(404, "guard-only", "this node only guards: ask one that signs people in"),
            Self::MethodNotAllowed(allow) => {
                let mut response = problem(405, "method-not-allowed", "this endpoint has other methods: see Allow");
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
                response
            }
            Self::BadRequest(kind, detail) => problem(400, kind, &detail),
            Self::TooLarge(max) => problem(413, "body-too-large", &format!("the body is over {max} bytes")),
            Self::TooSlow => problem(408, "body-timeout", "the body did not come in time"),
            Self::MediaType => problem(415, "media-type", "send application/json or application/x-www-form-urlencoded"),
            Self::Unprocessable(kind, detail) => problem(422, kind, &detail),
            Self::Conflict(kind, detail) => problem(409, kind, &detail),
            Self::TooMany(seconds) => {
                let mut response = problem(429, "too-many-attempts", "too many sign-in attempts: try again later");
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
            Self::SignInFailed(style) => sign_in_failed(&style),
        }
    }
}

/// RFC 9110 §15.5.2 wants a challenge on every 401; there is no token yet, so it carries no `error`.
fn sign_in_failed(style: &Style) -> Response<Body> {
    let refusal = Refusal { reason: keyfob_core::refusal::Reason::NoCredentials, deny: None };
    let mut response = problem(401, "sign-in-failed", "the username or the password is wrong");
    response.headers_mut().extend(style.challenge(&refusal).map(|challenge| (WWW_AUTHENTICATE, challenge)));
    response
}
