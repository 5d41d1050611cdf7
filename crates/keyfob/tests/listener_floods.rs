//! Floods of HTTP/2 frames (RFC 9113 §10.5) and heads that come slowly: what one client can make keyfob do is bounded, and
//! the others are served meanwhile. Frames are written by hand, because no client library would.

mod gateway_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gateway_support::{PATIENCE, Running, serve, talk, within};
use http::{Request, Response};
use hyper::body::Incoming;
use keyfob::body::Body;
use keyfob::config::HttpLimits;
use keyfob::serve::listener::{Answer, Connection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const GET: &[u8] = b"GET /quick HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `GET /never` of `a`, from the static table where it has it (RFC 7541 appendix A).
const NEVER: &[u8] = b"\x82\x86\x41\x01a\x44\x06/never";

/// More than any limit, and quickly sent.
const FLOOD: u32 = 20_000;

/// Counts what it is asked; `/never` has no answer.
struct Counter(Arc<AtomicUsize>);

impl Answer for Counter {
    async fn answer(&self, _: &Connection, request: Request<Incoming>) -> Response<Body> {
        self.0.fetch_add(1, Ordering::SeqCst);
        if request.uri().path() == "/never" {
            std::future::pending::<()>().await;
        }
        Response::new(Body::from(Bytes::from_static(b"quick")))
    }
}

async fn counting() -> (Running, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let front = serve(Counter(Arc::clone(&asked)), HttpLimits::default(), None, PATIENCE).await;
    (front, asked)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Send frames as fast as they are taken, and never read until the end. The other client is served meanwhile.
async fn flood(front: &Running, frames: impl Iterator<Item = Vec<u8>>) {
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    frames.for_each(|frame| bytes.extend(frame));
    let (mut read, mut write) = stream.split();
    let attack = async {
        // Cut off in the middle, as it should be.
        let _ = write.write_all(&bytes).await;
        let mut rest = Vec::new();
        let _ = read.read_to_end(&mut rest).await;
    };
    let other = async {
        for _ in 0..20 {
            assert!(talk(front.address, GET).await.starts_with("HTTP/1.1 200"));
        }
    };
    within(async { tokio::join!(attack, other) }).await;
}

fn streams() -> impl Iterator<Item = u32> {
    (0..FLOOD).map(|number| number * 2 + 1)
}

#[tokio::test]
async fn a_client_that_resets_its_requests_is_cut_off() {
    let (front, asked) = counting().await;
    let reset = |stream| {
        [frame(HEADERS, END_STREAM | END_HEADERS, stream, NEVER), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    };
    flood(&front, streams().map(reset)).await;
    let asked = asked.load(Ordering::SeqCst);
    assert!(asked < 20 + 1_000, "{asked} requests of a flood were judged");
}

#[tokio::test]
async fn a_client_that_waits_for_the_judgement_before_it_resets_is_cut_off_too() {
    let (front, asked) = counting().await;
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.expect("sent");
    let mut cut = false;
    for (number, id) in streams().enumerate().take(2_000) {
        let sent = stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, id, NEVER)).await;
        let judged = async {
            while asked.load(Ordering::SeqCst) <= number {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        // One that is not judged any more belongs to a connection that was cut.
        let in_time = tokio::time::timeout(Duration::from_secs(2), judged).await;
        if sent.is_err()
            || in_time.is_err()
            || stream.write_all(&frame(RST_STREAM, 0, id, &[0, 0, 0, 8])).await.is_err()
        {
            cut = true;
            break;
        }
    }
    assert!(cut && asked.load(Ordering::SeqCst) < 400, "{} were judged", asked.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_client_that_gives_up_some_requests_is_kept() {
    let (front, asked) = counting().await;
    let (mut sender, _driver) = gateway_support::http_2::<http_body_util::Empty<Bytes>>(front.address).await;
    let request =
        |target: &str| Request::get(format!("http://a{target}")).body(http_body_util::Empty::new()).expect("one");
    for _ in 0..300 {
        let before = asked.load(Ordering::SeqCst);
        let given_up = sender.send_request(request("/never"));
        let judged = async {
            while asked.load(Ordering::SeqCst) == before {
                tokio::task::yield_now().await;
            }
        };
        within(async {
            tokio::select! { _ = given_up => panic!("it has no answer"), () = judged => {} }
        })
        .await;
        assert_eq!(within(sender.send_request(request("/quick"))).await.expect("an answer").status(), 200);
    }
}

#[tokio::test]
async fn a_head_in_pieces_without_end_is_cut_off() {
    let (front, asked) = counting().await;
    let field = b"\x00\x01x\x7f\x81\x07".iter().copied().chain([b'y'; 1_024]).collect::<Vec<u8>>();
    let pieces = std::iter::once(frame(HEADERS, END_STREAM, 1, NEVER))
        .chain((0..FLOOD).map(|_| frame(CONTINUATION, 0, 1, &field[..])));
    flood(&front, pieces).await;
    // Empty ones carry nothing that a limit of bytes would count.
    let pieces = std::iter::once(frame(HEADERS, END_STREAM, 1, NEVER))
        .chain((0..FLOOD * 5).map(|_| frame(CONTINUATION, 0, 1, &[])));
    flood(&front, pieces).await;
    assert_eq!(asked.load(Ordering::SeqCst), 40, "only the others were judged");
}

#[tokio::test]
async fn settings_and_pings_without_end_stop_nobody_else() {
    for (kind, payload) in [(SETTINGS, &[][..]), (PING, &[7; 8])] {
        let (front, _) = counting().await;
        let mut stream = TcpStream::connect(front.address).await.expect("a connection");
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.expect("sent");
        let many: Vec<u8> = (0..FLOOD * 10).flat_map(|_| frame(kind, 0, 0, payload)).collect();
        // Whoever does not read what it asks for is not read either.
        let sent = tokio::time::timeout(Duration::from_secs(2), stream.write_all(&many)).await;
        for _ in 0..5 {
            assert!(talk(front.address, GET).await.starts_with("HTTP/1.1 200"), "{kind}: {sent:?}");
        }
    }
}
