//! What keyfob is tested with, without keyfob: a failure here is one of the surroundings.

use std::net::TcpStream;
use std::time::Duration;

use super::support::clock;
use super::support::http::{Connection, Request, ask};
use super::support::nginx::Nginx;
use super::support::recorder::Recorder;
use super::support::upstream::{echo, httpbin, json_server};
use super::support::websocket::{ACCEPT, opening, say};

#[test]
fn the_other_programs_answer_when_asked_directly() {
    let chunked = Request::new("POST", "/post").header("Content-Type", "text/plain").body("in pieces").chunked();
    assert_eq!(ask(httpbin().address, &chunked).json()["data"], "in pieces");
    assert_eq!(ask(json_server().address, &Request::new("GET", "/profile")).json()["name"], "keyfob");
    let api = echo();
    let mut socket = Connection::open(api.address).unwrap();
    assert_eq!(socket.ask(&opening("/ws/echo")).unwrap().header("sec-websocket-accept"), Some(ACCEPT));
    assert_eq!(say(&mut socket, "hello").unwrap(), b"hello");
}

#[test]
fn a_program_ends_with_the_value_that_owns_it() {
    let api = json_server();
    let address = api.address;
    drop(api);
    assert!(clock::until(Duration::from_secs(5), || TcpStream::connect(address).err()).is_some());
}

#[test]
fn the_recorder_writes_down_what_arrives() {
    let api = Recorder::start();
    let mut connection = Connection::open(api.address).unwrap();
    for target in ["/one?x=%2e", "/two"] {
        assert_eq!(connection.ask(&Request::new("PUT", target).body("abc").chunked()).unwrap().status, 200);
    }
    let arrived = api.take();
    assert_eq!(arrived.len(), 2);
    assert_eq!(arrived[0].target, b"/one?x=%2e");
    assert_eq!(arrived[1].method, "PUT");
    assert!(api.take().is_empty());
}

#[test]
fn nginx_runs_on_a_port_of_its_own() {
    let nginx = Nginx::start("server { listen $LISTEN; location / { return 204; } }");
    assert_eq!(ask(nginx.address(), &Request::new("GET", "/")).status, 204);
}
