//! The tests' one clock. What is measured here is the program from outside, in real time.

use std::time::{Duration, Instant};

/// Now.
#[expect(clippy::disallowed_methods, reason = "the tests watch real processes, and this is their one clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Ask again and again until there is an answer; `None` when `limit` has passed without one.
pub fn until<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if start.elapsed() >= limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
