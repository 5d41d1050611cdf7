//! Long campaigns. `cargo test` runs a fixed small share of each; `cargo xtask campaign NAME` runs the whole, keeps its
//! state after every cycle so that a stopped run goes on, and leaves its result under `campaigns/`. A violation is a
//! panic at once: there is no result file of a campaign that failed.

mod acknowledge;
mod backup;
mod guess_storm;
mod kill9;
mod moving;
mod nodes;
mod paths;
mod refresh_race;
pub mod revoke_race;
mod rotate;
mod smuggle;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

/// A run of one campaign: how far it is and what it has counted.
pub struct Run {
    name: &'static str,
    total: u64,
    done: u64,
    counts: BTreeMap<String, u64>,
    state: Option<PathBuf>,
    result: Option<PathBuf>,
}

impl Run {
    /// Begin, or go on where an earlier run of the same length stopped. `share`: the cycles of `cargo test`.
    pub fn begin(name: &'static str, share: u64) -> Self {
        let setting = |name: &str| std::env::var(format!("KEYFOB_CAMPAIGN_{name}")).ok();
        let total = setting("CYCLES").map_or(share, |text| text.parse().expect("a number of cycles"));
        let (state, result) = (setting("STATE").map(PathBuf::from), setting("RESULT").map(PathBuf::from));
        let mut run = Self { name, total, done: 0, counts: BTreeMap::new(), state, result };
        run.resume();
        run
    }

    /// Cycles that were done before this one.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// How many of at most `most` cycles are to be done next; none when the campaign is whole.
    pub fn next(&self, most: u64) -> Option<u64> {
        Some(most.min(self.total.saturating_sub(self.done))).filter(|cycles| *cycles > 0)
    }

    /// Count something that was checked.
    pub fn count(&mut self, what: &str, number: usize) {
        *self.counts.entry(what.to_owned()).or_default() += number as u64;
    }

    /// What has been counted.
    pub fn counted(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// These cycles are done and held.
    pub fn held(&mut self, cycles: u64) {
        self.done += cycles;
        if let Some(state) = &self.state {
            replace(state, &self.shown());
            // Progress belongs to the whole campaigns only; a share is over before anybody asks.
            let _ = writeln!(std::io::stdout(), "{} {}/{} {:?}", self.name, self.done, self.total, self.counts);
        }
    }

    /// All cycles held.
    pub fn finish(self) {
        assert_eq!(self.done, self.total, "the campaign is not whole");
        if let Some(result) = &self.result {
            replace(result, &self.shown());
        }
    }

    fn shown(&self) -> Value {
        json!({
            "campaign": self.name,
            "cycles": self.done,
            "of": self.total,
            "violations": 0,
            "counts": self.counts,
            "keyfob": env!("CARGO_PKG_VERSION"),
        })
    }

    fn resume(&mut self) {
        let Some(text) = self.state.as_ref().and_then(|state| fs::read_to_string(state).ok()) else { return };
        let earlier: Value = serde_json::from_str(&text).expect("the state of an earlier run");
        if earlier["of"] == self.total {
            self.done = earlier["cycles"].as_u64().expect("a number of cycles");
            self.counts = serde_json::from_value(earlier["counts"].clone()).expect("counts");
        }
    }
}

/// Says that it is over, also where somebody panics: a scope waits for its threads, and those who call without pause would
/// go on for ever.
pub struct StopAtEnd<'a>(pub &'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Write a file whole or not at all.
fn replace(path: &PathBuf, value: &Value) {
    let draft = path.with_extension("draft");
    let text = serde_json::to_string_pretty(value).expect("JSON can be written") + "\n";
    fs::write(&draft, text).and_then(|()| fs::rename(&draft, path)).expect("the campaign's folder can be written to");
}

/// Repeatable numbers: `SplitMix64`, so that cycle N is the same in every run.
pub struct Dice(u64);

impl Dice {
    /// Numbers of one cycle.
    pub fn of(cycle: u64) -> Self {
        Self(cycle.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).expect("smaller than a usize")
    }
}
