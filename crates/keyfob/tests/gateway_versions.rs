//! HTTP/2 in front, HTTPS behind.

mod gateway_support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway_support::api;
use gateway_support::{front, front_with, gate, http_2, pem, serve, talk, upstream, within};
use http::Request;
use http_body_util::{BodyExt, Empty, Full};
use keyfob::config::HttpLimits;
use keyfob::serve::tls::Reloadable;

fn get(path: &str, fields: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: api.example\r\n{fields}connection: close\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn http_2_clients_are_served_over_http_11() {
    let api = api::start().await;
    let front = front(api.address).await;
    let (mut sender, _driver) = http_2(front.address).await;
    let mut request =
        Request::post("http://api.example/echo?x").body(Full::new(Bytes::from("two"))).expect("a request");
    request.headers_mut().append("cookie", "a=1".parse().expect("a value"));
    request.headers_mut().append("cookie", "b=2".parse().expect("a value"));
    let answer = within(sender.send_request(request)).await.expect("an answer");
    assert_eq!(answer.headers()["cache-control"], "private");
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "two");
    assert_eq!(api.lines(), ["POST /echo?x"]);
    assert_eq!(
        (&api.last()["cookie"], &api.last()["host"]),
        (&"a=1; b=2".parse().expect("one"), &"api.example".parse().expect("one"))
    );
}

#[tokio::test]
async fn each_stream_of_http_2_is_judged_by_itself() {
    let api = api::start().await;
    let front = front(api.address).await;
    let (mut sender, _driver) = http_2(front.address).await;
    let mut ask = async |path: &str| {
        let request = Request::get(format!("http://a{path}")).body(Empty::<Bytes>::new()).expect("a request");
        within(sender.send_request(request)).await.expect("an answer").status().as_u16()
    };
    assert_eq!((ask("/open").await, ask("/guarded").await, ask("/open").await), (200, 401, 200));
    assert_eq!(api.lines(), ["GET /open", "GET /open"]);
}

#[tokio::test]
async fn an_https_upstream_is_verified_against_the_private_authority() {
    let tls = Arc::new(Reloadable::load(&pem("first.pem"), &pem("first.key")).expect("a certificate"));
    let inner = api::start().await;
    // keyfob's own listener makes the TLS API: a gate in front of the plain one.
    let secure = serve(
        gate(&upstream(&format!("http://{}", inner.address)), &HttpLimits::default()),
        HttpLimits::default(),
        Some(tls),
        Duration::from_secs(1),
    )
    .await;
    let mut settings = upstream(&format!("https://127.0.0.1:{}", secure.address.port()));
    settings.ca = Some(pem("authority.pem"));
    settings.preserve_host = false;
    let trusting = front_with(&settings, HttpLimits::default()).await;
    let answer = talk(trusting.address, &get("/x", "")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    assert_eq!(inner.last()["host"], format!("127.0.0.1:{}", secure.address.port()));

    settings.ca = Some(pem("second.pem"));
    let distrusting = front_with(&settings, HttpLimits::default()).await;
    let answer = talk(distrusting.address, &get("/x", "")).await;
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("upstream-unreachable"), "{answer}");
}
