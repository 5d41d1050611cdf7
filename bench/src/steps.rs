//! The steps of a decision, each to be run a number of times under an instruction counter. Counts do not depend on how
//! busy the machine is, so they show a change that a clock would hide.

use std::hint::black_box;
use std::path::Path;
use std::pin::pin;
use std::process::Command;
use std::task::{Context, Poll, Waker};

use keyfob::clock;
use keyfob_core::bearer;
use keyfob_core::policy::{self, Ask};
use keyfob_tower::guard::Verify as _;

use crate::Outcome;
use crate::decision::{self, Warm};
use crate::figure::{Figure, Target};
use crate::place::sibling;

/// What is counted: its name and what it is.
const STEPS: &[(&str, &str)] = &[
    ("decision", "warm decision, path read"),
    ("verify", "screen and verify, ES256"),
    ("bearer", "bearer::read"),
    ("ask", "Ask::parse"),
    ("decide", "Ask::parse and policy::decide"),
];
/// Runs of the two counts whose difference is told: what comes before the first run is in both.
const FEW: u32 = 1_000;
const MANY: u32 = 6_000;

/// Run one step `times` times.
///
/// # Errors
/// If there is no such step, or a decision is not made at once.
pub fn run(step: &str, times: u32, data: &Path) -> Outcome {
    let warm = Warm::new(data)?;
    let (verifier, keys) = (&warm.verifier, warm.house.keys.accepted());
    let header = format!("Bearer {}", warm.token);
    let ask = || Ask::parse("GET", "api.example.com", b"/reports/7");
    let now = clock::now();
    let Poll::Ready(Ok(evidence)) =
        pin!(verifier.verify(&warm.token, now)).poll(&mut Context::from_waker(Waker::noop()))
    else {
        return Err("the token is not known".into());
    };
    for _ in 0..times {
        match step {
            "decision" => decision::decide(verifier, &warm.headers)?,
            "verify" => drop(black_box(verifier.profile.verify(black_box(&warm.token), &keys, now)?)),
            "bearer" => drop(black_box(bearer::read([black_box(header.as_bytes())]))),
            "ask" => drop(black_box(ask()?)),
            "decide" => drop(black_box(policy::decide(&verifier.policy.load(), ask()?, &evidence, now))),
            _ => return Err("no such step".into()),
        }
    }
    Ok(())
}

/// Count every step with valgrind; no rows where it is not installed.
///
/// # Errors
/// If a run under valgrind fails.
pub fn figures(folder: &Path) -> Outcome<Vec<Figure>> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        tell("bench: valgrind is not installed, so no instructions are counted");
        return Ok(Vec::new());
    }
    let count = |name: &str, times: u32| -> Outcome<f64> {
        let data = folder.join(format!("{name}-{times}"));
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(sibling("inprocess")?);
        let output = command.args(["step", &data.to_string_lossy(), name, &times.to_string()]).output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        let counted = text.lines().find_map(|line| line.split_once("Collected : "));
        Ok(counted.ok_or_else(|| format!("valgrind did not count {name}: {text}"))?.1.trim().parse()?)
    };
    STEPS
        .iter()
        .map(|(name, words)| {
            let each = (count(name, MANY)? - count(name, FEW)?) / f64::from(MANY - FEW);
            Ok(Figure::absolute(&format!("instructions: {words}"), each, "each", Target::None))
        })
        .collect()
}

#[expect(clippy::print_stderr, reason = "said beside the table on standard output")]
fn tell(line: &str) {
    eprintln!("{line}");
}
