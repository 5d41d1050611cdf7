//! What the gateway's and the listener's tests share: an API to stand behind, a gate in front of it, and raw
//! connections. Loopback and port 0 only. The PEM files are of a throw-away authority whose key no longer exists.

#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::allow_attributes, reason = "an expectation would fail where everything is used")]

pub(crate) mod api;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keyfob::body::{Body, BodyError};
use keyfob::config::{HttpLimits, Upstream};
use keyfob::framing;
use keyfob::gateway::{ClientInfo, Gateway, StillAllowed};
use keyfob::serve::listener::{self, Answer, Connection, Door, Opening};
use keyfob_core::policy::{Ask, Decision, Evidence, Policy, decide};
use keyfob_core::time::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Long enough for anything on loopback, short enough to fail a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

const POLICY: &str = r#"
default = "deny"
[[routes]]
path = "/{*rest}"
public = true
[[routes]]
path = "/ws"
public = true
websocket = true
[[routes]]
path = "/with-authorization"
public = true
forward-authorization = true
[[routes]]
path = "/guarded"
signed-in = true
"#;

/// A running listener; dropped, it stops.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An HTTP/2 connection without TLS (RFC 9113 §3.3), and its driver.
pub(crate) async fn http_2<B>(address: SocketAddr) -> (http2::SendRequest<B>, JoinHandle<hyper::Result<()>>)
where
    B: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + Unpin + 'static,
{
    let io = TokioIo::new(TcpStream::connect(address).await.expect("a connection"));
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.expect("an HTTP/2 handshake");
    (sender, tokio::spawn(connection))
}

pub(crate) async fn serve<A: Answer>(
    answer: A,
    limits: HttpLimits,
    opening: impl Into<Opening>,
    drain: Duration,
) -> Running {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("an address");
    let (stop, stopped) = watch::channel(false);
    let opening = opening.into();
    let task = tokio::spawn(listener::run(socket, Door::Public, opening, limits, Arc::new(answer), stopped, drain));
    Running { address, stop, task }
}

/// Decides by a policy of public routes, remembers what it allowed, and forwards it.
pub(crate) struct Gate {
    gateway: Gateway,
    policy: Policy,
    pub(crate) allowed: Arc<Mutex<Vec<String>>>,
    pub(crate) alive: Arc<Alive>,
}

pub(crate) struct Alive(pub(crate) AtomicBool);

impl StillAllowed for Alive {
    fn still_allowed(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Answer for Gate {
    async fn answer(&self, connection: &Connection, request: Request<Incoming>) -> Response<Body> {
        let host = match framing::check(&request) {
            Ok(host) => host.to_owned(),
            Err(bad) => return bad.response(),
        };
        let target = request.uri().path_and_query().expect("checked").as_str();
        let Ok(ask) = Ask::parse(request.method().as_str(), &host, target.as_bytes()) else {
            return status(StatusCode::BAD_REQUEST);
        };
        let line = format!("{} {}", ask.method(), ask.target());
        match decide(&self.policy, ask, &Evidence::Nothing, Timestamp::from_seconds(0)) {
            Decision::Allow(permit) => {
                self.allowed.lock().expect("a list").push(line);
                let client = ClientInfo {
                    address: connection.peer.ip(),
                    forwarded_for: None,
                    proto: "http",
                    assertion: None,
                    host: HeaderValue::from_str(&host).ok(),
                };
                self.gateway.forward(permit, request, &client, self.alive.clone()).await
            }
            Decision::Refuse(_) => status(StatusCode::UNAUTHORIZED),
        }
    }
}

pub(crate) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

pub(crate) fn upstream(origin: &str) -> Upstream {
    Upstream { response_timeout: Duration::from_secs(5), ..Upstream::at(vec![origin.parse().expect("an origin")]) }
}

pub(crate) fn gate(upstream: &Upstream, limits: &HttpLimits) -> Gate {
    gate_of(Gateway::new(upstream, limits).expect("a gateway"))
}

pub(crate) fn gate_of(gateway: Gateway) -> Gate {
    Gate {
        gateway,
        policy: Policy::parse(POLICY, 1).expect("a policy"),
        allowed: Arc::default(),
        alive: Arc::new(Alive(AtomicBool::new(true))),
    }
}

/// A gate with default settings in front of `upstream`.
pub(crate) async fn front(address: SocketAddr) -> Running {
    front_with(&upstream(&format!("http://{address}")), HttpLimits::default()).await
}

pub(crate) async fn front_with(upstream: &Upstream, limits: HttpLimits) -> Running {
    serve(gate(upstream, &limits), limits, None, PATIENCE).await
}

pub(crate) fn pem(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/gateway_support/pem").join(name)
}

/// Send bytes, and read until the server closes.
pub(crate) async fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(bytes).await.expect("sent");
    let mut answer = Vec::new();
    // A reset after the answer is an end like any other.
    let _ = within(stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Read until `end` was seen.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(end.as_bytes()) {
        let count = within(stream.read(&mut byte)).await.expect("more bytes");
        assert_ne!(count, 0, "closed after {:?}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

/// An answer of keyfob's own: RFC 9457, never stored.
pub(crate) fn assert_problem(answer: &str, status: u16, kind: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
    assert!(answer.contains("cache-control: no-store\r\n"), "{answer}");
    assert!(answer.contains(&format!(r#""type":"urn:keyfob:problem:{kind}""#)), "{answer}");
}
