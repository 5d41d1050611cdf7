//! Bare hyper servers, to have a limit to compare with: the same runtime and the same connection settings as keyfob,
//! and nothing that looks at a request. `bare hello|check|proxy LISTEN UPSTREAM`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keyfob_tower::identity;
use tokio::net::TcpListener;

type Body = Either<Full<Bytes>, Incoming>;
type Problem = Box<dyn std::error::Error + Send + Sync>;

/// The API behind a proxy, and the connections to it.
struct Api {
    client: Client<HttpConnector, Incoming>,
    authority: Authority,
}

#[derive(Clone)]
enum Mode {
    Hello,
    Check,
    Proxy(Arc<Api>),
}

fn main() -> Result<(), Problem> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, listen, upstream] = &arguments[..] else { return Err("bare hello|check|proxy LISTEN UPSTREAM".into()) };
    let listen: SocketAddr = listen.parse()?;
    let mode = match mode.as_str() {
        "hello" => Mode::Hello,
        "check" => Mode::Check,
        "proxy" => Mode::Proxy(Arc::new(Api { client: client(), authority: upstream.parse()? })),
        _ => return Err("no such mode".into()),
    };
    // As `keyfob serve` builds its own.
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(listen, mode))
}

fn client() -> Client<HttpConnector, Incoming> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

async fn serve(listen: SocketAddr, mode: Mode) -> Result<(), Problem> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mode = mode.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(mode.clone(), request));
            // A connection that breaks is its client's affair.
            let _ = http1::Builder::new().pipeline_flush(true).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(mode: Mode, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    match mode {
        Mode::Hello => Ok(Response::new(Either::Left(Full::new(Bytes::from_static(b"hello"))))),
        Mode::Check => Ok(check()),
        Mode::Proxy(api) => {
            let mut parts = std::mem::take(request.uri_mut()).into_parts();
            parts.scheme = Some(Scheme::HTTP);
            parts.authority = Some(api.authority.clone());
            *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
            let response = api.client.request(request).await.map(|response| response.map(Either::Right));
            Ok(response.unwrap_or_else(|_| {
                let mut response = Response::new(Either::Left(Full::default()));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }))
        }
    }
}

/// The headers of keyfob's 200, with values as long as those of the measurement's users.
fn check() -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::default()));
    let headers = response.headers_mut();
    headers.reserve(identity::NAMES.len() + 1);
    let values = ["user123", "0190f2c4-6d7e-7c1a-9d55-0f6f3f0a9b12", "analyst", "reports:read"];
    for (name, value) in identity::NAMES.into_iter().zip(values) {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
