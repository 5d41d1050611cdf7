//! Checks while sign-ins flood in: an open-loop load, where each request has its moment whatever became of the last one, so
//! that waiting is counted as waiting.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::load::{LOAD_CORE, pin};
use super::support::clock;
use super::support::house::{PASSWORD, login_request};
use super::support::http::{Connection, Request};

/// Connections that share the schedule of checks.
const CHECKERS: usize = 8;
/// Connections of the flood; more than the hashing queue has places.
const FLOODERS: usize = 120;

/// What became of a flood.
pub struct Flood {
    /// The 99th percentile of checks in microseconds, counted from the moment each was due.
    pub p99: f64,
    /// Sign-ins that got in, and those that were told to come back.
    pub signed_in: u64,
    pub turned_away: u64,
}

/// The load of checks.
pub struct Checks<'r> {
    /// Where they are sent.
    pub address: SocketAddr,
    /// What is sent.
    pub request: &'r Request,
    /// How many are due in a second.
    pub per_second: f64,
    /// For how long.
    pub length: Duration,
}

/// Checks, and sign-ins of so many users in turn at `flooded`, if anywhere.
pub fn run(checks: &Checks<'_>, flooded: Option<SocketAddr>, users: usize) -> Flood {
    let stop = AtomicBool::new(false);
    let (signed_in, turned_away) = (AtomicU64::new(0), AtomicU64::new(0));
    let times = thread::scope(|scope| {
        for (number, address) in flooded.into_iter().cycle().take(FLOODERS).enumerate() {
            let (stop, signed_in, turned_away) = (&stop, &signed_in, &turned_away);
            scope.spawn(move || sign_in(address, number % users, stop, signed_in, turned_away));
        }
        let checkers: Vec<_> = (0..CHECKERS).map(|number| scope.spawn(move || check(checks, number))).collect();
        let times: Vec<f64> =
            checkers.into_iter().flat_map(|checker| checker.join().expect("a checker ends")).collect();
        stop.store(true, Ordering::Release);
        times
    });
    let mut times = times;
    times.sort_by(f64::total_cmp);
    let p99 = times[times.len() * 99 / 100];
    Flood { p99, signed_in: signed_in.into_inner(), turned_away: turned_away.into_inner() }
}

fn check(checks: &Checks<'_>, number: usize) -> Vec<f64> {
    pin(LOAD_CORE);
    let mut connection = Connection::open(checks.address).expect("keyfob is there");
    let gap = Duration::from_secs_f64(CHECKERS as f64 / checks.per_second);
    let start = clock::now() + gap.mul_f64(number as f64 / CHECKERS as f64);
    let mut times = Vec::new();
    let mut due = Duration::ZERO;
    while due < checks.length {
        thread::sleep((start + due).saturating_duration_since(clock::now()));
        let answer = connection.ask(checks.request).expect("every check gets an answer");
        assert_eq!(answer.status, 200, "a check during a flood");
        times.push(clock::now().saturating_duration_since(start + due).as_secs_f64() * 1e6);
        due += gap;
    }
    times
}

fn sign_in(address: SocketAddr, user: usize, stop: &AtomicBool, signed_in: &AtomicU64, turned_away: &AtomicU64) {
    pin(LOAD_CORE);
    let request = login_request(&super::rows::user(user), PASSWORD);
    let mut connection = Connection::open(address).expect("keyfob is there");
    while !stop.load(Ordering::Acquire) {
        match connection.ask(&request).expect("every sign-in gets an answer").status {
            200 => signed_in.fetch_add(1, Ordering::Relaxed),
            429 => {
                // Comes back at once, as no polite client would.
                thread::sleep(Duration::from_millis(20));
                turned_away.fetch_add(1, Ordering::Relaxed)
            }
            status => panic!("{status} for a right sign-in"),
        };
    }
}
