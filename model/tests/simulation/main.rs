//! Simulated installations, one for each seed: five nodes, a minute of real time, thousands of events; crashes, pauses,
//! cuts, outages, losses and delays of seconds; clocks as bad as the terms allow. The same seed does the same everywhere.
//!
//! `MODEL_SEEDS=100000` runs more of them; `MODEL_SEED=17` runs one and shows each event.

mod change;
mod clock;
mod event;
mod installation;
mod node;
mod random;

use std::fmt::Write;

use installation::{Counts, run};
use model::Flaw;

/// Seeds of every run of the tests: seconds.
const SEEDS: u64 = 100;
/// Seeds within which each flaw must be found.
const SEEDS_OF_A_FLAW: u64 = 400;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[expect(clippy::print_stderr, reason = "the counts are what docs/reliability.md says")]
fn report(line: &str) {
    eprintln!("{line}");
}

#[test]
fn the_promises_hold_for_every_seed() {
    let one = variable("MODEL_SEED");
    let seeds = one.map_or(0..variable("MODEL_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    let mut sum = Counts::default();
    for seed in seeds.clone() {
        match run(seed, None, one.is_some()) {
            Ok(counts) => sum.add(counts),
            Err(broken) => panic!(
                "seed {seed} breaks {}: {}\nto see it: MODEL_SEED={seed} cargo test -p model --test simulation",
                broken.promise, broken.what
            ),
        }
    }
    report(&format!("{} seeds: {sum:?}", seeds.end - seeds.start));
    assert!(one.is_some() || sum.is_eventful(), "too little happened to prove anything: {sum:?}");
}

#[test]
fn every_flaw_is_found() {
    let mut missed = String::new();
    for flaw in Flaw::ALL {
        let breaks = |seed| run(seed, Some(flaw), false).err().filter(|broken| broken.promise.starts_with('G'));
        match (0..SEEDS_OF_A_FLAW).find_map(|seed| Some((seed, breaks(seed)?))) {
            Some((seed, broken)) => report(&format!("{flaw:?}, seed {seed}: {}: {}", broken.promise, broken.what)),
            None => writeln!(missed, "{flaw:?} is not noticed in {SEEDS_OF_A_FLAW} seeds").unwrap(),
        }
    }
    assert!(missed.is_empty(), "{missed}");
}

#[test]
fn a_seed_does_the_same_twice() {
    let twice = [(); 2].map(|()| format!("{:?}", run(5, None, false).unwrap()));
    assert_eq!(twice[0], twice[1]);
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.requests += other.requests;
        self.hits += other.hits;
        self.acknowledged += other.acknowledged;
        self.struck_out += other.struck_out;
    }

    fn is_eventful(&self) -> bool {
        self.hits > self.requests / 10
            && self.hits < self.requests
            && self.acknowledged > SEEDS
            && self.struck_out > SEEDS
    }
}
