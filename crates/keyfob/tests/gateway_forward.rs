//! What passes through the gateway, and what does not: fields, bodies, streams, trailers, both HTTP versions in.

mod gateway_support;

use bytes::Bytes;
use gateway_support::api::{self, scripted};
use gateway_support::{front, read_until, talk, within};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn get(path: &str, fields: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: api.example\r\n{fields}connection: close\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn no_field_of_the_client_survives_that_only_keyfob_may_set() {
    let api = api::start().await;
    let front = front(api.address).await;
    let forged = "X-Auth-User: root\r\nx_auth_subject: 1\r\nX.Auth.Roles: admin\r\nX-AUTH-SCOPE: all\r\n\
        Authorization: Bearer secret\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_Host: evil\r\n\
        X-Forwarded-User: root\r\nX-HTTP-Method-Override: DELETE\r\nTE: gzip\r\nProxy-Authorization: x\r\n\
        Cookie: a=b\r\nX-Kept: yes\r\nAccept-Encoding: br\r\n";
    assert!(talk(front.address, &get("/x", forged)).await.starts_with("HTTP/1.1 200"));
    let seen = api.last();
    let mut names: Vec<_> = seen.keys().map(|name| name.as_str().to_owned()).collect();
    names.sort();
    assert_eq!(
        names.join(" "),
        "accept-encoding cookie host x-auth-roles x-auth-scope x-auth-subject x-auth-user x-forwarded-for \
         x-forwarded-host x-forwarded-proto x-kept"
    );
    for name in ["x-auth-roles", "x-auth-scope", "x-auth-subject", "x-auth-user"] {
        assert_eq!(seen.get_all(name).iter().collect::<Vec<_>>(), [""], "{name}");
    }
    assert_eq!(seen["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen["x-forwarded-host"], "api.example");
    assert_eq!(seen["x-forwarded-proto"], "http");
    assert_eq!(seen["host"], "api.example");
}

#[tokio::test]
async fn connection_cannot_name_keyfobs_own_fields_away() {
    let api = api::start().await;
    let front = front(api.address).await;
    let fields = "Connection: X-Auth-User, x-auth-roles, X-Forwarded-For, Host, x-private\r\nX-Private: 1\r\n";
    assert!(talk(front.address, &get("/x", fields)).await.starts_with("HTTP/1.1 200"));
    let seen = api.last();
    for name in ["x-auth-user", "x-auth-roles", "x-forwarded-for", "host"] {
        assert!(seen.contains_key(name), "{name}");
    }
    assert!(!seen.contains_key("x-private") && !seen.contains_key("connection"));
}

#[tokio::test]
async fn authorization_goes_on_only_where_the_route_says_so() {
    let api = api::start().await;
    let front = front(api.address).await;
    talk(front.address, &get("/with-authorization", "Authorization: Bearer t\r\n")).await;
    assert_eq!(api.last()["authorization"], "Bearer t");
}

#[tokio::test]
async fn a_refused_request_never_reaches_the_api() {
    let api = api::start().await;
    let front = front(api.address).await;
    assert!(talk(front.address, &get("/guarded", "")).await.starts_with("HTTP/1.1 401"));
    assert!(talk(front.address, &get("/a/%2e%2e/b", "")).await.starts_with("HTTP/1.1 400"));
    assert_eq!(api.lines(), [""; 0]);
}

#[tokio::test]
async fn the_api_gets_the_target_byte_for_byte() {
    let api = api::start().await;
    let front = front(api.address).await;
    let targets = ["/a/b%20c?x=%2f..%2f&y=;;", "/caf%C3%A9/", "/a?", "/?q=a?b", "/A~!$&'()*+,=:@"];
    for target in targets {
        talk(front.address, &get(target, "")).await;
    }
    talk(front.address, &get("http://api.example/absolute?x", "")).await;
    // A fragment is cut off before it is judged, and what is judged is what goes on.
    talk(front.address, &get("/part#fragment", "")).await;
    let expected: Vec<_> =
        targets.iter().copied().chain(["/absolute?x", "/part"]).map(|target| format!("GET {target}")).collect();
    assert_eq!(api.lines(), expected);
}

#[tokio::test]
async fn every_method_passes() {
    let api = api::start().await;
    let front = front(api.address).await;
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let request = format!("{method} /m HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        assert!(talk(front.address, request.as_bytes()).await.starts_with("HTTP/1.1 200"), "{method}");
        assert_eq!(api.lines().last().map(String::as_str), Some(&*format!("{method} /m")));
    }
}

#[tokio::test]
async fn an_answer_comes_back_as_it_was_given() {
    let api = api::start().await;
    let front = front(api.address).await;
    let answer = talk(front.address, &get("/fields", "")).await;
    assert!(answer.starts_with("HTTP/1.1 207 Multi-Status\r\n"), "{answer}");
    let lines: Vec<_> = answer.lines().collect();
    for line in [
        "set-cookie: a=1; Path=/",
        "set-cookie: b=2",
        "content-encoding: gzip",
        "x-odd: a,b ;c",
        "cache-control: private",
    ] {
        assert!(lines.contains(&line), "{line} is missing in {answer}");
    }
    assert!(!answer.contains("x-hop"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n\u{1f}\u{8}not really gzip"), "{answer:?}");
}

#[tokio::test]
async fn cache_control_redirects_and_not_modified_are_the_apis_own() {
    let api = api::start().await;
    let front = front(api.address).await;
    let cached = talk(front.address, &get("/cached", "")).await;
    assert!(cached.contains("cache-control: public, max-age=60\r\n") && !cached.contains("private"), "{cached}");
    let redirect = talk(front.address, &get("/redirect", "")).await;
    assert!(redirect.starts_with("HTTP/1.1 302 Found\r\n"), "{redirect}");
    assert!(redirect.contains("location: http://elsewhere.example/x\r\n"), "{redirect}");
    let not_modified = talk(front.address, &get("/not-modified", "if-none-match: \"7\"\r\n")).await;
    assert!(not_modified.starts_with("HTTP/1.1 304") && not_modified.contains("etag: \"7\""), "{not_modified}");
}

#[tokio::test]
async fn a_head_answer_keeps_its_length_and_has_no_body() {
    let api = api::start().await;
    let front = front(api.address).await;
    let answer = talk(front.address, b"HEAD /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("content-length: 5\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn ten_megabytes_pass_both_ways() {
    let api = api::start().await;
    let front = front(api.address).await;
    let stream = TcpStream::connect(front.address).await.expect("a connection");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    let body = Bytes::from((0..10 << 20).map(|at: u32| at.to_le_bytes()[1]).collect::<Vec<_>>());
    let request = Request::post("/echo").header("host", "a").body(Full::new(body.clone())).expect("a request");
    let answer = within(sender.send_request(request)).await.expect("an answer");
    assert_eq!(within(answer.into_body().collect()).await.expect("a body").to_bytes(), body);
}

#[tokio::test]
async fn a_chunked_body_passes_even_with_get() {
    let api = api::start().await;
    let front = front(api.address).await;
    for method in ["GET", "POST", "DELETE"] {
        let request = format!(
            "{method} /count HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
             3;ext=1\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
        );
        let answer = talk(front.address, request.as_bytes()).await;
        assert!(answer.ends_with("\r\n\r\n7 "), "{method}: {answer}");
    }
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let api = api::start().await;
    let front = front(api.address).await;
    let up =
        b"POST /count HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\nconnection: close\r\n\r\n\
        3\r\nabc\r\n0\r\nx-sum: 42\r\n\r\n";
    let answer = talk(front.address, up).await;
    assert!(answer.contains(r#"3 Some({"x-sum": "42"})"#), "{answer}");
    let answer = talk(front.address, &get("/trailers", "TE: trailers\r\n")).await;
    assert!(answer.ends_with("5\r\nwhole\r\n0\r\nx-sum: 42\r\n\r\n"), "{answer}");
    assert_eq!(api.last()["te"], "trailers");
}

#[tokio::test]
async fn no_trailer_of_the_client_says_what_only_keyfob_may_say() {
    let api = api::start().await;
    let front = front(api.address).await;
    // RFC 9110 §6.5.1: some servers merge trailers into the fields of the message.
    let forged = ["X-Auth-User", "x_auth_roles", "X-Forwarded-For", "X-HTTP-Method-Override", "Forwarded", "X-Kept"];
    let up = format!(
        "POST /count HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: {}\r\nconnection: close\r\n\r\n\
        3\r\nabc\r\n0\r\n{}\r\n",
        forged.join(", "),
        forged.map(|name| format!("{name}: forged\r\n")).concat()
    );
    let answer = talk(front.address, up.as_bytes()).await;
    assert!(answer.ends_with(r#"3 Some({"x-kept": "forged"})"#), "{answer}");
}

#[tokio::test]
async fn the_first_byte_arrives_before_the_last_is_sent() {
    let (address, _api) = scripted(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n").await.expect("sent");
        // Goes on only when the client says that it has the first piece.
        read_until(&mut stream, "seen").await;
        stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.expect("sent");
        let _ = stream.read(&mut [0]).await;
    })
    .await;
    let front = front(address).await;
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    stream.write_all(b"POST /s HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n").await.expect("sent");
    read_until(&mut stream, "first").await;
    stream.write_all(b"seen").await.expect("sent");
    read_until(&mut stream, "last\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn expect_100_continue_is_answered_once_the_api_is_there() {
    let api = api::start().await;
    let front = front(api.address).await;
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    stream
        .write_all(b"POST /count HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n")
        .await
        .expect("sent");
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 100"));
    stream.write_all(b"abc").await.expect("sent");
    assert!(read_until(&mut stream, "3 ").await.starts_with("HTTP/1.1 200"));
    assert!(!api.last().contains_key("expect"));
}

#[tokio::test]
async fn an_http_10_client_gets_an_answer_that_it_can_read() {
    let api = api::start().await;
    let front = front(api.address).await;
    let answer = talk(front.address, b"GET /trailers HTTP/1.0\r\nhost: a\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\nwhole") && !answer.contains("transfer-encoding"), "{answer}");
}

#[tokio::test]
async fn an_api_that_ends_its_answer_by_closing_is_understood() {
    let (address, _api) = scripted(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nuntil the end").await.expect("sent");
    })
    .await;
    let front = front(address).await;
    let answer = talk(front.address, &get("/", "")).await;
    assert!(answer.contains("until the end"), "{answer}");
}

#[tokio::test]
async fn many_requests_share_few_connections() {
    let api = api::start().await;
    let front = front(api.address).await;
    let mut stream = TcpStream::connect(front.address).await.expect("a connection");
    for _ in 0..50 {
        stream.write_all(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
        read_until(&mut stream, "hello").await;
    }
    let seen = api.seen.lock().expect("seen");
    assert_eq!((seen.lines.len(), seen.connections), (50, 1));
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_to_the_api_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let front = front(listener.local_addr().expect("an address")).await;
    let mut client = TcpStream::connect(front.address).await.expect("a connection");
    client.write_all(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    let (mut at_api, _) = within(listener.accept()).await.expect("a connection");
    read_until(&mut at_api, "\r\n\r\n").await;
    drop(client);
    let end = within(at_api.read(&mut [0])).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}
