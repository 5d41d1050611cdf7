//! G1: final at acknowledgement. A caller's requests, with a token or an API key, run at full speed from several connections while a command takes the
//! permission away. Not one request that starts after the command returned is let through.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Run, StopAtEnd};
use crate::support::clock;
use crate::support::house::{House, POLICY};
use crate::support::http::{Connection, Request};
use crate::support::keyfob::must;
use crate::support::recorder::Recorder;

/// Connections of the victim.
const CONNECTIONS: usize = 4;
/// How long the calls run before the command, and after it.
const BEFORE: Duration = Duration::from_millis(150);
const AFTER: Duration = Duration::from_millis(300);

/// Every command that takes a permission away. The first word that is `NAME` becomes the user's name.
pub const COMMANDS: &[&[&str]] = &[
    &["user", "disable", "NAME"],
    &["session", "end", "--user", "NAME"],
    &["user", "role", "NAME", "--remove", "caller"],
    &["user", "delete", "NAME"],
    &["user", "passwd", "NAME", "--password-stdin"],
];

/// Every command that takes an API key's permission away. The first word that is `KEY` becomes its id.
const KEY_COMMANDS: &[&[&str]] = &[
    &["key", "revoke", "KEY"],
    &["user", "disable", "NAME"],
    &["user", "role", "NAME", "--remove", "caller"],
    &["user", "delete", "NAME"],
];

/// One call: when it began, before its first byte was written, and what came of it.
pub struct Call {
    pub began: Instant,
    pub status: u16,
}

#[test]
fn no_request_that_starts_after_a_revoking_command_returned_is_let_through() {
    let mut run = Run::begin("revoke_race", (COMMANDS.len() + KEY_COMMANDS.len()) as u64);
    let api = Recorder::start();
    let house = House::empty(&api.origin(), POLICY);
    while let Some(cycles) = run.next(1) {
        let cycle = run.done();
        let turn = usize::try_from(cycle).expect("few cycles") % (COMMANDS.len() + KEY_COMMANDS.len());
        let name = format!("victim{cycle}");
        house.user(&name, &["caller"]);
        if let Some(command) = COMMANDS.get(turn) {
            race(&mut run, &house, &house.token(&name), &words(command, &name, ""));
        } else {
            let made: Value =
                serde_json::from_str(&house.run(&["--json", "key", "create", &name, "a script"])).expect("JSON");
            let (id, key) = (text(&made, "id"), text(&made, "key"));
            race(&mut run, &house, key, &words(KEY_COMMANDS[turn - COMMANDS.len()], &name, id));
        }
        drop(api.take());
        run.held(cycles);
    }
    run.finish();
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().expect("a text")
}

/// A command with its user and its key put in.
pub fn words<'w>(command: &[&'w str], name: &'w str, key: &'w str) -> Vec<&'w str> {
    let word = |word: &&'w str| match *word {
        "NAME" => name,
        "KEY" => key,
        plain => plain,
    };
    command.iter().map(word).collect()
}

fn race(run: &mut Run, house: &House, credential: &str, command: &[&str]) {
    let (calls, returned) = amid_calls(&[house.public(); CONNECTIONS], credential, &house.data(), command);
    let calls: Vec<Call> = calls.into_iter().flatten().collect();
    let late: Vec<&Call> = calls.iter().filter(|call| call.began > returned).collect();
    let passed = late.iter().filter(|call| call.status == 200).count();
    assert_eq!(passed, 0, "{passed} of {} calls passed after `keyfob {}` returned", late.len(), command.join(" "));
    assert!(late.iter().all(|call| call.status == 401), "a refusal is 401, never a failure");
    let before = calls.iter().filter(|call| call.status == 200).count();
    assert!(before > 0 && !late.is_empty(), "{before} calls passed before and {} began after", late.len());
    run.count("calls that passed before", before);
    run.count("calls that began after and were refused", late.len());
}

/// Run a command over `data` while each of these addresses is called at full speed over a connection of its own. The calls at
/// each, and when the command had returned.
pub fn amid_calls(
    addresses: &[SocketAddr],
    credential: &str,
    data: &Path,
    command: &[&str],
) -> (Vec<Vec<Call>>, Instant) {
    let stop = &AtomicBool::new(false);
    thread::scope(|scope| {
        let callers: Vec<_> =
            addresses.iter().map(|address| scope.spawn(move || call(*address, credential, stop))).collect();
        let end = StopAtEnd(stop);
        thread::sleep(BEFORE);
        must(data, command, "another seven violet kettles\n");
        let returned = clock::now();
        thread::sleep(AFTER);
        drop(end);
        (callers.into_iter().map(|caller| caller.join().expect("no caller panics")).collect(), returned)
    })
}

/// Call until told to stop, and once more after that.
fn call(address: SocketAddr, token: &str, stop: &AtomicBool) -> Vec<Call> {
    let request = Request::new("GET", "/things/1").bearer(token);
    let mut connection = Connection::open(address).expect("keyfob is there");
    let mut calls = Vec::new();
    let mut last = false;
    while !last {
        last = stop.load(Ordering::Acquire);
        let began = clock::now();
        let status = connection.ask(&request).expect("an answer").status;
        calls.push(Call { began, status });
    }
    calls
}
