//! Refusal to HTTP response: status, challenge, problem document. The only place in this crate that does so.

use bytes::Bytes;
use http::Response;
use keyfob_core::refusal::{Profile, Refusal};

/// How refusals look.
#[derive(Clone, Debug)]
pub struct Style {
    /// Which status codes.
    pub profile: Profile,
    /// The `realm` of the challenge.
    pub realm: Box<str>,
}

/// The response for a refusal: `application/problem+json`, `Cache-Control: no-store`, the challenge.
#[must_use]
pub fn response(refusal: &Refusal, style: &Style) -> Response<Bytes> {
    let _ = (refusal, style);
    todo!()
}

/// The response when it cannot be told: 503 with `Retry-After`.
#[must_use]
pub fn cannot_tell() -> Response<Bytes> {
    todo!()
}
