//! G2: how long the acknowledgement of a revocation takes at three nodes (DESIGN §6), from its first byte to its answer: with all
//! of them healthy under a load of 30 % of the processors, and with one or two dead, standing still, or cut off from the
//! database a moment before. Each credential was let in at every node that lives. Judges no build: other programs on the
//! machine cost time. A full run leaves its figures in its result.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use super::nodes::installation::{Installation, NODES};
use super::nodes::line::{self, Line, Reply};
use super::nodes::proxy::Flow;
use super::{Dice, Run, StopAtEnd};
use crate::support::clock;
use crate::support::house::{PASSWORD, login_request};
use crate::support::http::Request;
use crate::support::keyfob::must;

/// The lease, what a node's clock may lose of it, and 100 ms (G2).
const LEASE_AND_MORE: Duration = Duration::from_millis(2_104);
const HEALTHY_MAX: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(20);
/// Revocations of a cycle with healthy nodes, and at once in the others.
const HEALTHY: usize = 200;
const AT_ONCE: usize = 4;
/// The share of the processors that is to be busy.
const LOAD: f64 = 0.3;

/// What is wrong.
const STATES: &[&str] =
    &["three healthy nodes", "one dead", "one standing still", "one cut off", "two standing still", "two cut off"];

/// Times by state, in microseconds.
type Times = BTreeMap<&'static str, Vec<u64>>;

#[test]
fn an_acknowledgement_waits_for_every_node_and_no_longer() {
    let mut run = Run::begin("acknowledge", 2);
    let whole = run.total > 10;
    let installation = Installation::start(false);
    let data = installation.nodes[0].data();
    must(&data, &["user", "add", "ada", "--password-stdin", "--role", "caller"], &format!("{PASSWORD}\n"));
    let signed_in = line::ask(installation.nodes[0].public(), &login_request("ada", PASSWORD), PATIENCE);
    let token = signed_in.and_then(|reply| reply.text("access_token")).expect("ada signs in");
    let (mut times, busy) = (Times::new(), Busy::default());
    while run.next(1).is_some() {
        // Half of the cycles are healthy ones.
        let number = usize::try_from(run.done()).expect("few cycles");
        let state = if number.is_multiple_of(2) { STATES[0] } else { STATES[1 + number / 2 % (STATES.len() - 1)] };
        let seen = if state == STATES[0] {
            let count = if whole { HEALTHY } else { 20 };
            busy.amid(&installation, &token, || {
                (0..count).map(|turn| revoke(&installation, &token, turn % NODES)).collect()
            })
        } else {
            beside(&installation, &token, state, &mut Dice::of(run.done()))
        };
        run.count(&format!("revocations, {state}"), seen.len());
        let limit = if state == STATES[0] { HEALTHY_MAX } else { LEASE_AND_MORE };
        run.count(
            &format!("of these later than {} ms", limit.as_millis()),
            seen.iter().filter(|took| **took > limit).count(),
        );
        let micros = seen.iter().map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        times.entry(state).or_default().extend(micros);
        run.held(1);
    }
    for (state, mut times) in times {
        times.sort_unstable();
        for (name, part) in [("p50", 50), ("p99", 99), ("most", 100)] {
            let at = (times.len() * part).div_ceil(100).max(1) - 1;
            run.count(&format!("{state}: {name}, us"), usize::try_from(times[at]).expect("it fits"));
        }
    }
    run.count("processors busy while all were healthy, percent", busy.percent());
    run.finish();
}

/// One revocation at `node`, of a key that every node has let in; how long it took.
fn revoke(installation: &Installation, token: &str, node: usize) -> Duration {
    let id = known_key(installation, token);
    timed(installation, token, node, &id)
}

fn timed(installation: &Installation, token: &str, node: usize, id: &str) -> Duration {
    let request = Request::new("DELETE", &format!("/auth/keys/{id}")).bearer(token).bytes();
    let mut line = Line::open(installation.nodes[node].public()).expect("it is up");
    let start = clock::now();
    line.send(&request).expect("sent");
    let status = line.reply(PATIENCE).expect("an answer").map(|reply| reply.status);
    let took = start.elapsed();
    assert!(status.is_some_and(|status| (200..300).contains(&status)), "not acknowledged: {status:?}");
    took
}

/// A key's id; each node remembers it.
fn known_key(installation: &Installation, token: &str) -> String {
    let request = Request::new("POST", "/auth/keys").bearer(token).json(&json!({ "name": "a script" }));
    let made = ask(installation, 0, &request);
    let key = made.text("key").expect("a key");
    for node in 0..NODES {
        assert_eq!(ask(installation, node, &Request::new("GET", "/auth/me").bearer(&key)).status, 200);
    }
    made.text("id").expect("an id")
}

fn ask(installation: &Installation, node: usize, request: &Request) -> Reply {
    line::ask(installation.nodes[node].public(), request, PATIENCE).expect("an answer")
}

/// Revocations at a healthy node right after others fell into `state`, some at once; then all is well again.
fn beside(installation: &Installation, token: &str, state: &str, dice: &mut Dice) -> Vec<Duration> {
    let ids: Vec<String> = (0..AT_ONCE).map(|_| known_key(installation, token)).collect();
    let healthy = dice.roll(NODES);
    let ill: Vec<usize> =
        (1..NODES).map(|step| (healthy + step) % NODES).take(if state.starts_with("two") { 2 } else { 1 }).collect();
    // At any moment between two renewals.
    thread::sleep(Duration::from_millis(dice.roll(500) as u64));
    for node in ill.iter().map(|node| &installation.nodes[*node]) {
        match state {
            "one dead" => node.kill(),
            "one standing still" | "two standing still" => node.signal(Signal::STOP),
            _ => node.proxy.cut(Flow::Lose, Flow::Lose),
        }
    }
    let seen = thread::scope(|scope| {
        let started: Vec<_> =
            ids.iter().map(|id| scope.spawn(move || timed(installation, token, healthy, id))).collect();
        started.into_iter().map(|one| one.join().expect("nobody panics")).collect()
    });
    for node in &ill {
        match state {
            "one dead" => installation.start_node(*node),
            "one standing still" | "two standing still" => installation.nodes[*node].signal(Signal::CONT),
            _ => installation.nodes[*node].proxy.heal(),
        }
    }
    let ready = || installation.nodes.iter().all(super::nodes::installation::Node::is_ready).then_some(());
    clock::until(PATIENCE, ready).expect("all nodes hold a lease again");
    seen
}

/// Keeps a part of the processors busy with checks, and knows how busy they were.
#[derive(Default)]
struct Busy {
    ticks: AtomicU64,
    idle: AtomicU64,
}

impl Busy {
    fn amid<T>(&self, installation: &Installation, token: &str, work: impl FnOnce() -> T) -> T {
        let (stop, pause) = (&AtomicBool::new(false), &AtomicU64::new(2_000));
        let before = processors();
        let done = thread::scope(|scope| {
            let _end = StopAtEnd(stop);
            for node in 0..NODES {
                scope.spawn(move || {
                    let request = Request::new("GET", "/auth/me").bearer(token).bytes();
                    let mut line = Line::open(installation.nodes[node].public()).expect("it is up");
                    while !stop.load(Ordering::Relaxed) {
                        line.send(&request).expect("sent");
                        line.reply(PATIENCE).expect("an answer");
                        thread::sleep(Duration::from_micros(pause.load(Ordering::Relaxed)));
                    }
                });
            }
            scope.spawn(move || {
                let mut last = processors();
                while !stop.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(100));
                    let now = processors();
                    let own = share(last, now);
                    let old = pause.load(Ordering::Relaxed);
                    pause
                        .store(if own > LOAD { old * 9 / 8 } else { old * 8 / 9 }.clamp(20, 20_000), Ordering::Relaxed);
                    last = now;
                }
            });
            work()
        });
        let after = processors();
        self.ticks.fetch_add(after.0 - before.0, Ordering::Relaxed);
        self.idle.fetch_add(after.1 - before.1, Ordering::Relaxed);
        done
    }

    fn percent(&self) -> usize {
        let seen = (self.ticks.load(Ordering::Relaxed), self.idle.load(Ordering::Relaxed));
        let busy = seen.0.saturating_sub(seen.1) * 100 / seen.0.max(1);
        usize::try_from(busy).unwrap_or(100)
    }
}

/// What all processors together have done since the machine started, and how much of it was nothing; in ticks.
fn processors() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").expect("it can be read");
    let first = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = first.split_whitespace().skip(1).take(8).filter_map(|word| word.parse().ok()).collect();
    (ticks.iter().sum(), ticks.iter().skip(3).take(2).sum())
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a tenth of a second")]
fn share(before: (u64, u64), after: (u64, u64)) -> f64 {
    let (all, idle) = (after.0 - before.0, after.1 - before.1);
    if all == 0 { 0.0 } else { all.saturating_sub(idle) as f64 / all as f64 }
}
