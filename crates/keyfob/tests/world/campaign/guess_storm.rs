//! G12: at most ten guesses of an account's password reach hashing, however many come at once; and fifty people who
//! know their password, or one person fifty times, all get in at once.

use std::net::SocketAddr;

use super::Run;
use crate::support::house::{House, PASSWORD, POLICY, login_request};
use crate::support::http::{Answer, Connection};
use crate::support::recorder::Recorder;

/// Guesses in the air at the same moment.
const GUESSES: usize = 1_000;
/// The default of `throttle.account-failures`.
const HASHED_MAX: usize = 10;
/// Right sign-ins in the air at the same moment.
const RIGHT: usize = 50;

#[test]
fn a_storm_of_guesses_gets_ten_and_fifty_right_sign_ins_get_in() {
    raise_open_files();
    let mut run = Run::begin("guess_storm", 1);
    while let Some(cycles) = run.next(1) {
        let api = Recorder::start();
        // A fresh house each time: the address is the same for every storm, and it has a budget too.
        let house = House::empty(&api.origin(), POLICY);
        house.user("victim", &["caller"]);
        house.user("regular", &["caller"]);
        let guesses =
            at_once(house.public(), GUESSES, |number| login_request("victim", &format!("guess number {number:06}")));
        let hashed = guesses.iter().filter(|answer| answer.status == 401).count();
        assert!((1..=HASHED_MAX).contains(&hashed), "{hashed} guesses were hashed");
        for answer in guesses.iter().filter(|answer| answer.status != 401) {
            assert_eq!(answer.status, 429, "{}", answer.text());
            let wait = answer.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
            assert!(wait.is_some_and(|seconds| seconds > 0), "a 429 says when to come back");
        }
        let right = at_once(house.public(), RIGHT, |_| login_request("regular", PASSWORD));
        let refused = right.iter().find(|answer| answer.status != 200);
        assert!(refused.is_none(), "{:?}", refused.map(|answer| (answer.status, answer.text())));
        run.count("guesses", guesses.len());
        run.count("guesses that were hashed", hashed);
        run.count("right sign-ins", right.len());
        run.held(cycles);
    }
    run.finish();
}

/// Send all requests before any answer is read, each on a connection of its own.
fn at_once(address: SocketAddr, count: usize, request: impl Fn(usize) -> crate::support::http::Request) -> Vec<Answer> {
    let open = |_| Connection::open(address).expect("keyfob takes the connection");
    let mut connections: Vec<Connection> = (0..count).map(open).collect();
    for (number, connection) in connections.iter_mut().enumerate() {
        connection.send(&request(number).bytes()).expect("keyfob reads the request");
    }
    connections.iter_mut().map(|connection| connection.answer(false).expect("every sign-in gets an answer")).collect()
}

/// A storm needs a file for each connection, here and in the program, which inherits the limit.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    raised.expect("a process may raise its soft limit to its hard one");
}
