//! The access log: one line a request, at level `debug` of the target `keyfob::access`, and whatever ends in 5xx at `warn`.
//! It names method, path and client. Never the query, a header or a body: those carry secrets; and of a path that carries one,
//! by a mistake such as a key given for its id, only what stands before it (RFC 6750 §5.3: bearer tokens in page URLs).

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Instant;

use http::{Method, Request, Response};
use percent_encoding::percent_decode_str;
use tracing::Level;

use crate::clock;
use crate::looks_secret::looks_secret;
use crate::request_id::RequestId;
use crate::serve::listener::Connection;

/// What a line says of its request, kept only while somebody wants to read it. A request whose client goes away before it
/// is answered leaves its line too: it may have reached the API.
pub(super) struct Line {
    id: RequestId,
    wanted: Option<(Method, String, SocketAddr, Instant)>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.write(None);
    }
}

impl Line {
    pub(super) fn begin<B>(id: RequestId, connection: &Connection, request: &Request<B>) -> Self {
        let wanted = tracing::enabled!(target: "keyfob::access", Level::DEBUG)
            .then(|| (request.method().clone(), request.uri().path().to_owned(), connection.peer, clock::instant()));
        Self { id, wanted }
    }

    /// At most once. `status`: none where nobody waited for the answer.
    fn write(&mut self, status: Option<u16>) {
        let id = self.id;
        if let Some((method, path, peer, began)) = self.wanted.take() {
            let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            let path = &*without_secret(&path);
            tracing::debug!(target: "keyfob::access", %id, %method, path, %peer, status, micros);
        }
    }
}

pub(super) fn log<B>(mut line: Line, response: &Response<B>) {
    let (id, status) = (line.id, response.status().as_u16());
    line.write(Some(status));
    if response.status().is_server_error() {
        tracing::warn!(%id, status, "a request ended in an error");
    }
}

/// The path up to the first segment that has one of our secrets or a token in it, however it is encoded and whatever is
/// before it there, such as `Bearer%20`.
fn without_secret(path: &str) -> Cow<'_, str> {
    let is_secret = |segment: &str| looks_secret(&percent_decode_str(segment).decode_utf8_lossy());
    let mut at = 0;
    for segment in path.split('/') {
        if is_secret(segment) {
            return Cow::Owned(format!("{}…", path.get(..at).unwrap_or_default()));
        }
        at += segment.len() + 1;
    }
    Cow::Borrowed(path)
}

#[cfg(test)]
mod tests {
    use super::without_secret;

    #[test]
    fn a_path_is_logged_up_to_the_secret_in_it() {
        for (path, logged) in [
            ("/", "/"),
            ("/things/1//eyJ/fob/", "/things/1//eyJ/fob/"),
            ("/auth/keys/fob_key_AAAA", "/auth/keys/…"),
            ("/a/Bearer%20fob_ref_AAAA/b", "/a/…"),
            ("/eyJhbGciOiJFUzI1NiJ9.e30.AAAA", "/…"),
            ("/a/Bearer%20eyJhbGciOiJFUzI1NiJ9.e30.AAAA", "/a/…"),
            ("/a/token=eyJhbGciOiJFUzI1NiJ9.e30.AAAA", "/a/…"),
            ("/a/fob%5Fkey%5FAAAA", "/a/…"),
            ("/a/eyJhbGciOiJFUzI1NiJ9%2Ee30%2EAAAA", "/a/…"),
            ("/a/b.eyJ", "/a/b.eyJ"),
            ("/a/100%/%zz", "/a/100%/%zz"),
            ("*", "*"),
        ] {
            assert_eq!(without_secret(path), logged, "{path}");
        }
    }
}
