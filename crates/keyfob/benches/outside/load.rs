//! Load: `wrk` with one thread on core 1, sending requests that were written down beforehand.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use rustix::thread::{CpuSet, sched_setaffinity};

use super::support::http::Request;

/// Where servers run, and where load runs.
pub const SERVER_CORE: usize = 0;
pub const LOAD_CORE: usize = 1;
/// Kept-alive connections, as in the measurements of the peers.
const CONNECTIONS: usize = 32;
/// Requests that are written down; a power of two, and far more than any cache line trick could hide.
const SEQUENCE: usize = 1 << 15;

/// What a run came to.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Answers a second.
    pub per_second: f64,
    /// The 99th percentile of the time to an answer, in microseconds.
    pub p99: f64,
    /// Answers that were not 2xx or 3xx.
    pub refused: u64,
}

/// From now on, what this thread starts runs on that core.
pub fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).expect("a process may choose its core");
}

/// A sequence of requests in which popular ones come up more often (Zipf, exponent 1), as callers do.
pub fn zipf(requests: &[Request]) -> Vec<&Request> {
    let weights: Vec<f64> = (1..=requests.len()).map(|rank| 1.0 / rank as f64).collect();
    let total: f64 = weights.iter().sum();
    let mut sequence = Vec::with_capacity(SEQUENCE);
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    while sequence.len() < SEQUENCE {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut left = (state >> 11) as f64 / (1_u64 << 53) as f64 * total;
        let at = weights.iter().position(|weight| {
            left -= weight;
            left <= 0.0
        });
        sequence.push(&requests[at.unwrap_or(0)]);
    }
    sequence
}

/// Run for this many seconds after a short warm-up.
pub fn run(folder: &Path, address: SocketAddr, sequence: &[&Request], seconds: u32) -> Rate {
    run_with(folder, address, sequence, seconds, CONNECTIONS)
}

/// The same over a number of connections.
pub fn run_with(folder: &Path, address: SocketAddr, sequence: &[&Request], seconds: u32, connections: usize) -> Rate {
    let script = folder.join("load.lua");
    fs::write(&script, lua(sequence)).expect("a script can be written");
    wrk(&script, address, 1, connections);
    wrk(&script, address, seconds, connections)
}

fn lua(sequence: &[&Request]) -> String {
    let mut text = "local requests = {\n".to_owned();
    for request in sequence {
        let bytes = String::from_utf8(request.bytes()).expect("the requests of a bench are text");
        let _ = writeln!(text, "{},", serde_json::to_string(&bytes).expect("a string"));
    }
    text += "}\nlocal at = 0\nfunction request()\n  at = at + 1\n  if at > #requests then at = 1 end\n  return requests[at]\nend\n";
    text
}

fn wrk(script: &Path, address: SocketAddr, seconds: u32, connections: usize) -> Rate {
    pin(LOAD_CORE);
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--latency", "--timeout", "30s"]).arg("--script").arg(script);
    wrk.args(["--connections", &connections.to_string(), "--duration", &format!("{seconds}s")]);
    let output = wrk.arg(format!("http://{address}/")).output().expect("wrk can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !said.contains("Socket errors"), "{said}");
    let word = |start: &str, at: usize| {
        let line = said.lines().map(str::trim).find(|line| line.starts_with(start));
        line.and_then(|line| line.split_whitespace().nth(at)).map(str::to_owned)
    };
    Rate {
        per_second: word("Requests/sec:", 1).and_then(|number| number.parse().ok()).expect("wrk tells a rate"),
        p99: word("99%", 1).map(|time| microseconds(&time)).expect("wrk tells percentiles"),
        refused: word("Non-2xx", 4).map_or(0, |number| number.parse().expect("a number")),
    }
}

/// `1.23ms` in microseconds.
fn microseconds(time: &str) -> f64 {
    let digits = time.trim_end_matches(|letter: char| letter.is_alphabetic());
    let number: f64 = digits.parse().expect("a time");
    match &time[digits.len()..] {
        "us" => number,
        "ms" => number * 1e3,
        "s" => number * 1e6,
        unit => panic!("wrk speaks of {unit}"),
    }
}
