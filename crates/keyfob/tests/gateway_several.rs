//! Several APIs behind one gateway, and several origins of one: which request goes where, what is tried again, and what a
//! caller cannot do with it.

mod gateway_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gateway_support::api::{self, Api, scripted};
use gateway_support::{PATIENCE, Running, assert_problem, gate_of, read_until, serve, talk, within};
use keyfob::config::{HttpLimits, Place, Settings, Share, Upstream};
use keyfob::gateway::Gateway;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const GET: &[u8] = b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const POST: &[u8] = b"POST /count HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";

/// Nothing listens there.
const NOBODY: &str = "127.0.0.1:1";

fn at(addresses: &[&str]) -> Upstream {
    Upstream::at(addresses.iter().map(|address| format!("http://{address}").parse().expect("an origin")).collect())
}

fn place(host: Option<&str>, path: Option<&str>, upstream: Upstream) -> Place {
    Place { share: Share { host: host.map(str::to_owned), path: path.map(str::to_owned) }, upstream }
}

async fn front(settings: &Settings) -> Running {
    let gateway = Gateway::of(settings).expect("sound settings").expect("an API");
    serve(gate_of(gateway), HttpLimits::default(), None, PATIENCE).await
}

async fn before(upstream: Upstream) -> Running {
    front(&Settings { upstream: Some(upstream), ..Settings::default() }).await
}

fn get(host: &str, target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").into_bytes()
}

/// An API that reads each request whole and hangs up, and how many it has read.
async fn hangs_up() -> (String, Arc<AtomicUsize>, tokio::task::JoinHandle<()>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let (address, task) = scripted(move |mut stream: TcpStream| {
        let counted = Arc::clone(&counted);
        async move {
            let head = read_until(&mut stream, "\r\n\r\n").await;
            if head.contains("content-length: 5") {
                read_until(&mut stream, "hello").await;
            }
            counted.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    (address.to_string(), count, task)
}

#[tokio::test]
async fn a_request_goes_where_its_host_and_its_judged_path_say() {
    let [rest, reports, admin] = [api::start().await, api::start().await, api::start().await];
    let upstream = |api: &Api| at(&[&api.address.to_string()]);
    let front = front(&Settings {
        upstream: Some(upstream(&rest)),
        upstreams: vec![
            place(Some("admin.test"), None, upstream(&admin)),
            place(None, Some("/reports"), upstream(&reports)),
        ],
        ..Settings::default()
    })
    .await;
    for (host, target, api) in [
        ("api.test", "/x", &rest),
        ("api.test", "/reportsx", &rest),
        ("api.test", "/x?/reports", &rest),
        ("api.test", "/reports/7?a=b", &reports),
        // Spelled otherwise it is the same path to the policy, and to this.
        ("api.test", "/%72eports/7", &reports),
        ("ADMIN.test:8080", "/reports/7", &admin),
        ("admin.test.", "/x", &admin),
    ] {
        assert!(talk(front.address, &get(host, target)).await.starts_with("HTTP/1.1 200"), "{host} {target}");
        assert_eq!(api.lines().last(), Some(&format!("GET {target}")), "{host} {target}");
    }
    let seen: usize = [&rest, &reports, &admin].iter().map(|api| api.lines().len()).sum();
    assert_eq!(seen, 7, "each went to one of them");
}

#[tokio::test]
async fn what_no_api_takes_is_404_and_goes_nowhere() {
    let api = api::start().await;
    let reports = place(None, Some("/reports"), at(&[&api.address.to_string()]));
    let front = front(&Settings { upstreams: vec![reports], ..Settings::default() }).await;
    let answer = talk(front.address, GET).await;
    assert_problem(&answer, 404, "no-upstream");
    assert!(api.lines().is_empty());
    // A body that was not read must not be taken for the next request.
    let hidden = "GET /reports HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let raw = format!("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{hidden}", hidden.len());
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    stream.write_all(raw.as_bytes()).await.expect("sent");
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 404"));
    drop(stream);
    assert!(talk(front.address, &get("a", "/reports/last")).await.starts_with("HTTP/1.1 200"));
    assert_eq!(api.lines(), ["GET /reports/last"]);
}

#[tokio::test]
async fn origins_take_turns_and_the_busy_one_gets_less() {
    let (one, other) = (api::start().await, api::start().await);
    let front = before(at(&[&one.address.to_string(), &other.address.to_string()])).await;
    for _ in 0..10 {
        assert!(talk(front.address, GET).await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!((one.lines().len(), other.lines().len()), (5, 5));
    let mut waits = TcpStream::connect(front.address).await.expect("a connection");
    waits.write_all(b"GET /never HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    within(async {
        while one.lines().len() + other.lines().len() < 11 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let busy = if one.lines().len() == 6 { &one } else { &other };
    for _ in 0..4 {
        assert!(talk(front.address, GET).await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(busy.lines().len(), 6, "the other was free");
}

#[tokio::test]
async fn an_origin_that_is_away_costs_nobody_an_answer_and_is_left_out() {
    let api = api::start().await;
    let front = before(at(&[NOBODY, &api.address.to_string()])).await;
    // What never left may go elsewhere, whatever it is.
    for _ in 0..5 {
        assert!(talk(front.address, GET).await.starts_with("HTTP/1.1 200"));
        let counted = talk(front.address, POST).await;
        assert!(counted.starts_with("HTTP/1.1 200") && counted.contains("5 "), "{counted}");
    }
    assert_eq!(api.lines().len(), 10, "each was sent once");
}

#[tokio::test]
async fn with_every_origin_away_it_is_502_and_over_when_one_is_back() {
    let api = api::start().await;
    let address = api.address.to_string();
    let front = before(at(&[NOBODY, &address])).await;
    drop(api);
    for _ in 0..3 {
        assert_problem(&talk(front.address, GET).await, 502, "upstream-unreachable");
    }
    let _api = api::start_at(&address).await;
    assert!(
        talk(front.address, GET).await.starts_with("HTTP/1.1 200"),
        "those that are ill are asked where none is well"
    );
}

#[tokio::test]
async fn only_a_safe_request_without_a_body_is_sent_twice() {
    let api = api::start().await;
    let (bad, read, _task) = hangs_up().await;
    let front = before(at(&[&bad, &api.address.to_string()])).await;
    // Both get some; who gets the one that hangs up must be answered by the other.
    while read.load(Ordering::SeqCst) == 0 {
        assert!(talk(front.address, GET).await.starts_with("HTTP/1.1 200"));
    }
    for raw in [
        POST.to_vec(),
        b"DELETE /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".to_vec(),
        b"GET /count HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello".to_vec(),
    ] {
        let (bad, read, _task) = hangs_up().await;
        let good = api::start().await;
        let front = before(at(&[&bad, &good.address.to_string()])).await;
        let mut answers = Vec::new();
        while read.load(Ordering::SeqCst) == 0 {
            answers.push(talk(front.address, &raw).await);
        }
        assert_problem(answers.last().expect("one"), 502, "upstream-broke");
        assert_eq!(good.lines().len() + 1, answers.len(), "none was sent to both: {answers:?}");
    }
}

#[tokio::test]
async fn an_api_cannot_be_talked_out_of_service() {
    let api = api::start().await;
    let origins = [api.address.to_string(), "127.0.0.1:1".to_owned()];
    let settings = Upstream { response_timeout: Duration::from_millis(100), ..at(&[&origins[0], &origins[1]]) };
    let front = before(settings).await;
    for _ in 0..4 {
        let answer = talk(front.address, b"GET /never HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        assert_problem(&answer, 504, "upstream-timeout");
    }
    assert_eq!(api.lines().len(), 4, "an answer that is late is not asked for again");
    assert!(talk(front.address, GET).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn who_is_no_longer_allowed_gets_no_second_try() {
    let (bad, read, _task) = hangs_up().await;
    let good = api::start().await;
    let settings = Settings { upstream: Some(at(&[&bad, &good.address.to_string()])), ..Settings::default() };
    let gate = gate_of(Gateway::of(&settings).expect("sound settings").expect("an API"));
    gate.alive.0.store(false, Ordering::SeqCst);
    let front = serve(gate, HttpLimits::default(), None, PATIENCE).await;
    let mut last = String::new();
    while read.load(Ordering::SeqCst) == 0 {
        last = talk(front.address, GET).await;
    }
    assert_problem(&last, 502, "upstream-broke");
}

#[tokio::test]
async fn an_origins_own_host_is_that_of_the_one_that_answers() {
    let api = api::start().await;
    let upstream = Upstream { preserve_host: false, ..at(&[NOBODY, &api.address.to_string()]) };
    let front = before(upstream).await;
    for _ in 0..2 {
        assert!(talk(front.address, GET).await.starts_with("HTTP/1.1 200"));
        assert_eq!(api.last().get("host").expect("a host"), &api.address.to_string());
        assert_eq!(api.last().get("x-forwarded-host").expect("the client's"), "a");
    }
}

#[tokio::test]
async fn each_place_has_limits_of_its_own() {
    let api = api::start().await;
    let address = api.address.to_string();
    let small = Upstream { body_bytes: Some(4), response_timeout: Duration::from_millis(100), ..at(&[&address]) };
    let front = front(&Settings {
        upstream: Some(at(&[&address])),
        upstreams: vec![place(Some("small.test"), None, small)],
        ..Settings::default()
    })
    .await;
    let post = |host: &str| String::from_utf8_lossy(POST).replace("host: a", &format!("host: {host}"));
    assert!(talk(front.address, post("a").as_bytes()).await.starts_with("HTTP/1.1 200"));
    assert_problem(&talk(front.address, post("small.test").as_bytes()).await, 413, "body-too-large");
    assert_problem(&talk(front.address, &get("small.test", "/never")).await, 504, "upstream-timeout");
}

#[tokio::test]
async fn who_waits_for_a_connection_gets_the_next_that_is_given_back() {
    let api = api::start().await;
    let front = before(Upstream { connections: 2, ..at(&[&api.address.to_string()]) }).await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let address = front.address;
        callers.spawn(async move { talk(address, POST).await });
    }
    while let Some(answer) = callers.join_next().await {
        let answer = answer.expect("a caller");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let seen = api.seen.lock().expect("seen");
    assert!(seen.lines.len() == 40 && seen.connections <= 2, "{} over {}", seen.lines.len(), seen.connections);
}

#[tokio::test]
async fn an_api_whose_connections_are_all_in_use_is_503() {
    let api = api::start().await;
    let connect_timeout = Duration::from_millis(100);
    let upstream = Upstream { connections: 1, connect_timeout, ..at(&[&api.address.to_string()]) };
    let front = before(upstream).await;
    let mut waits = TcpStream::connect(front.address).await.expect("a connection");
    waits.write_all(b"GET /never HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    within(async {
        while api.lines().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_problem(&talk(front.address, GET).await, 503, "upstream-full");
    drop(waits);
    within(async { while !talk(front.address, GET).await.starts_with("HTTP/1.1 200") {} }).await;
}
