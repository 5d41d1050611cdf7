//! Accepts connections and speaks HTTP/1.1 and HTTP/2 on them (RFC 9112, RFC 9113); what to answer is the
//! [`Answer`]'s affair. Every wait has a limit, and a panic while answering is a 500, never the end of the server.

mod drive;
mod link;
mod proxy_protocol;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::tls;
use crate::body::Body;
use crate::config::{HttpLimits, Network};
use drive::Protocols;
use link::Link;

/// Wait after an accept error such as "too many open files", which would otherwise repeat at full speed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Streams an HTTP/2 client may have open at once: RFC 9113 §6.5.2 asks for no fewer than 100.
const H2_STREAMS_MAX: u32 = 128;

/// Streams a client may reset before they were answered, and resets its errors may cost us: the rapid-reset flood.
const H2_PENDING_RESETS_MAX: usize = 32;
const H2_ERROR_RESETS_MAX: usize = 256;

/// Flow-control window of one stream and of one connection, bytes: what a client may make us hold.
const H2_STREAM_WINDOW: u32 = 256 * 1024;
const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Bytes of answers held for one HTTP/2 stream that its client does not read.
const H2_SEND_BYTES_MAX: usize = 256 * 1024;

/// Between pings to a quiet HTTP/2 client, and until one unanswered means that it is gone.
const H2_PING: Duration = Duration::from_secs(30);
const H2_PONG: Duration = Duration::from_secs(20);

/// Quiet time before TCP asks whether the client still exists: open tunnels may be quiet for hours.
const TCP_KEEPALIVE: Duration = Duration::from_mins(1);

/// The first bytes of HTTP/2 without TLS (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Wait for the rest of a preface that came in pieces: rare, and bounded by the head timeout.
const PREFACE_PAUSE: Duration = Duration::from_millis(5);

/// Which listener a connection came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Where clients connect.
    Public,
    /// Where operators and proxies connect.
    Internal,
}

/// How a request arrived.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// Who connected: the client, or the last proxy.
    pub peer: SocketAddr,
    /// Whether TLS protects this connection.
    pub secure: bool,
    /// Through which listener.
    pub door: Door,
}

/// Answers requests.
pub trait Answer: Send + Sync + 'static {
    /// The answer to `request`. The future is dropped when its client goes away.
    fn answer(
        &self,
        connection: &Connection,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// What a connection begins with, before anybody speaks HTTP on it.
#[derive(Clone, Default)]
pub struct Opening {
    /// The proxies whose connections begin with the PROXY protocol; then there are no others. `None`: nobody speaks it.
    pub proxies: Option<Arc<[Network]>>,
    /// The certificate, where only TLS is spoken.
    pub tls: Option<Arc<tls::Reloadable>>,
}

impl From<Option<Arc<tls::Reloadable>>> for Opening {
    fn from(tls: Option<Arc<tls::Reloadable>>) -> Self {
        Self { proxies: None, tls }
    }
}

/// Serve until `shutdown` says true or its sender is gone; then stop accepting, let open requests finish, and close
/// what is still open after `drain`.
///
/// Accept errors are waited out; nothing but `shutdown` ends this.
pub async fn run<A: Answer>(
    listener: TcpListener,
    door: Door,
    opening: impl Into<Opening>,
    limits: HttpLimits,
    answer: Arc<A>,
    mut shutdown: watch::Receiver<bool>,
    drain: Duration,
) {
    let permits = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let opening = opening.into();
    let entrance = Arc::new(Entrance { door, opening, protocols: protocols(&limits), limits, answer });
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            _ = shutdown.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                tasks.spawn(enter(Arc::clone(&entrance), stream, peer, permit, shutdown.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while tasks.try_join_next().is_some() {}
    }
    drop(listener);
    let finished = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, finished).await.is_err() {
        tracing::warn!(connections = tasks.len(), "closing connections that did not finish in time");
        tasks.shutdown().await;
    }
}

// What all connections of a listener share.
struct Entrance<A> {
    door: Door,
    opening: Opening,
    protocols: Protocols,
    limits: HttpLimits,
    answer: Arc<A>,
}

/// The next connection, once there is room for one.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return Ok((stream, peer, permit)),
            // The client went away between the handshake and now: the next one is not to blame.
            Err(error) if is_the_clients(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn enter<A: Answer>(
    entrance: Arc<Entrance<A>>,
    stream: TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
    mut shutdown: watch::Receiver<bool>,
) {
    let greeted = tokio::select! {
        greeted = tokio::time::timeout(entrance.limits.head_timeout, greet(&entrance, stream, peer)) => greeted,
        _ = shutdown.wait_for(|stop| *stop) => return,
    };
    let (stream, h2, peer) = match greeted {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(error)) => return tracing::debug!(%error, "a connection broke before its first request"),
        Err(_late) => return tracing::debug!("a connection sent nothing in time"),
    };
    let secure = entrance.opening.tls.is_some();
    let connection = Connection { peer, secure, door: entrance.door };
    let link = Arc::new(Link::new(Arc::clone(&entrance.answer), connection, h2));
    match stream {
        Greeted::Plain(stream) => drive::serve(&entrance.protocols, stream, link, permit, shutdown).await,
        Greeted::Tls(stream) => drive::serve(&entrance.protocols, *stream, link, permit, shutdown).await,
    }
}

enum Greeted {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

/// Set the socket up, hear whose it is, shake hands, and tell whether the client speaks HTTP/2.
async fn greet<A>(
    entrance: &Entrance<A>,
    mut stream: TcpStream,
    mut peer: SocketAddr,
) -> io::Result<(Greeted, bool, SocketAddr)> {
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
    rustix::net::sockopt::set_tcp_keepidle(&stream, TCP_KEEPALIVE)?;
    if let Some(proxies) = &entrance.opening.proxies {
        peer = proxy_protocol::read(&mut stream, peer, proxies).await?;
    }
    match &entrance.opening.tls {
        None => {
            let h2 = opens_with_preface(&stream).await?;
            Ok((Greeted::Plain(stream), h2, peer))
        }
        Some(tls) => {
            let stream = tls.acceptor().accept(stream).await?;
            let h2 = stream.get_ref().1.alpn_protocol() == Some(tls::H2);
            Ok((Greeted::Tls(Box::new(stream)), h2, peer))
        }
    }
}

/// Whether the client speaks HTTP/2 by prior knowledge. Looks without taking, so nothing has to be put back.
async fn opens_with_preface(stream: &TcpStream) -> io::Result<bool> {
    let mut head = [0; PREFACE.len()];
    loop {
        let seen = stream.peek(&mut head).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if head[..seen] != PREFACE[..seen] {
            return Ok(false);
        }
        if seen == PREFACE.len() {
            return Ok(true);
        }
        tokio::time::sleep(PREFACE_PAUSE).await;
    }
}

fn protocols(limits: &HttpLimits) -> Protocols {
    let mut h1 = http1::Builder::new();
    // `drive` watches over heads and idle times with one timer a connection instead of one a request.
    // Never `pipeline_flush`: with unread bytes in the buffer it keeps hyper's own 400 and 431 unsent.
    h1.header_read_timeout(None).max_header_size(limits.head_bytes);
    let mut h2 = http2::Builder::new(TokioExecutor::new());
    h2.timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_pending_accept_reset_streams(H2_PENDING_RESETS_MAX)
        .max_local_error_reset_streams(H2_ERROR_RESETS_MAX)
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buf_size(H2_SEND_BYTES_MAX)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(H2_PING)
        .keep_alive_timeout(H2_PONG);
    Protocols { h1, h2, watch: drive::Watch::new(limits) }
}
