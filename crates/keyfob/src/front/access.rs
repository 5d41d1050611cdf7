//! The access log: one line a request, at level `debug` of the target `keyfob::access`, and whatever ends in 5xx at `warn`.
//! It names method, path and client. Never the query, a header or a body: those carry secrets.

use std::net::SocketAddr;
use std::time::Instant;

use http::{Method, Request, Response};
use tracing::Level;

use crate::clock;
use crate::request_id::RequestId;
use crate::serve::listener::Connection;

/// What a line says of its request, kept only while somebody wants to read it.
pub(super) struct Line {
    id: RequestId,
    wanted: Option<(Method, String, SocketAddr, Instant)>,
}

impl Line {
    pub(super) fn begin<B>(id: RequestId, connection: &Connection, request: &Request<B>) -> Self {
        let wanted = tracing::enabled!(target: "keyfob::access", Level::DEBUG)
            .then(|| (request.method().clone(), request.uri().path().to_owned(), connection.peer, clock::instant()));
        Self { id, wanted }
    }
}

pub(super) fn log<B>(line: Line, response: &Response<B>) {
    let (id, status) = (line.id, response.status().as_u16());
    if let Some((method, path, peer, began)) = line.wanted {
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::debug!(target: "keyfob::access", %id, %method, path, %peer, status, micros);
    }
    if response.status().is_server_error() {
        tracing::warn!(%id, status, "a request ended in an error");
    }
}
