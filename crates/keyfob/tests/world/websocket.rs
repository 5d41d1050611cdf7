//! keyfob in front of a WebSocket server (npm `ws`): authorised first, a tunnel after 101, and cut when the token dies.

use std::time::Duration;

use serde_json::Value;

use super::support::clock;
use super::support::house::House;
use super::support::http::{Connection, Request};
use super::support::upstream::echo;
use super::support::websocket::{ACCEPT, opening, say};

/// DESIGN: tunnels of a dead session are cut within the lease's two seconds; the rest is a busy machine.
const CUT: Duration = Duration::from_secs(10);

#[test]
fn a_signed_in_caller_hears_the_echo() {
    let api = echo();
    let house = House::open(&api.origin());
    let token = house.token("ada");
    let mut tunnel = Connection::open(house.public()).unwrap();
    let answer = tunnel.ask(&opening("/ws/echo").bearer(&token)).unwrap();
    assert_eq!(answer.status, 101, "{}", answer.text());
    assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT));
    for text in ["one", "two", "", "drei und ein \u{fc}"] {
        assert_eq!(say(&mut tunnel, text).unwrap(), text.as_bytes());
    }
    let headers: Value = serde_json::from_slice(&say(&mut tunnel, "headers").unwrap()).unwrap();
    assert_eq!(headers["x-auth-user"], "ada");
    assert_eq!(headers.get("authorization"), None);
}

#[test]
fn no_tunnel_without_a_token_or_a_permission_or_on_another_route() {
    let api = echo();
    let house = House::open(&api.origin());
    let (ada, bob) = (house.token("ada"), house.token("bob"));
    assert_eq!(house.ask(&opening("/ws/echo")).status, 401);
    assert_eq!(house.ask(&opening("/ws/echo").bearer("nonsense")).status, 401);
    assert_eq!(house.ask(&opening("/ws/echo").bearer(&bob)).status, 401);
    let elsewhere = house.ask(&opening("/elsewhere").bearer(&ada));
    assert!((400..500).contains(&elsewhere.status), "{}: {}", elsewhere.status, elsewhere.text());
}

#[test]
fn a_tunnel_outlives_a_rotation_and_is_cut_when_a_key_is_retired() {
    let api = echo();
    let house = House::open(&api.origin());
    let token = house.token("ada");
    let mut tunnel = Connection::open(house.public()).unwrap();
    assert_eq!(tunnel.ask(&opening("/ws/echo").bearer(&token)).unwrap().status, 101);
    house.run(&["signing-key", "rotate", "--now"]);
    // Longer than a beat: a cut would have come by now.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(say(&mut tunnel, "still here").unwrap(), b"still here");
    let list = house.run(&["--json", "signing-key", "list"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    let old = list.as_array().unwrap().iter().find(|key| key["state"] == "old").unwrap();
    house.run(&["signing-key", "retire", old["kid"].as_str().unwrap()]);
    let start = clock::now();
    let cut = tunnel.some().is_ok_and(|bytes| bytes.is_empty()) || tunnel.some().is_err();
    assert!(cut && start.elapsed() < CUT, "the tunnel outlived its key by {:?}", start.elapsed());
}

#[test]
fn a_tunnel_is_cut_when_its_session_ends() {
    let api = echo();
    let house = House::open(&api.origin());
    let token = house.token("ada");
    let mut tunnel = Connection::open(house.public()).unwrap();
    assert_eq!(tunnel.ask(&opening("/ws/echo").bearer(&token)).unwrap().status, 101);
    assert_eq!(say(&mut tunnel, "still here").unwrap(), b"still here");
    let out = house.ask(&Request::new("POST", "/auth/logout").bearer(&token));
    assert!((200..300).contains(&out.status), "{}", out.text());
    let start = clock::now();
    // An empty read is the end of the connection.
    let cut = tunnel.some().is_ok_and(|bytes| bytes.is_empty()) || tunnel.some().is_err();
    assert!(cut && start.elapsed() < CUT, "the tunnel outlived its session by {:?}", start.elapsed());
}
