//! Whoever remembers everything and writes nothing must be told that the store has moved.

use std::fs;
use std::net::SocketAddr;

use rustix::process::{Pid, Signal, kill_process};

use super::{SETTINGS, config, node};
use crate::support::house::{House, POLICY};
use crate::support::http::{Connection, Request};
use crate::support::keyfob::{Keyfob, must};
use crate::support::postgres::Database;
use crate::support::recorder::Recorder;

/// Warm: what this connection asks for is answered from memory.
fn warmed(address: SocketAddr, request: &Request) -> Connection {
    let mut connection = Connection::open(address).expect("keyfob is there");
    for _ in 0..2 {
        assert_eq!(connection.ask(request).expect("an answer").status, 200);
    }
    connection
}

#[test]
fn a_server_that_remembers_everything_lets_nobody_in_once_the_move_has_returned() {
    let api = Recorder::start();
    let mut house = House::with(&api.origin(), POLICY, SETTINGS);
    house.user("ada", &["caller"]);
    let token = house.token("ada");
    let request = Request::new("GET", "/x").bearer(&token);
    let database = Database::own();
    let old = house.release();
    let mut connection = warmed(old.public, &request);
    must(&house.data(), &["move", "--to", &database.url], "");
    let call = connection.ask(&request);
    assert!(call.as_ref().map_or(true, |answer| answer.status == 503), "let in from memory");
    assert!(!old.wait().success());

    // A node that stood still all the time has its memory, and a lease that ran out meanwhile.
    let origin = api.origin();
    let policy = house.data().with_file_name("policy.toml").display().to_string();
    let node = node(&house, &["--upstream", &origin, "--policy", &policy], &database);
    let mut connection = warmed(node.public, &request);
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let data = elsewhere.path().join("data");
    fs::create_dir(&data).expect("made");
    fs::copy(house.data().join("root.key"), data.join("root.key")).expect("copied");
    signal(&node, Signal::STOP);
    must(&data, &["move", "--to", "sqlite", "--config", &config(&data, &database)], "");
    // It lies before the node when it wakes up.
    connection.send(&request.bytes()).expect("sent");
    signal(&node, Signal::CONT);
    let call = connection.answer(false);
    assert!(call.as_ref().map_or(true, |answer| answer.status == 503), "let in by a node that stood still");
    assert!(!node.wait().success());
}

fn signal(node: &Keyfob, signal: Signal) {
    let id = i32::try_from(node.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
    kill_process(id, signal).expect("the process is there");
}
