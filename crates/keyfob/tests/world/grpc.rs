//! gRPC through the gateway: grpcio's client and server, unary calls and streams in both directions, statuses, trailers and
//! deadlines, refusals as gRPC clients read them, and a stream that ends with its session.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use super::support::house::{House, POLICY};
use super::support::http::{Connection, Request};
use super::support::upstream::Upstream;
use super::support::{fixture, world};

const SETTINGS: &[(&str, &str)] = &[("KEYFOB_UPSTREAM_HTTP2", "true")];

fn api() -> Upstream {
    let python = world().join("venv/bin/python").display().to_string();
    Upstream::run(&[&python, &fixture("grpc_api.py").display().to_string()])
}

#[test]
fn grpcio_calls_through_the_gate_as_if_it_were_not_there() {
    let api = api();
    let house = House::with(&api.origin(), POLICY, SETTINGS);
    house.user("ada", &["caller"]);
    house.user("bob", &["visitor"]);
    let ending = house.token("ada");
    let mut python = Command::new(world().join("venv/bin/python"));
    python.arg(fixture("grpc_client.py")).arg(house.public().to_string());
    python.args([house.token("ada"), house.token("bob"), ending.clone()]);
    python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = python.spawn().expect("python can be run");
    let mut said = BufReader::new(client.stdout.take().expect("a pipe"));
    let mut line = String::new();
    said.read_line(&mut line).expect("it speaks");
    if line.trim() == "ready" {
        let out = house.ask(&Request::new("POST", "/auth/logout").bearer(&ending));
        assert!((200..300).contains(&out.status), "{}", out.text());
        client.stdin.take().expect("a pipe").write_all(b"ended\n").expect("it listens");
        line.clear();
        said.read_line(&mut line).expect("it speaks");
    }
    let mut problem = String::new();
    client.stderr.take().expect("a pipe").read_to_string(&mut problem).expect("it speaks");
    client.wait().expect("it ends");
    assert_eq!(line.trim(), "done", "{problem}\n{}", house.keyfob().log());
}

#[test]
fn an_api_of_http_2_gets_what_was_judged_and_nothing_of_http_11() {
    let api = Upstream::run(&["node", &fixture("http2_api.cjs").display().to_string()]);
    let house = House::with(&api.origin(), POLICY, SETTINGS);
    house.user("ada", &["caller"]);
    let token = house.token("ada");
    let mut connection = Connection::open(house.public()).expect("keyfob takes the connection");
    for chunked in [false, true, true] {
        let request = Request::new("POST", "/things/1?a=%2f..")
            .bearer(&token)
            .header("Connection", "x-hop, keep-alive")
            .header("X-Hop", "1")
            .header("TE", "trailers, deflate")
            .header("X-Auth-User", "root")
            .body("hello");
        let request = if chunked { request.chunked() } else { request };
        let answer = connection.ask(&request).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = answer.json();
        assert_eq!(
            (&seen["method"], &seen["url"], &seen["body"]),
            (&"POST".into(), &"/things/1?a=%2f..".into(), &"hello".into())
        );
        let told = |name: &str| seen["headers"][name].as_str();
        assert_eq!(
            (told(":authority"), told("te"), told("x-auth-user")),
            (Some("api.test"), Some("trailers"), Some("ada"))
        );
        for gone in ["connection", "transfer-encoding", "host", "x-hop", "keep-alive", "authorization", "upgrade"] {
            assert_eq!(told(gone), None, "{gone}");
        }
    }
    let socket =
        Request::new("GET", "/ws/1").bearer(&token).header("Connection", "upgrade").header("Upgrade", "websocket");
    assert_eq!(house.ask(&socket).status, 400, "there is none over HTTP/2");
}
