//! `/auth/check/nginx|forward|envoy/{path}`: the forward-auth doors, one for each dialect. Each reads its own dialect's
//! method and URI and no other's, because every proxy passes the other dialects' headers on from the client.
//! A 200 always carries all four identity headers, empty where there is no value, and never a body.

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use keyfob_core::policy::{Ask, Decision};
use keyfob_core::refusal::{Reason, Refusal};
use keyfob_tower::{guard, identity, refusal};

use crate::app::App;
use crate::body::Body;
use crate::client;
use crate::metrics::{DoorName, Outcome};
use crate::serve::listener::Connection;

/// How a proxy says what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `X-Original-Method`, `X-Original-URI`.
    Nginx,
    /// `X-Forwarded-Method`, `X-Forwarded-Uri`: Traefik, Caddy, HAProxy, APISIX.
    Forward,
    /// The method and the path (after the prefix) of the request itself.
    Envoy,
}

const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

pub(crate) async fn answer<B>(
    app: &App,
    connection: &Connection,
    dialect: Dialect,
    request: &Request<B>,
) -> Response<Body> {
    // An address that cannot be told counts for nobody, so no password is looked at.
    let from = || client::address(connection, request.headers(), &app.settings.trusted_proxies).ok();
    let decision = match ask(app, dialect, request) {
        Some(ask) => guard::judge_from(app, ask, request.headers(), Some(from)).await,
        None => Ok(Decision::Refuse(Refusal { reason: Reason::AmbiguousTarget, deny: None })),
    };
    match decision {
        Ok(Decision::Allow(permit)) => {
            app.metrics.decision(DoorName::Check, Outcome::Allowed);
            let mut response = Response::new(Body::empty());
            let headers = response.headers_mut();
            headers.reserve(identity::NAMES.len() + 1);
            identity::set(headers, permit.caller());
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Ok(Decision::Refuse(refused)) => {
            app.metrics.decision(DoorName::Check, Outcome::Refused);
            let response = refusal::response(&refused, &app.style);
            if dialect == Dialect::Nginx { for_nginx(&refused, response) } else { response.map(Body::from) }
        }
        Err(guard::CannotTell) => {
            app.metrics.decision(DoorName::Check, Outcome::CannotTell);
            let response = refusal::cannot_tell();
            if dialect == Dialect::Nginx { without_body(response) } else { response.map(Body::from) }
        }
    }
}

/// What the proxy was asked; `None` if it does not say so exactly once, or says it ambiguously.
fn ask<B>(app: &App, dialect: Dialect, request: &Request<B>) -> Option<Ask> {
    let headers = request.headers();
    let (method, target, host) = match dialect {
        Dialect::Nginx => (only(headers, &ORIGINAL_METHOD)?, only(headers, &ORIGINAL_URI)?, None),
        Dialect::Forward => {
            let host = headers.contains_key(FORWARDED_HOST).then(|| only(headers, &FORWARDED_HOST));
            (only(headers, &FORWARDED_METHOD)?, only(headers, &FORWARDED_URI)?, host)
        }
        Dialect::Envoy => {
            let target = request.uri().path_and_query()?.as_str();
            let target = target.strip_prefix(app.settings.prefix.as_str())?.strip_prefix("/check/envoy")?;
            (request.method().as_str().as_bytes(), target.as_bytes(), None)
        }
    };
    let host = match host {
        Some(host) => std::str::from_utf8(host?).ok()?,
        None => request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
    };
    Ask::parse(std::str::from_utf8(method).ok()?, host, target).ok()
}

/// The value of a header that is there exactly once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

/// nginx knows 401 and 403 and turns anything else into 500; a body would cost it its connection to keyfob.
fn for_nginx(refused: &Refusal, response: Response<bytes::Bytes>) -> Response<Body> {
    let mut response = without_body(response);
    let status = match (&refused.reason, response.status()) {
        (Reason::AmbiguousTarget, _) => StatusCode::FORBIDDEN,
        (_, status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => status,
        (Reason::Malformed, _) => StatusCode::UNAUTHORIZED,
        _ => StatusCode::FORBIDDEN,
    };
    *response.status_mut() = status;
    response
}

fn without_body(response: Response<bytes::Bytes>) -> Response<Body> {
    let mut response = response.map(|_| Body::empty());
    response.headers_mut().remove(http::header::CONTENT_TYPE);
    response
}
