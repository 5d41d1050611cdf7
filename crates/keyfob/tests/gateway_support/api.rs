//! APIs to stand behind: one that speaks HTTP by hyper, and one that answers raw bytes with raw bytes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

type Answer = BoxBody<Bytes, hyper::Error>;

/// What the API saw: request lines, fields, and how many connections.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) lines: Vec<String>,
    pub(crate) fields: Vec<HeaderMap>,
    pub(crate) connections: usize,
}

pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Api {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen.lock().expect("seen").lines.clone()
    }

    pub(crate) fn last(&self) -> HeaderMap {
        self.seen.lock().expect("seen").fields.last().expect("a request").clone()
    }
}

pub(crate) async fn start() -> Api {
    start_at("127.0.0.1:0").await
}

pub(crate) async fn start_at(address: &str) -> Api {
    let listener = TcpListener::bind(address).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let seen = Arc::<Mutex<Seen>>::default();
    let all = seen.clone();
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a socket");
            all.lock().expect("seen").connections += 1;
            let seen = all.clone();
            let service = service_fn(move |request| answer(request, seen.clone()));
            connections.spawn(async move {
                let connection = hyper::server::conn::http1::Builder::new()
                    .header_read_timeout(None)
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                let _ = connection.await;
            });
        }
    });
    Api { address, seen, task }
}

async fn answer(mut request: Request<Incoming>, seen: Arc<Mutex<Seen>>) -> Result<Response<Answer>, Infallible> {
    {
        let mut seen = seen.lock().expect("seen");
        seen.lines.push(format!("{} {}", request.method(), request.uri()));
        seen.fields.push(request.headers().clone());
    }
    let builder = Response::builder();
    Ok(match request.uri().path() {
        "/echo" => {
            let kind = request.headers().get("content-type").cloned();
            let mut response = Response::new(request.into_body().boxed());
            if let Some(kind) = kind {
                response.headers_mut().insert("content-type", kind);
            }
            response
        }
        "/count" => {
            let mut total = 0;
            let mut trailers = String::new();
            while let Some(Ok(frame)) = request.body_mut().frame().await {
                match frame.into_data() {
                    Ok(data) => total += data.len(),
                    Err(frame) => trailers = format!("{:?}", frame.trailers_ref()),
                }
            }
            Response::new(full(format!("{total} {trailers}")))
        }
        "/big" => Response::new(pieces((0..160).map(|_| Frame::data(Bytes::from(vec![7; 64 * 1024]))))),
        "/trailers" => builder
            .header("trailer", "x-sum")
            .body(pieces([
                Frame::data(Bytes::from_static(b"whole")),
                Frame::trailers(HeaderMap::from_iter([(
                    HeaderName::from_static("x-sum"),
                    HeaderValue::from_static("42"),
                )])),
            ]))
            .expect("a response"),
        "/fields" => builder
            .status(207)
            .header("set-cookie", "a=1; Path=/")
            .header("set-cookie", "b=2")
            .header("content-encoding", "gzip")
            .header("x-odd", "  a,b ;c")
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .body(full("\u{1f}\u{8}not really gzip"))
            .expect("a response"),
        "/cached" => builder.header("cache-control", "public, max-age=60").body(full("kept")).expect("a response"),
        "/never" => std::future::pending().await,
        "/redirect" => builder.status(302).header("location", "http://elsewhere.example/x").body(none()).expect("one"),
        "/not-modified" => builder.status(304).header("etag", "\"7\"").body(none()).expect("a response"),
        "/early" => builder.status(418).body(full("no need for your body")).expect("a response"),
        "/ws" if request.headers().contains_key("upgrade") => web_socket(&mut request),
        _ => Response::new(full("hello")),
    })
}

// Echoes bytes, not frames: the gateway looks at neither.
fn web_socket(request: &mut Request<Incoming>) -> Response<Answer> {
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
        let _ = tokio::io::copy(&mut read, &mut write).await;
        let _ = write.shutdown().await;
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        .body(none())
        .expect("a response")
}

fn full(text: impl Into<Bytes>) -> Answer {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

fn none() -> Answer {
    Empty::new().map_err(|never| match never {}).boxed()
}

fn pieces<I>(frames: I) -> Answer
where
    I: IntoIterator<Item = Frame<Bytes>>,
    I::IntoIter: Send + Sync + Unpin + 'static,
{
    BodyExt::boxed(Pieces(frames.into_iter()))
}

struct Pieces<I>(I);

impl<I: Iterator<Item = Frame<Bytes>> + Unpin> http_body::Body for Pieces<I> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

/// An API that accepts one connection after the other and lets `script` have each.
pub(crate) async fn scripted<S, F>(script: S) -> (SocketAddr, tokio::task::JoinHandle<()>)
where
    S: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let task = tokio::spawn(async move {
        let mut scripts = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            scripts.spawn(script(stream));
        }
    });
    (address, task)
}
