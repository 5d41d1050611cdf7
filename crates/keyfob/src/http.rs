//! Every HTTP endpoint of keyfob's own, on one page. What is not listed here is not there: 404.
//! Knows nothing of the gateway. Never decides: `keyfob_tower::guard` asks `keyfob_core::policy::decide`.

mod api_keys;
mod attempt;
mod call;
pub(crate) mod check;
mod client_auth;
mod client_credentials;
mod follow;
mod form;
pub(crate) mod health;
mod introspect;
mod issue;
mod login;
pub(crate) mod metadata;
mod oauth;
mod password;
mod problem;
mod refresh;
mod revoke;
mod sessions;
mod token;

use std::sync::Arc;

use http::{Method, Request, Response};
use hyper::body::Incoming;

use crate::app::App;
use crate::body::Body;
use crate::cors;
use crate::serve::listener::Connection;

use call::Call;
use problem::HttpError;

/// What a handler gives back.
type Reply = Result<Response<Body>, HttpError>;

/// What a node that only guards answers, beside the checks and the documents: what reads.
const GUARDS: [&str; 4] = ["/me", "/jwks.json", "/introspect", "/follow"];

/// There is nothing here.
pub(crate) fn nowhere() -> Response<Body> {
    HttpError::NotFound.into_response()
}

/// The methods of keyfob's own endpoints, as an `Allow` value; `None` where there is no such endpoint.
fn methods(rest: &str) -> Option<&'static str> {
    match rest {
        "/login" | "/logout" | "/password" | "/token" | "/revoke" | "/introspect" | "/follow" => Some("POST, OPTIONS"),
        "/me" | "/jwks.json" => Some("GET, HEAD, OPTIONS"),
        "/sessions" => Some("GET, HEAD, DELETE, OPTIONS"),
        "/keys" => Some("GET, HEAD, POST, OPTIONS"),
        _ if rest.strip_prefix("/keys/").is_some_and(|id| !id.contains('/')) => Some("DELETE, OPTIONS"),
        _ if rest.strip_prefix("/sessions/").is_some_and(|id| !id.contains('/')) => Some("DELETE, OPTIONS"),
        _ => None,
    }
}

/// An endpoint under the prefix, known or not.
pub(crate) async fn own(app: &Arc<App>, connection: &Connection, request: Request<Incoming>) -> Response<Body> {
    let cors = cors::Answer::of(request.headers(), &app.settings.cors_origins);
    let rest = request.uri().path()[app.settings.prefix.len()..].to_owned();
    let Some(allow) = methods(&rest) else { return HttpError::NotFound.into_response() };
    if request.method() == Method::OPTIONS {
        return cors.preflight(allow);
    }
    let reply = match Call::read(app, connection, request) {
        Ok(call) => endpoint(call, &rest, allow).await,
        Err(error) => Err(error),
    };
    let mut response = reply.unwrap_or_else(HttpError::into_response);
    cors.mark(response.headers_mut());
    response
}

/// The page: method and path to handler.
async fn endpoint(call: Call, rest: &str, allow: &'static str) -> Reply {
    if call.app.settings.guard_only && !GUARDS.contains(&rest) {
        return Err(HttpError::GuardOnly);
    }
    let read = call.parts.method == Method::GET || call.parts.method == Method::HEAD;
    call.app.fresh().await?;
    match rest {
        "/login" if call.parts.method == Method::POST => login::login(call).await,
        "/logout" if call.parts.method == Method::POST => sessions::logout(call).await,
        "/password" if call.parts.method == Method::POST => password::change(call).await,
        "/token" if call.parts.method == Method::POST => Ok(oauth::answer(token::token(call).await)),
        "/revoke" if call.parts.method == Method::POST => Ok(oauth::answer(revoke::revoke(call).await)),
        "/introspect" if call.parts.method == Method::POST => Ok(oauth::answer(introspect::introspect(call).await)),
        "/follow" if call.parts.method == Method::POST => Ok(oauth::answer(follow::follow(call).await)),
        "/me" if read => sessions::me(call).await,
        "/sessions" if read => sessions::list(call).await,
        "/sessions" if call.parts.method == Method::DELETE => sessions::end_all(call).await,
        "/keys" if read => api_keys::list(call).await,
        "/keys" if call.parts.method == Method::POST => api_keys::create(call).await,
        "/jwks.json" if read => Ok(problem::json(http::StatusCode::OK, call.app.keys.load().jwks.clone())),
        _ if call.parts.method == Method::DELETE => {
            match (rest.strip_prefix("/sessions/"), rest.strip_prefix("/keys/")) {
                (Some(id), _) => sessions::end_one(call, id).await,
                (_, Some(id)) => api_keys::revoke(call, id).await,
                _ => Err(HttpError::MethodNotAllowed(allow)),
            }
        }
        _ => Err(HttpError::MethodNotAllowed(allow)),
    }
}
