//! Streams and uploads of a session that has died: cut within two seconds, moving or silent.

mod gateway_support;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway_support::api::{self, scripted};
use gateway_support::{Alive, PATIENCE, Running, assert_problem, gate, read_until, serve, upstream};
use keyfob::config::HttpLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GET: &[u8] = b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

// A gate whose caller can be forbidden to go on.
async fn revocable(address: std::net::SocketAddr) -> (Running, Arc<Alive>) {
    let limits = HttpLimits::default();
    let gate = gate(&upstream(&format!("http://{address}")), &limits);
    let alive = gate.alive.clone();
    (serve(gate, limits, None, PATIENCE).await, alive)
}

#[tokio::test]
async fn a_stream_of_a_dead_session_is_cut_within_two_seconds() {
    let (address, _api) = scripted(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.expect("sent");
        while stream.write_all(b"4\r\ntick\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let (front, alive) = revocable(address).await;
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    stream.write_all(GET).await.expect("sent");
    // Longer than one beat: a stream of a live session goes on.
    for _ in 0..30 {
        read_until(&mut stream, "tick").await;
    }
    alive.0.store(false, Ordering::SeqCst);
    let rest = cut(&mut stream).await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the cut looks like an end");
}

#[tokio::test]
async fn a_silent_stream_of_a_dead_session_is_cut_too() {
    let ended = Arc::<Mutex<bool>>::default();
    let seen = ended.clone();
    let (address, _api) = scripted(move |mut stream| {
        let seen = seen.clone();
        async move {
            read_until(&mut stream, "\r\n\r\n").await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n").await.expect("sent");
            let _ = stream.read(&mut [0]).await;
            *seen.lock().expect("a flag") = true;
        }
    })
    .await;
    let (front, alive) = revocable(address).await;
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    stream.write_all(GET).await.expect("sent");
    read_until(&mut stream, "1\r\na\r\n").await;
    alive.0.store(false, Ordering::SeqCst);
    cut(&mut stream).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(*ended.lock().expect("a flag"), "the connection to the API stayed open");
}

#[tokio::test]
async fn an_upload_of_a_dead_session_is_cut() {
    let api = api::start().await;
    let (front, alive) = revocable(api.address).await;
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    stream.write_all(b"POST /count HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf").await.expect("sent");
    alive.0.store(false, Ordering::SeqCst);
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(3), stream.read_to_string(&mut answer)).await.expect("cut").expect("text");
    assert_problem(&answer, 401, "invalid-token");
}

/// What still comes until the connection is cut, which must be soon: within L = 2 s.
async fn cut(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut rest))
        .await
        .expect("cut in time")
        .expect("read");
    rest
}
