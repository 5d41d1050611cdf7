//! Every HTTP endpoint of keyfob's own, on one page. What is not listed here belongs to the API behind ([`proxy`]).
//! Never decides: `keyfob_tower::guard` asks `keyfob_core::policy::decide`.

mod access;
mod attempt;
mod call;
mod check;
mod client;
mod cors;
mod form;
mod health;
mod login;
mod metadata;
mod password;
mod problem;
mod proxy;
mod request_id;
mod sessions;

use std::sync::Arc;

use http::{Method, Request, Response};
use hyper::body::Incoming;

use crate::app::App;
use crate::body::Body;
use crate::serve::listener::{Answer, Connection, Door};

use call::Call;
pub use metadata::Metadata;
use problem::HttpError;
use request_id::RequestId;
use tracing::Instrument;

/// What a handler gives back.
type Reply = Result<Response<Body>, HttpError>;

/// The front of the house: answers every request of both listeners.
pub struct Front(pub Arc<App>);

impl Answer for Front {
    async fn answer(&self, connection: &Connection, request: Request<Incoming>) -> Response<Body> {
        let id = RequestId::next();
        let line = access::Line::begin(id, connection, &request);
        let response = self.reply(connection, request, id).await;
        access::log(line, &response);
        response
    }
}

impl Front {
    async fn reply(&self, connection: &Connection, request: Request<Incoming>, id: RequestId) -> Response<Body> {
        let app = &self.0;
        match place(app, connection.door, request.uri().path()) {
            Place::Check(dialect) => check::answer(app, dialect, &request).await,
            Place::Api => proxy::answer(app, connection, request, id).await,
            // A span is affordable here and not where every call to the API passes.
            Place::Own => own(app, connection, request).instrument(tracing::info_span!("request", %id)).await,
            Place::WellKnown(document) => metadata::answer(app, document, &request),
            Place::Internal(page) => health::answer(app, page, request.method()).await,
            Place::Nowhere => HttpError::NotFound.into_response(),
        }
    }
}

/// Whose a path is.
enum Place {
    Check(check::Dialect),
    Own,
    WellKnown(metadata::Document),
    Api,
    Internal(health::Page),
    Nowhere,
}

/// `/auth` and everything under `/auth/` is keyfob's, known or not, so that no path of its own reaches the API behind;
/// so are two exact paths under `/.well-known/`.
fn place(app: &App, door: Door, path: &str) -> Place {
    let rest = path.strip_prefix(app.settings.prefix.as_str());
    let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match (rest, door) {
        (Some("/check/forward"), _) => Place::Check(check::Dialect::Forward),
        (Some("/check/nginx"), _) => Place::Check(check::Dialect::Nginx),
        (Some(rest), _) if rest.starts_with("/check/envoy/") => Place::Check(check::Dialect::Envoy),
        (Some(_), Door::Public) => Place::Own,
        (None, Door::Public) => metadata::Document::at(path).map_or(Place::Api, Place::WellKnown),
        (Some("/health/live"), Door::Internal) => Place::Internal(health::Page::Live),
        (Some("/health/ready"), Door::Internal) => Place::Internal(health::Page::Ready),
        (None, Door::Internal) if path == "/metrics" => Place::Internal(health::Page::Metrics),
        (_, Door::Internal) => Place::Nowhere,
    }
}

/// The methods of keyfob's own endpoints, as an `Allow` value; `None` where there is no such endpoint.
fn methods(rest: &str) -> Option<&'static str> {
    match rest {
        "/login" | "/logout" | "/password" => Some("POST, OPTIONS"),
        "/me" | "/jwks.json" => Some("GET, HEAD, OPTIONS"),
        "/sessions" => Some("GET, HEAD, DELETE, OPTIONS"),
        _ if rest.strip_prefix("/sessions/").is_some_and(|id| !id.contains('/')) => Some("DELETE, OPTIONS"),
        _ => None,
    }
}

async fn own(app: &Arc<App>, connection: &Connection, request: Request<Incoming>) -> Response<Body> {
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
    let read = call.parts.method == Method::GET || call.parts.method == Method::HEAD;
    match rest {
        "/login" if call.parts.method == Method::POST => login::login(call).await,
        "/logout" if call.parts.method == Method::POST => sessions::logout(call).await,
        "/password" if call.parts.method == Method::POST => password::change(call).await,
        "/me" if read => sessions::me(call).await,
        "/sessions" if read => sessions::list(call).await,
        "/sessions" if call.parts.method == Method::DELETE => sessions::end_all(call).await,
        "/jwks.json" if read => Ok(problem::json(http::StatusCode::OK, call.app.keys.load().jwks.clone())),
        _ => match rest.strip_prefix("/sessions/") {
            Some(id) if call.parts.method == Method::DELETE => sessions::end_one(call, id).await,
            _ => Err(HttpError::MethodNotAllowed(allow)),
        },
    }
}
