//! An API that is away, slow or broken, and clients whose bodies break a limit: each gets its own problem document,
//! and the gateway goes on.

mod gateway_support;

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gateway_support::api::{self, scripted};
use gateway_support::{assert_problem, front, front_with, read_until, talk, upstream, within};
use keyfob::config::HttpLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const GET: &[u8] = b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const GET_NEVER: &[u8] = b"GET /never HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

fn hasty() -> HttpLimits {
    HttpLimits { body_idle_timeout: Duration::from_millis(200), ..HttpLimits::default() }
}

#[tokio::test]
async fn a_dead_api_is_502_and_comes_back() {
    let api = api::start().await;
    let address = api.address;
    let front = front(address).await;
    assert!(talk(front.address, GET).await.starts_with("HTTP/1.1 200"));
    drop(api);
    // The kept-alive connection may die a moment later than the listener.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_problem(&talk(front.address, GET).await, 502, "upstream-unreachable");
    let _api = api::start_at(&address.to_string()).await;
    assert!(talk(front.address, GET).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_api_that_does_not_answer_is_504() {
    let api = api::start().await;
    let mut settings = upstream(&format!("http://{}", api.address));
    settings.response_timeout = Duration::from_millis(200);
    let front = front_with(&settings, HttpLimits::default()).await;
    assert_problem(&talk(front.address, GET_NEVER).await, 504, "upstream-timeout");
    assert!(talk(front.address, GET).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn each_answer_on_a_kept_connection_has_the_whole_limit() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    // Quick, then slow but in time, then never.
    let (address, _api) = scripted(move |mut stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            for pause in [0, 300, 300] {
                read_until(&mut stream, "\r\n\r\n").await;
                tokio::time::sleep(Duration::from_millis(pause)).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("sent");
            }
            read_until(&mut stream, "\r\n\r\n").await;
            std::future::pending::<()>().await;
        }
    })
    .await;
    let mut settings = upstream(&format!("http://{address}"));
    settings.response_timeout = Duration::from_millis(450);
    let front = front_with(&settings, HttpLimits::default()).await;
    for _ in 0..3 {
        assert!(talk(front.address, GET).await.starts_with("HTTP/1.1 200"));
        // Longer than what was left of the limit of the answer before.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_problem(&talk(front.address, GET).await, 504, "upstream-timeout");
    assert_eq!(connections.load(Ordering::SeqCst), 1, "all of it is about one kept connection");
}

#[tokio::test]
async fn a_slow_upload_is_not_a_slow_answer() {
    let api = api::start().await;
    let mut settings = upstream(&format!("http://{}", api.address));
    settings.response_timeout = Duration::from_millis(200);
    let front = front_with(&settings, HttpLimits::default()).await;
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    stream.write_all(b"POST /count HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n").await.expect("sent");
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(80)).await;
        stream.write_all(b"a").await.expect("sent");
    }
    assert!(read_until(&mut stream, "10 ").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_api_that_breaks_off_is_502() {
    for answer in [
        "",
        "HTTP/1.1 200",
        "not http\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ] {
        let (address, _api) = scripted(move |mut stream| async move {
            read_until(&mut stream, "\r\n\r\n").await;
            stream.write_all(answer.as_bytes()).await.expect("sent");
        })
        .await;
        let front = front(address).await;
        assert_problem(&talk(front.address, GET).await, 502, "upstream-broke");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_never_looks_complete() {
    for head in ["content-length: 10", "transfer-encoding: chunked"] {
        let (address, _api) = scripted(move |mut stream| async move {
            read_until(&mut stream, "\r\n\r\n").await;
            let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n4\r\nhalf\r\n");
            stream.write_all(answer.as_bytes()).await.expect("sent");
        })
        .await;
        let front = front(address).await;
        let answer = talk(front.address, GET).await;
        assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        assert!(body.len() < 11, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_that_stands_still_is_cut() {
    let (address, _api) = scripted(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.expect("sent");
        let _ = stream.read(&mut [0]).await;
    })
    .await;
    let front = front_with(&upstream(&format!("http://{address}")), hasty()).await;
    let answer = tokio::time::timeout(Duration::from_secs(3), talk(front.address, GET)).await.expect("cut in time");
    assert!(answer.ends_with("half"), "{answer}");
}

// An API that closes each connection after `answers` answers, without saying so.
async fn closing_after(answers: usize) -> (std::net::SocketAddr, Arc<AtomicUsize>, tokio::task::JoinHandle<()>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    let (address, task) = scripted(move |mut stream| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            for _ in 0..answers {
                read_until(&mut stream, "\r\n\r\n").await;
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.expect("sent");
            }
        }
    })
    .await;
    (address, connections, task)
}

#[tokio::test]
async fn a_kept_alive_connection_that_the_api_closed_costs_no_request() {
    let (address, connections, _api) = closing_after(1).await;
    let front = front(address).await;
    for method in ["GET", "POST", "DELETE", "POST", "GET"] {
        let request = format!("{method} /x HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let answer = talk(front.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{method}: {answer}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_request_given_to_a_connection_that_is_just_closing_is_sent_on_a_new_one() {
    // The API and the client are threads, so that both can act while the gateway's only thread looks away.
    let api = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let front = front(api.local_addr().expect("an address")).await;
    let (close, closed) = std::sync::mpsc::channel();
    let serving = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = api.accept().expect("a connection");
            let _ = stream.read(&mut [0; 1024]).expect("a request");
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").expect("sent");
            closed.recv().expect("the word");
        }
    });
    let mut client = TcpStream::connect(front.address).await.expect("a connection");
    let request = b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";
    client.write_all(request).await.expect("sent");
    read_until(&mut client, "ok").await;
    // The request comes first and the end of the API's connection second, both before the gateway looks again.
    client.write_all(request).await.expect("sent");
    close.send(()).expect("the API listens");
    std::thread::sleep(Duration::from_millis(100));
    assert!(read_until(&mut client, "ok").await.starts_with("HTTP/1.1 200"));
    close.send(()).expect("the API listens");
    serving.join().expect("no panic");
}

#[tokio::test]
async fn a_request_that_left_is_never_sent_twice() {
    let heads = Arc::new(AtomicUsize::new(0));
    let count = heads.clone();
    let (address, _api) = scripted(move |mut stream| {
        let heads = count.clone();
        async move {
            read_until(&mut stream, "\r\n\r\n").await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.expect("sent");
            // Takes the second request and dies on it.
            read_until(&mut stream, "\r\n\r\n").await;
            heads.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    let front = front(address).await;
    assert!(talk(front.address, GET).await.starts_with("HTTP/1.1 200"));
    assert_problem(&talk(front.address, GET).await, 502, "upstream-broke");
    assert_eq!(heads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn answers_never_reach_another_request() {
    let api = api::start().await;
    let front = front(api.address).await;
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..8_usize {
        let address = front.address;
        clients.spawn(async move {
            for turn in 0..40_usize {
                let body = format!("client {client} turn {turn} {}", "x".repeat(turn * 97));
                let request = format!(
                    "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let mut stream = TcpStream::connect(address).await.expect("a connection");
                stream.write_all(request.as_bytes()).await.expect("sent");
                // Every third client leaves before its answer.
                if turn % 3 == 0 {
                    continue;
                }
                let mut answer = String::new();
                within(stream.read_to_string(&mut answer)).await.expect("an answer");
                assert!(answer.contains(&body), "{answer}");
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.expect("no mix-up");
    }
}

#[tokio::test]
async fn a_body_beyond_its_limit_is_413_and_the_client_can_read_it() {
    let api = api::start().await;
    let limits = HttpLimits { upstream_body_bytes: Some(1_000), ..HttpLimits::default() };
    let front = front_with(&upstream(&format!("http://{}", api.address)), limits).await;
    let body = "a".repeat(1 << 20);
    let sized = format!("POST /count HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    assert_problem(&talk(front.address, sized.as_bytes()).await, 413, "body-too-large");
    assert_eq!(api.lines(), [""; 0]);
    let chunked =
        format!("POST /count HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n100000\r\n{body}\r\n0\r\n\r\n");
    assert_problem(&talk(front.address, chunked.as_bytes()).await, 413, "body-too-large");
    let fits = format!(
        "POST /count HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n{}",
        "a".repeat(1_000)
    );
    assert!(talk(front.address, fits.as_bytes()).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_that_stands_still_is_408() {
    let api = api::start().await;
    let front = front_with(&upstream(&format!("http://{}", api.address)), hasty()).await;
    let answer = talk(front.address, b"POST /count HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf").await;
    assert_problem(&answer, 408, "body-timeout");
}

#[tokio::test]
async fn an_early_answer_passes_while_the_body_is_still_sent() {
    let api = api::start().await;
    let front = front(api.address).await;
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    stream.write_all(b"POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nbeginning").await.expect("sent");
    assert!(read_until(&mut stream, "no need for your body").await.starts_with("HTTP/1.1 418"));
}

#[tokio::test]
async fn an_api_that_takes_no_connection_is_504_in_time() {
    // A listener whose backlog is full takes no more connections.
    let full = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = full.local_addr().expect("an address");
    let mut held = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        held.push(stream);
        assert!(held.len() < 10_000, "the backlog has no end");
    }
    let mut settings = upstream(&format!("http://{address}"));
    settings.connect_timeout = Duration::from_millis(200);
    let front = front_with(&settings, HttpLimits::default()).await;
    assert_problem(&talk(front.address, GET).await, 504, "upstream-unreachable");
}
