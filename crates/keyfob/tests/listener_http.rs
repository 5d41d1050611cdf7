//! The listener's limits and its end, over real sockets.

mod gateway_support;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gateway_support::{PATIENCE, http_2, pem, read_until, serve, talk, within};
use http::{Request, Response, Version};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keyfob::body::{Body, BodyError};
use keyfob::config::{HttpLimits, Network};
use keyfob::serve::listener::{Answer, Connection, Opening};
use keyfob::serve::tls::Reloadable;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Says how the request arrived; `/panic` panics, `/slow` takes a moment, `/flood` is more than a socket holds,
/// `/stream` has a body in pieces without end, and `/silent` one that never comes.
struct Teller;

impl Answer for Teller {
    async fn answer(&self, connection: &Connection, request: Request<Incoming>) -> Response<Body> {
        match request.uri().path() {
            "/panic" => panic!("on purpose"),
            "/slow" => tokio::time::sleep(Duration::from_millis(400)).await,
            "/flood" => return Response::new(Body::from(Bytes::from(vec![0; 64 << 20]))),
            "/stream" => return Response::new(Body::Stream { stream: UnsyncBoxBody::new(Pieces(true)) }),
            "/silent" => return Response::new(Body::Stream { stream: UnsyncBoxBody::new(Pieces(false)) }),
            _ => {}
        }
        let secure = if connection.secure { "secure" } else { "clear" };
        Response::new(Body::from(Bytes::from(format!("{:?} {secure}", request.version()))))
    }
}

/// Pieces without end, or none at all.
struct Pieces(bool);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.0 { Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[7; 8192]))))) } else { Poll::Pending }
    }
}

fn quick() -> HttpLimits {
    HttpLimits {
        head_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(600),
        body_idle_timeout: Duration::from_millis(400),
        ..HttpLimits::default()
    }
}

// How long the server keeps an open connection, from now on.
async fn kept(stream: &mut TcpStream) -> Duration {
    let started = tokio::time::Instant::now();
    let mut rest = Vec::new();
    let _ = within(stream.read_to_end(&mut rest)).await;
    started.elapsed()
}

#[tokio::test]
async fn a_connection_carries_many_requests() {
    let server = serve(Teller, HttpLimits::default(), None, PATIENCE).await;
    let mut stream = TcpStream::connect(server.address).await.expect("a connection");
    for _ in 0..3 {
        stream.write_all(GET).await.expect("sent");
        assert!(read_until(&mut stream, "HTTP/1.1 clear").await.starts_with("HTTP/1.1 200 OK"));
    }
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_server_lives() {
    let server = serve(Teller, HttpLimits::default(), None, PATIENCE).await;
    let answer = talk(server.address, b"GET /panic HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(answer.contains("urn:keyfob:problem:internal"), "{answer}");
    let answer = talk(server.address, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn silence_and_a_dribbled_head_end_at_the_head_timeout() {
    let server = serve(Teller, quick(), None, PATIENCE).await;
    let mut silent = TcpStream::connect(server.address).await.expect("a connection");
    let (mut read, mut write) = TcpStream::connect(server.address).await.expect("a connection").into_split();
    let dribble = tokio::spawn(async move {
        let head = b"GET / HTTP/1.1\r\nx: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        for byte in head {
            if write.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let started = tokio::time::Instant::now();
    let mut rest = Vec::new();
    let _ = within(read.read_to_end(&mut rest)).await;
    assert!(started.elapsed() < Duration::from_millis(1_500), "{:?}", started.elapsed());
    assert!(kept(&mut silent).await < Duration::from_millis(1_500));
    dribble.abort();
}

#[tokio::test]
async fn an_idle_connection_outlives_the_head_timeout_and_ends_at_the_idle_timeout() {
    let server = serve(Teller, quick(), None, PATIENCE).await;
    let mut stream = TcpStream::connect(server.address).await.expect("a connection");
    stream.write_all(GET).await.expect("sent");
    read_until(&mut stream, "clear").await;
    let kept = kept(&mut stream).await;
    assert!(kept > Duration::from_millis(500) && kept < Duration::from_secs(2), "{kept:?}");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_let_go() {
    let server = serve(Teller, HttpLimits { connections: 1, ..quick() }, None, PATIENCE).await;
    let mut deaf = TcpStream::connect(server.address).await.expect("a connection");
    deaf.write_all(b"GET /flood HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    // There is room for one connection only: the next one is served when the deaf one is gone.
    let answer = talk(server.address, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn an_http_2_client_that_reads_one_answer_and_not_the_other_is_let_go() {
    let server = serve(Teller, quick(), None, PATIENCE).await;
    let (mut sender, connection) = http_2(server.address).await;
    let get = |path: &str| Request::get(format!("http://a{path}")).body(Empty::<Bytes>::new()).expect("a request");
    // Its window is full, and nothing of it is read.
    let _unread = within(sender.send_request(get("/stream"))).await.expect("an answer");
    let mut busy = sender.clone();
    let busy = tokio::spawn(async move {
        while let Ok(answer) = busy.send_request(get("/")).await {
            let _ = answer.into_body().collect().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let _ = within(connection).await;
    busy.abort();
}

#[tokio::test]
async fn an_http_2_client_that_waits_for_its_answer_is_kept() {
    let server = serve(Teller, quick(), None, PATIENCE).await;
    let (mut sender, connection) = http_2(server.address).await;
    let get = |path: &str| Request::get(format!("http://a{path}")).body(Empty::<Bytes>::new()).expect("a request");
    let _silent = within(sender.send_request(get("/silent"))).await.expect("an answer");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!connection.is_finished());
    assert!(within(sender.send_request(get("/"))).await.expect("an answer").status().is_success());
}

#[tokio::test]
async fn a_head_beyond_its_limit_is_431() {
    let server = serve(Teller, HttpLimits { head_bytes: 8 * 1024, ..HttpLimits::default() }, None, PATIENCE).await;
    let request = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "a".repeat(9 * 1024));
    let answer = talk(server.address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn an_answer_reaches_a_client_that_still_sends() {
    let server = serve(Teller, HttpLimits { head_bytes: 8 * 1024, ..HttpLimits::default() }, None, PATIENCE).await;
    let mut stream = TcpStream::connect(server.address).await.expect("a connection");
    let head = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "a".repeat(9 * 1024));
    stream.write_all(head.as_bytes()).await.expect("sent");
    // The answer is there and the connection over, but the client is not done yet.
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        stream.write_all(&[b'a'; 1024]).await.expect("no reset");
    }
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_their_turn() {
    let server = serve(Teller, HttpLimits { connections: 1, ..HttpLimits::default() }, None, PATIENCE).await;
    let mut first = TcpStream::connect(server.address).await.expect("a connection");
    first.write_all(GET).await.expect("sent");
    read_until(&mut first, "clear").await;
    let mut second = TcpStream::connect(server.address).await.expect("the backlog has room");
    second.write_all(GET).await.expect("sent");
    let early = tokio::time::timeout(Duration::from_millis(200), second.readable()).await;
    assert!(early.is_err(), "a second connection was served beyond the cap");
    drop(first);
    read_until(&mut second, "clear").await;
}

#[tokio::test]
async fn shutdown_lets_open_requests_finish_and_takes_no_new_ones() {
    let mut server = serve(Teller, HttpLimits::default(), None, PATIENCE).await;
    let mut idle = TcpStream::connect(server.address).await.expect("a connection");
    idle.write_all(GET).await.expect("sent");
    read_until(&mut idle, "clear").await;
    let mut busy = TcpStream::connect(server.address).await.expect("a connection");
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.send(true).expect("a listener");
    assert!(kept(&mut idle).await < Duration::from_millis(300), "an idle connection was kept");
    assert!(read_until(&mut busy, "clear").await.starts_with("HTTP/1.1 200"));
    within(&mut server.task).await.expect("no panic");
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn shutdown_closes_what_does_not_finish_in_time() {
    let mut server = serve(Teller, HttpLimits::default(), None, Duration::from_millis(50)).await;
    let mut busy = TcpStream::connect(server.address).await.expect("a connection");
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.send(true).expect("a listener");
    within(&mut server.task).await.expect("no panic");
    let mut answer = Vec::new();
    let _ = within(busy.read_to_end(&mut answer)).await;
    assert!(answer.is_empty());
}

#[tokio::test]
async fn http_2_is_spoken_by_prior_knowledge() {
    let server = serve(Teller, HttpLimits::default(), None, PATIENCE).await;
    let stream = TcpStream::connect(server.address).await.expect("a connection");
    let io = TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("a handshake");
    tokio::spawn(connection);
    let request = Request::get(format!("http://{}/", server.address)).body(Empty::<Bytes>::new()).expect("a request");
    let response = within(sender.send_request(request)).await.expect("an answer");
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
}

// The common name of the certificate that a new connection is shown, and what its first answer says.
async fn over_tls(address: std::net::SocketAddr, alpn: &[u8]) -> (Vec<u8>, String) {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pem("authority.pem")).expect("PEM")).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(address).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS");
    let shown = stream.get_ref().1.peer_certificates().expect("certificates")[0].to_vec();
    let io = TokioIo::new(stream);
    let request = Request::get("https://localhost/").header("host", "localhost").body(Empty::<Bytes>::new());
    let request = request.expect("a request");
    let response = if alpn == b"h2" {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("a handshake");
        tokio::spawn(connection);
        within(sender.send_request(request)).await.expect("an answer")
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("a handshake");
        tokio::spawn(connection);
        within(sender.send_request(request)).await.expect("an answer")
    };
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (shown, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn tls_offers_both_versions_and_takes_a_new_certificate_without_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
    let put = |name: &str| {
        std::fs::copy(pem(&format!("{name}.pem")), &certificate).expect("copied");
        std::fs::copy(pem(&format!("{name}.key")), &key).expect("copied");
    };
    put("first");
    let tls = Arc::new(Reloadable::load(&certificate, &key).expect("a certificate"));
    let server = serve(Teller, HttpLimits::default(), Some(tls.clone()), PATIENCE).await;
    let (first, body) = over_tls(server.address, b"h2").await;
    assert_eq!(body, "HTTP/2.0 secure");
    assert_eq!(over_tls(server.address, b"http/1.1").await, (first.clone(), "HTTP/1.1 secure".to_owned()));

    put("second");
    tls.reload().expect("a certificate");
    let (second, _) = over_tls(server.address, b"h2").await;
    assert_ne!(first, second);

    // A key that does not belong to the certificate is refused, and the one in force stays.
    std::fs::copy(pem("first.key"), &key).expect("copied");
    assert!(tls.reload().is_err());
    std::fs::write(&certificate, "nothing").expect("written");
    assert!(tls.reload().is_err());
    assert_eq!(over_tls(server.address, b"h2").await.0, second);
}

/// Says who asks.
struct Who;

impl Answer for Who {
    async fn answer(&self, connection: &Connection, _: Request<Incoming>) -> Response<Body> {
        Response::new(Body::from(Bytes::from(connection.peer.to_string())))
    }
}

#[tokio::test]
async fn a_balancer_that_is_trusted_says_whose_a_connection_is() {
    const HEAD: &str = "PROXY TCP4 203.0.113.9 192.0.2.2 5000 443\r\n";
    let loopback = Network { address: [127, 0, 0, 0].into(), prefix_length: 8 };
    let elsewhere = Network { address: [192, 0, 2, 0].into(), prefix_length: 24 };
    let get = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let before = |proxies: Option<Network>| {
        let proxies = proxies.map(|proxies| [proxies].as_slice().into());
        serve(Who, quick(), Opening { proxies, tls: None }, PATIENCE)
    };
    let front = before(Some(loopback)).await;
    assert!(talk(front.address, format!("{HEAD}{get}").as_bytes()).await.ends_with("203.0.113.9:5000"));
    assert!(talk(front.address, format!("PROXY UNKNOWN\r\n{get}").as_bytes()).await.contains("127.0.0.1:"));
    // Who says nothing, or anything else, is closed without a word.
    assert_eq!(talk(front.address, get.as_bytes()).await, "");
    assert_eq!(talk(front.address, format!("{}{get}", HEAD.replace("TCP4", "TCP5")).as_bytes()).await, "");
    // The client behind cannot say it once more.
    let twice = talk(front.address, format!("{HEAD}{}{get}", HEAD.replace("203", "198")).as_bytes()).await;
    assert!(twice.starts_with("HTTP/1.1 400"), "{twice}");
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    stream.write_all(&HEAD.as_bytes()[..20]).await.expect("sent");
    assert!(kept(&mut stream).await < Duration::from_secs(2), "a head that does not come is not waited for");
    let untrusted = before(Some(elsewhere)).await;
    assert_eq!(talk(untrusted.address, format!("{HEAD}{get}").as_bytes()).await, "");
    let off = before(None).await;
    let answer = talk(off.address, format!("{HEAD}{get}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn plaintext_to_a_tls_listener_is_not_answered() {
    let tls = Arc::new(Reloadable::load(&pem("first.pem"), &pem("first.key")).expect("a certificate"));
    let server = serve(Teller, quick(), Some(tls), PATIENCE).await;
    assert!(!talk(server.address, GET).await.contains("HTTP/1.1 200"));
}
