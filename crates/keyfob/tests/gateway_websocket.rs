//! WebSocket handshakes and tunnels: only where the route allows them, only after the API's 101, and only as long as the caller may.

mod gateway_support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use gateway_support::api::{self, scripted};
use gateway_support::{PATIENCE, front, gate, read_until, serve, talk, upstream, within};
use keyfob::config::HttpLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn handshake(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\nx-auth-user: root\r\n\r\n"
    )
    .into_bytes()
}

#[tokio::test]
async fn a_tunnel_opens_after_101_and_carries_bytes_both_ways() {
    let api = api::start().await;
    let front = front(api.address).await;
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    stream.write_all(&handshake("/ws")).await.expect("sent");
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    for line in ["sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "upgrade: websocket", "connection: upgrade"] {
        assert!(head.contains(line), "{line} is missing in {head}");
    }
    for piece in ["one", "two", "three"] {
        stream.write_all(piece.as_bytes()).await.expect("sent");
        assert_eq!(read_until(&mut stream, piece).await, piece);
    }
    let seen = api.last();
    assert_eq!(
        (&seen["x-auth-user"], &seen["sec-websocket-version"]),
        (&"".parse().expect("one"), &"13".parse().expect("one"))
    );
    // Half of it may end first: what was sent before still comes back.
    stream.write_all(b"last").await.expect("sent");
    stream.shutdown().await.expect("half closed");
    let mut rest = String::new();
    within(stream.read_to_string(&mut rest)).await.expect("text");
    assert_eq!(rest, "last");
}

#[tokio::test]
async fn a_route_that_does_not_allow_websockets_refuses_them_and_the_api_sees_nothing() {
    let api = api::start().await;
    let front = front(api.address).await;
    let answer = talk(front.address, &handshake("/other")).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("websocket-not-allowed"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(
        talk(
            front.address,
            &[handshake("/guarded"), b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".to_vec()].concat()
        )
        .await
        .starts_with("HTTP/1.1 401")
    );
    assert!(api.lines().iter().all(|line| line == "GET /x"), "{:?}", api.lines());
}

#[tokio::test]
async fn no_byte_passes_before_101() {
    let (early, mut at_api) = tokio::sync::mpsc::channel(1);
    let (address, _api) = scripted(move |mut stream| {
        let early = early.clone();
        async move {
            read_until(&mut stream, "\r\n\r\n").await;
            let mut byte = [0];
            let before = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut byte)).await.is_ok();
            early.send(before).await.expect("the test listens");
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
                .await
                .expect("sent");
            stream.read_exact(&mut byte).await.expect("the byte");
            stream.write_all(b"done").await.expect("sent");
        }
    })
    .await;
    let front = front(address).await;
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    stream.write_all(&[handshake("/ws"), b"E".to_vec()].concat()).await.expect("sent");
    assert_eq!(within(at_api.recv()).await, Some(false), "a byte passed before 101");
    read_until(&mut stream, "done").await;
}

#[tokio::test]
async fn an_api_that_declines_answers_like_any_other_request() {
    let (address, _api) = scripted(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await.expect("sent");
        let _ = stream.read(&mut [0]).await;
    })
    .await;
    let front = front(address).await;
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    stream.write_all(&handshake("/ws")).await.expect("sent");
    let head = read_until(&mut stream, "no").await;
    assert!(head.starts_with("HTTP/1.1 403") && !head.contains("upgrade"), "{head}");
    // The next bytes are a request of their own.
    stream.write_all(b"GET /guarded HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 401"));
}

#[tokio::test]
async fn a_switch_to_something_else_is_502() {
    let (address, _api) = scripted(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n";
        stream.write_all(answer).await.expect("sent");
        let _ = stream.read(&mut [0]).await;
    })
    .await;
    let front = front(address).await;
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    stream.write_all(&handshake("/ws")).await.expect("sent");
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 502"));
}

#[tokio::test]
async fn a_tunnel_of_a_dead_session_is_cut_within_two_seconds() {
    let api = api::start().await;
    let limits = HttpLimits::default();
    let gate = gate(&upstream(&format!("http://{}", api.address)), &limits);
    let alive = gate.alive.clone();
    let front = serve(gate, limits, None, PATIENCE).await;
    let mut busy = TcpStream::connect(front.address).await.expect("a connection");
    let mut silent = TcpStream::connect(front.address).await.expect("a connection");
    for stream in [&mut busy, &mut silent] {
        stream.write_all(&handshake("/ws")).await.expect("sent");
        assert!(read_until(stream, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    }
    // A live session's tunnel outlives the first questions.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    busy.write_all(b"still").await.expect("sent");
    read_until(&mut busy, "still").await;

    alive.0.store(false, Ordering::SeqCst);
    let (mut read, mut write) = busy.into_split();
    let noise = tokio::spawn(async move {
        while write.write_all(b"noise").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut rest = Vec::new();
    let both = async {
        let _ = read.read_to_end(&mut rest).await;
        let _ = silent.read(&mut [0]).await;
    };
    tokio::time::timeout(Duration::from_secs(2), both).await.expect("cut in time");
    noise.abort();
}
