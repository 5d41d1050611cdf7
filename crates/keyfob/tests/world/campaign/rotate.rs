//! G14: signing keys rotate by schedule, every two seconds, while callers sign in and use all their tokens: no valid token
//! is refused. Now and then the key that signs is retired: none of its tokens is let through once the command returned.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{Dice, Run};
use crate::support::clock;
use crate::support::house::{House, PASSWORD, POLICY, login_request, token_of};
use crate::support::http::{Connection, Request};
use crate::support::recorder::Recorder;

const CALLERS: usize = 4;
/// One cycle: a key's life and a little.
const CYCLE: Duration = Duration::from_secs(2);
/// Between two sign-ins of a caller; the rest of the time it uses what it has.
const SIGN_IN_EVERY: Duration = Duration::from_millis(200);
/// The life of a token below, with a second for its dates being whole ones: after it nothing is expected of a token.
const SURELY_ALIVE: Duration = Duration::from_secs(9);
const SETTINGS: &[(&str, &str)] = &[
    ("KEYFOB_SIGNING_KEY_LIFE", "2s"),
    ("KEYFOB_PUBLISH_AHEAD", "1s"),
    ("KEYFOB_ACCESS_LIFE", "10s"),
    ("KEYFOB_LEEWAY", "0s"),
    ("KEYFOB_PASSWORD_MEMORY_KIB", "7168"),
    ("KEYFOB_PASSWORD_PASSES", "5"),
];
/// Every so many cycles the key that signs is retired in the middle.
const RETIRE_EVERY: u64 = 4;

/// A token, the key that signed it, and when its sign-in began.
#[derive(Clone)]
struct Token {
    text: String,
    kid: String,
    asked: Instant,
}

/// One call: its token's key, when it began and what came of it.
struct Call {
    kid: String,
    alive: bool,
    began: Instant,
    status: u16,
}

/// When the command returned that retired a key.
type Retired = BTreeMap<String, Instant>;

#[test]
fn rotations_refuse_no_valid_token_and_a_retired_key_lets_nobody_in() {
    let mut run = Run::begin("rotate", 4);
    let api = Recorder::start();
    let house = House::with(&api.origin(), POLICY, SETTINGS);
    (0..CALLERS).for_each(|caller| house.user(&format!("caller{caller}"), &["caller"]));
    let (tokens, mut retired, mut kids) = (Mutex::new(Vec::new()), Retired::new(), BTreeSet::new());
    let first = run.done();
    while let Some(cycles) = run.next(1) {
        let calls = cycle(&run, &house, &tokens, &mut retired);
        judge(&mut run, &calls, &retired);
        let mut held = tokens.lock().expect("no caller panicked");
        kids.extend(held.iter().map(|token: &Token| token.kid.clone()));
        held.retain(|token| token.asked.elapsed() < SURELY_ALIVE);
        drop(api.take());
        run.held(cycles);
    }
    let cycles = usize::try_from(run.done() - first).expect("few cycles");
    assert!(kids.len() > cycles / 2, "only {} keys signed in {cycles} cycles", kids.len());
    run.count("keys that signed", kids.len());
    run.finish();
}

fn cycle(run: &Run, house: &House, tokens: &Mutex<Vec<Token>>, retired: &mut Retired) -> Vec<Call> {
    let end = clock::now() + CYCLE;
    thread::scope(|scope| {
        let call = |caller| {
            let dice = Dice::of(run.done() * 100 + caller as u64);
            scope.spawn(move || call(house.public(), caller, dice, tokens, end))
        };
        let callers: Vec<_> = (0..CALLERS).map(call).collect();
        if run.done() % RETIRE_EVERY == RETIRE_EVERY / 2 {
            thread::sleep(CYCLE / 2);
            let kid = active(house);
            house.run(&["signing-key", "retire", &kid]);
            retired.insert(kid, clock::now());
        }
        callers.into_iter().flat_map(|caller| caller.join().expect("no caller panics")).collect()
    })
}

/// Sign in now and then, and use any token that anybody has.
fn call(address: SocketAddr, caller: usize, mut dice: Dice, tokens: &Mutex<Vec<Token>>, end: Instant) -> Vec<Call> {
    let mut connection = Connection::open(address).expect("keyfob is there");
    let (name, mut calls, mut next) = (format!("caller{caller}"), Vec::new(), clock::now());
    while clock::now() < end {
        if clock::now() >= next {
            let asked = clock::now();
            let answer = connection.ask(&login_request(&name, PASSWORD)).expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
            let text = token_of(&answer);
            let kid = kid_of(&text);
            tokens.lock().expect("no caller panicked").push(Token { text, kid, asked });
            next = clock::now() + SIGN_IN_EVERY;
        }
        let token = {
            let held = tokens.lock().expect("no caller panicked");
            held[dice.roll(held.len())].clone()
        };
        let began = clock::now();
        let status = connection.ask(&Request::new("GET", "/x").bearer(&token.text)).expect("an answer").status;
        let alive = token.asked.elapsed() < SURELY_ALIVE;
        calls.push(Call { kid: token.kid, alive, began, status });
    }
    calls
}

fn judge(run: &mut Run, calls: &[Call], retired: &Retired) {
    for call in calls {
        match retired.get(&call.kid) {
            None if call.alive => {
                assert_eq!(call.status, 200, "a valid token was refused in cycle {}", run.done());
                run.count("calls with valid tokens that were let through", 1);
            }
            Some(returned) if call.began > *returned => {
                assert_eq!(call.status, 401, "a retired key let somebody in, in cycle {}", run.done());
                run.count("calls with tokens of retired keys that were refused", 1);
            }
            // While the command ran, either answer is right; a token past its life is nobody's.
            _ => {}
        }
    }
}

fn active(house: &House) -> String {
    let list: Value = serde_json::from_str(&house.run(&["--json", "signing-key", "list"])).expect("JSON");
    let active = list.as_array().expect("a list").iter().find(|key| key["state"] == "active").expect("one signs");
    active["kid"].as_str().expect("an id").to_owned()
}

fn kid_of(token: &str) -> String {
    let header = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    header["kid"].as_str().expect("an id").to_owned()
}
