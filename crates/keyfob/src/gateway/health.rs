//! Whether an origin is well, as far as requests showed: nothing is ever sent to find out. An origin that is left out gets one
//! request after a while, and the others when that was answered. It only moves requests to other origins; where all are
//! ill they are asked all the same, so that nobody can talk an API out of service.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::pool::Pool;

/// How long an origin is left out, in microseconds.
const LEFT_OUT: u64 = 10_000_000;

/// Answers that did not come, one after the other, until it is. That it cannot be reached is enough at once.
const FAILURES_MAX: u32 = 3;

#[derive(Default)]
pub(super) struct Health {
    failures: AtomicU32,
    /// Left out until then, on the boot clock; 0 while it is well.
    until: AtomicU64,
    /// Requests under way.
    busy: AtomicUsize,
}

impl Health {
    /// The less, the sooner it is chosen: for how long it is left out, then how busy it is.
    pub(super) fn rank(&self, now: u64) -> (u64, usize) {
        (self.until.load(Ordering::Relaxed).saturating_sub(now), self.busy.load(Ordering::Relaxed))
    }

    /// It was chosen: if it was left out, the others wait for what comes of this.
    pub(super) fn taken(&self, now: u64) {
        if self.until.load(Ordering::Relaxed) != 0 {
            self.until.store(now + LEFT_OUT, Ordering::Relaxed);
        }
    }

    /// It answered, whatever the answer was.
    pub(super) fn is_well(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if self.until.load(Ordering::Relaxed) != 0 {
            self.until.store(0, Ordering::Relaxed);
        }
    }

    /// It did not. `away`: it could not be reached at all. Whether it is left out from now on, and was not before.
    pub(super) fn is_ill(&self, away: bool, now: u64) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let out = away || failures >= FAILURES_MAX;
        out && self.until.swap(now + LEFT_OUT, Ordering::Relaxed) == 0
    }
}

/// One request under way, until it is dropped.
pub(super) struct Busy(Arc<Pool>);

impl Busy {
    pub(super) fn at(pool: &Arc<Pool>) -> Self {
        pool.health.busy.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(pool))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.health.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_left_out_for_a_while_and_tried_once_after_it() {
        let health = Health::default();
        assert_eq!(health.rank(5), (0, 0));
        assert!(!health.is_ill(false, 5) && !health.is_ill(false, 6));
        health.is_well();
        assert!(!health.is_ill(false, 7) && !health.is_ill(false, 8), "an answer in between begins anew");
        assert!(health.is_ill(false, 9), "three in a row");
        assert_eq!(health.rank(9).0, LEFT_OUT);
        let over = 9 + LEFT_OUT;
        assert_eq!(health.rank(over).0, 0);
        health.taken(over);
        assert_eq!(health.rank(over).0, LEFT_OUT, "the others wait for what comes of one");
        health.is_well();
        assert_eq!(health.rank(over).0, 0);
        assert!(health.is_ill(true, over), "not to be reached is enough at once");
        assert!(!health.is_ill(true, over), "and is said once");
    }
}
