//! The front: whose a path is, for both listeners. Gives each request its id and its line in the access log, and hands it
//! to keyfob's own endpoints ([`http`]) or to the gateway's [`door`], which know nothing of each other. Never decides.

mod access;

use std::sync::Arc;

use ::http::{Request, Response};
use hyper::body::Incoming;
use tracing::Instrument;

use crate::app::App;
use crate::body::Body;
use crate::gateway::{Gateway, door};
use crate::http::{self, check, health, metadata};
use crate::metadata::Document;
use crate::request_id::RequestId;
use crate::serve::listener::{Answer, Connection, Door};

/// The front of the house: answers every request of both listeners.
pub(crate) struct Front {
    /// What both sides may touch.
    pub(crate) app: Arc<App>,
    /// The API behind, if there is one.
    pub(crate) gateway: Option<Gateway>,
}

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
        let app = &self.app;
        match place(app, connection.door, request.uri().path()) {
            Place::Check(dialect) => check::answer(app, connection, dialect, &request).await,
            Place::Api => door::answer(app, self.gateway.as_ref(), connection, request, id).await,
            // A span is affordable here and not where every call to the API passes.
            Place::Own => http::own(app, connection, request).instrument(tracing::info_span!("request", %id)).await,
            Place::WellKnown(document) => metadata::answer(app, document, &request),
            Place::Internal(page) => health::answer(app, page, request.method()).await,
            Place::Nowhere => http::nowhere(),
        }
    }
}

/// Whose a path is.
enum Place {
    Check(check::Dialect),
    Own,
    WellKnown(Document),
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
        (None, Door::Public) => Document::at(path).map_or(Place::Api, Place::WellKnown),
        (Some("/health/live"), Door::Internal) => Place::Internal(health::Page::Live),
        (Some("/health/ready"), Door::Internal) => Place::Internal(health::Page::Ready),
        (None, Door::Internal) if path == "/metrics" => Place::Internal(health::Page::Metrics),
        (_, Door::Internal) => Place::Nowhere,
    }
}
