//! Latencies of checks beside other work. A virtual machine is itself stopped for a millisecond or more, several times a
//! second while both cores are busy. So the p99 is taken of each short window, and the median of the windows is
//! compared; the p99 over all is told beside it.

use std::time::Duration;

use crate::Outcome;
use crate::figure::{Figure, Target, number};
use crate::load::Heard;
use crate::statistics::{median, quantile};

/// What one p99 is taken of.
const WINDOW: Duration = Duration::from_millis(50);
/// Answers in a window at least: of fewer there is no p99.
const ANSWERS_MIN: usize = 100;

/// The latencies of some seconds, in microseconds.
#[derive(Default)]
pub struct Latencies {
    windows: Vec<f64>,
    all: Vec<f64>,
}

impl Latencies {
    /// Take the p99 of each window of what came at `rate` a second, in the order of the answers.
    ///
    /// # Errors
    /// If an answer was not a 200, or did not come.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a window has some thousand answers")]
    pub fn add(&mut self, heard: &Heard, rate: f64) -> Outcome {
        let latencies = heard.latencies(200);
        if latencies.len() != heard.answers.len() || heard.missed > 0 {
            return Err("a valid token was refused, or not answered".into());
        }
        let answers = (rate * WINDOW.as_secs_f64()) as usize;
        self.windows.extend(latencies.chunks_exact(answers.max(ANSWERS_MIN)).map(|window| quantile(window, 0.99)));
        self.all.extend(latencies);
        Ok(())
    }
}

/// The row that compares `busy` with `quiet`.
#[must_use]
pub fn figure(title: &str, busy: &Latencies, quiet: &Latencies, target: Target) -> Figure {
    let [typical, typical_quiet] = [busy, quiet].map(|latencies| median(&latencies.windows));
    let [overall, overall_quiet] = [busy, quiet].map(|latencies| number(quantile(&latencies.all, 0.99)));
    let words = format!(
        "median of the p99 of {} windows of {} ms; p99 over all, the machine's own stops included: {overall} us, quiet \
         {overall_quiet} us",
        busy.windows.len(),
        WINDOW.as_millis(),
    );
    let [measured, limit] = [typical, typical_quiet].map(|micros| format!("{} us", number(micros)));
    Figure::ratio(title, measured, limit, typical / typical_quiet, target).with(&words)
}
