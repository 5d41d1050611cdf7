//! A corpus of messages that two readers could frame in two ways. The oracle: each request that the API saw has its
//! own allow, in the same order, and no byte of a guarded request reached it.

mod gateway_support;

use std::sync::{Arc, Mutex};

use gateway_support::api;
use gateway_support::{PATIENCE, Running, gate, serve, talk, upstream};
use keyfob::config::HttpLimits;

struct Bench {
    api: api::Api,
    front: Running,
    allowed: Arc<Mutex<Vec<String>>>,
}

async fn bench() -> Bench {
    let api = api::start().await;
    let limits = HttpLimits::default();
    let gate = gate(&upstream(&format!("http://{}", api.address)), &limits);
    let allowed = gate.allowed.clone();
    Bench { api, front: serve(gate, limits, None, PATIENCE).await, allowed }
}

// Send it, and return the status codes that came back and the lines that the API saw.
async fn attack(raw: &str) -> (Vec<u16>, Vec<String>) {
    let bench = bench().await;
    let answer = talk(bench.front.address, raw.as_bytes()).await;
    let codes = answer
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| answer[at + 9..at + 12].parse().expect("a status code"))
        .collect();
    let seen = bench.api.lines();
    assert_each_allowed(&seen, &bench.allowed.lock().expect("a list"), raw);
    assert!(!seen.iter().any(|line| line.contains("guarded")), "{raw:?}");
    (codes, seen)
}

// Not all that is allowed arrives: a body can fail, and the gateway itself refuse an upgrade, before anything is sent.
fn assert_each_allowed(seen: &[String], allowed: &[String], raw: &str) {
    let mut allowed = allowed.iter();
    assert!(
        seen.iter().all(|line| allowed.any(|allow| allow == line)),
        "the API saw {seen:?}, which was not allowed, for {raw:?}"
    );
}

const SMUGGLED: &str = "GET /guarded HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn messages_without_one_framing_are_refused() {
    for fields in [
        "content-length: 0\r\ncontent-length: 35",
        "content-length: 0, 35",
        "content-length: +0",
        "content-length: 0x0",
        "content-length: -1",
        "content-length:",
        "content-length : 0",
        "transfer-encoding: xchunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding : chunked",
        "transfer-encoding:\u{b}chunked",
        "x: y\r\n transfer-encoding: chunked",
        "x: a\0b",
    ] {
        let raw = format!("POST /x HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n{SMUGGLED}");
        let (codes, seen) = attack(&raw).await;
        assert_eq!((codes, seen.len()), (vec![400], 0), "{fields:?}");
    }
}

#[tokio::test]
async fn with_both_framings_chunked_wins_and_the_connection_ends() {
    for fields in [
        "content-length: 4\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 4",
        "Content-Length: 400\r\nTransfer-Encoding: Chunked",
    ] {
        let raw = format!("POST /count HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n0\r\n\r\n{SMUGGLED}");
        let (codes, seen) = attack(&raw).await;
        assert_eq!((codes, seen), (vec![200], vec!["POST /count".to_owned()]), "{fields:?}");
    }
}

#[tokio::test]
async fn a_request_hidden_in_a_body_stays_in_the_body() {
    let length = SMUGGLED.len();
    for (fields, body) in [
        (format!("content-length: {length}"), SMUGGLED.to_owned()),
        (format!("content-length: {length}\r\ncontent-length: {length}"), SMUGGLED.to_owned()),
        ("transfer-encoding: chunked".to_owned(), format!("{length:x};ext=\"v\"\r\n{SMUGGLED}\r\n0\r\n\r\n")),
        ("transfer_encoding: chunked\r\ncontent-length: 5".to_owned(), "0\r\n\r\n".to_owned()),
        ("content_length: 99\r\ncontent-length: 5".to_owned(), "0\r\n\r\n".to_owned()),
    ] {
        let raw = format!("POST /count HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n\r\n{body}");
        let (codes, seen) = attack(&raw).await;
        assert_eq!((codes, seen), (vec![200], vec!["POST /count".to_owned()]), "{fields:?}");
    }
}

#[tokio::test]
async fn malformed_chunks_never_complete_a_request() {
    for chunk in [
        "+1\r\na\r\n0\r\n\r\n",
        "1 1\r\na\r\n0\r\n\r\n",
        "g\r\n",
        "-1\r\na\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "\r\n\r\n",
        "fffffffffffffffff\r\n",
    ] {
        let raw = format!("POST /count HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{SMUGGLED}");
        let (codes, seen) = attack(&raw).await;
        assert_eq!(codes, [400], "{chunk:?}");
        assert!(seen.iter().all(|line| line == "POST /count") && seen.len() < 2, "{chunk:?}: {seen:?}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_each_judged() {
    let raw =
        format!("GET /one HTTP/1.1\r\nhost: a\r\n\r\n{SMUGGLED}GET /two HTTP/1.1\nhost: a\nconnection: close\n\n");
    let (codes, seen) = attack(&raw).await;
    assert_eq!((codes, seen), (vec![200, 401, 200], vec!["GET /one".to_owned(), "GET /two".to_owned()]));
}

#[tokio::test]
async fn one_host_and_no_way_around_the_gate() {
    for raw in [
        "GET /x HTTP/1.1\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET /x HTTP/1.1\r\nhost: a, b\r\n\r\n",
        "GET http://b/x HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET x HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a\u{1}b HTTP/1.1\r\nhost: a\r\n\r\n",
        "CONNECT b:80 HTTP/1.1\r\nhost: b:80\r\n\r\n",
        "TRACE /x HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        // A refusal ends the connection, so what follows is never read as a request.
        let (codes, seen) = attack(&format!("{raw}GET /after HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
        assert!(matches!(codes[0], 400 | 405), "{raw:?}: {codes:?}");
        assert!(seen.iter().all(|line| line == "GET /after"), "{raw:?}: {seen:?}");
    }
}

#[tokio::test]
async fn bytes_after_an_upgrade_that_is_not_made_are_a_request_of_their_own() {
    for upgrade in ["h2c", "websocket", "TLS/1.0", "foo, websocket"] {
        let raw = format!(
            "GET /x HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: {upgrade}\r\nhttp2-settings: AAMAAABk\r\n\r\n{SMUGGLED}"
        );
        let bench = bench().await;
        let answer = {
            let closed = format!("{raw}GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
            talk(bench.front.address, closed.as_bytes()).await
        };
        assert!(!answer.contains("HTTP/1.1 101"), "{answer}");
        assert!(!bench.api.lines().iter().any(|line| line.contains("guarded")), "{upgrade}");
        assert_each_allowed(&bench.api.lines(), &bench.allowed.lock().expect("a list"), &raw);
        for fields in &bench.api.seen.lock().expect("seen").fields {
            assert!(!fields.contains_key("upgrade") && !fields.contains_key("http2-settings"), "{fields:?}");
        }
    }
}
