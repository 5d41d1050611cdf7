//! `GET /.well-known/oauth-authorization-server` (RFC 8414 §3) and `/.well-known/oauth-protected-resource` (RFC 9728 §3).
//! The documents are `crate::metadata`'s.

use http::{Method, Request, Response, StatusCode};

use super::HttpError;
use crate::app::App;
use crate::body::Body;
use crate::metadata::Document;
use crate::{cors, reply};

/// The methods of both.
const METHODS: &str = "GET, HEAD, OPTIONS";

pub(crate) fn answer<B>(app: &App, document: Document, request: &Request<B>) -> Response<Body> {
    let cors = cors::Answer::of(request.headers(), &app.settings.cors_origins);
    if request.method() == Method::OPTIONS {
        return cors.preflight(METHODS);
    }
    let mut response = if request.method() == Method::GET || request.method() == Method::HEAD {
        reply::json(StatusCode::OK, app.metadata.document(document))
    } else {
        HttpError::MethodNotAllowed(METHODS).into_response()
    };
    cors.mark(response.headers_mut());
    response
}
