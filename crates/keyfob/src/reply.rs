//! The shapes of keyfob's own answers: JSON that no cache keeps, and RFC 9457 problem documents of type
//! `urn:keyfob:problem:KIND`. Fixed texts; never a word of the request or of a cause.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::body::Body;

/// A problem document.
pub(crate) fn problem(status: u16, kind: &str, detail: &str) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let document = json!({
        "type": format!("urn:keyfob:problem:{kind}"),
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
    });
    let mut response = json(status, Bytes::from(document.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// A JSON answer of keyfob's own: never stored by a cache (RFC 6749 §5.1).
pub(crate) fn json(status: StatusCode, document: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(document));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 204: done, and nothing to say.
pub(crate) fn done() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A problem document of type `urn:keyfob:problem:KIND`, never stored. Answers that leave the client's message half
/// read, or that answer a malformed one, close the connection.
pub(crate) fn closing(status: StatusCode, kind: &str, title: &str) -> Response<Body> {
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
