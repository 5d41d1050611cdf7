//! One connection to an API as requests see it: HTTP/1.1 (RFC 9112), or HTTP/2 (RFC 9113) where the settings say that the
//! API speaks it, without TLS by prior knowledge. Either carries one message at a time, so no stream waits for another's
//! flow control and no answer can reach another request. Never chooses a version by itself.

use std::io;
use std::time::Duration;

use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;

use super::upload::Upload;

/// Flow-control window of an answer, bytes: what an API may make us hold for one slow client.
const WINDOW: u32 = 256 * 1024;

/// Bytes of an answer's head, its trailers included each time.
const HEAD_BYTES_MAX: u32 = 64 * 1024;

/// Between pings to an API with a stream open, and until one unanswered means that it is gone.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(20);

pub(super) enum Sender {
    Http1(http1::SendRequest<Upload>),
    Http2(http2::SendRequest<Upload>),
}

impl Sender {
    /// Speak HTTP on a new connection, which holds `permit` to its end.
    pub(super) async fn open<T>(stream: T, permit: OwnedSemaphorePermit, http2: bool) -> io::Result<Self>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = TokioIo::new(stream);
        if http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .initial_stream_window_size(WINDOW)
                .max_header_list_size(HEAD_BYTES_MAX)
                .keep_alive_interval(PING)
                .keep_alive_timeout(PONG);
            let (sender, connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
            drive(connection, permit);
            return Ok(Self::Http2(sender));
        }
        let (sender, connection) = http1::Builder::new().handshake(stream).await.map_err(io::Error::other)?;
        drive(connection.with_upgrades(), permit);
        Ok(Self::Http1(sender))
    }

    pub(super) fn is_ready(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_ready(),
            Self::Http2(sender) => sender.is_ready(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }

    /// Whether it may carry another message, once the one before is over.
    pub(super) async fn becomes_ready(&mut self) -> bool {
        match self {
            Self::Http1(sender) => sender.ready().await.is_ok(),
            Self::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Send a request; an error holds it if no byte of it was written.
    pub(super) async fn send(
        &mut self,
        request: Request<Upload>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Upload>>> {
        match self {
            Self::Http1(sender) => sender.try_send_request(request).await,
            Self::Http2(sender) => sender.try_send_request(request).await,
        }
    }
}

/// A request as HTTP/2 has it (RFC 9113 §8.2.2, §8.3.1): no field of a connection, and the host in `:authority`.
pub(super) fn as_http2(request: &mut Request<Upload>, secure: bool) {
    let headers = request.headers_mut();
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    let authority = headers.remove(HOST).and_then(|host: HeaderValue| Authority::try_from(host.as_bytes()).ok());
    *request.version_mut() = Version::HTTP_2;
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    // A request that is sent once more has no `Host` any more, and keeps the authority that it was given from it.
    if let Some(authority) = authority.or(parts.authority.take()) {
        parts.authority = Some(authority);
        parts.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
    }
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}

fn drive<C, E>(connection: C, permit: OwnedSemaphorePermit)
where
    C: Future<Output = Result<(), E>> + Send + 'static,
    E: std::fmt::Display,
{
    tokio::spawn(async move {
        let _permit = permit;
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the upstream broke");
        }
    });
}
