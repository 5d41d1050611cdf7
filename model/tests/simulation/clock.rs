//! The clock of one simulated machine.

use std::time::Duration;

use keyfob_core::lease::Moment;

use crate::random::Random;

/// A clock with a start and a pace of its own.
pub(crate) struct Clock {
    offset: u64,
    // Microseconds for each million of real time.
    pace: u64,
}

impl Clock {
    /// Within `parts` in `of` of real time. (A thousandth less, because readings are rounded.)
    pub(crate) fn new(random: &mut Random, parts: u32, of: u32) -> Self {
        let most = u64::from(parts) * 999_000 / u64::from(of);
        // The ends are the worst.
        let drift = match random.below(4) {
            0 => 0,
            1 => 2 * most,
            _ => random.within(0..2 * most),
        };
        Self { offset: random.within(0..1 << 40), pace: 1_000_000 - most + drift }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// What it says at a moment of real time.
    pub(crate) fn moment(&self, now: Duration) -> Moment {
        let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        Moment::from_micros(self.offset + micros * self.pace / 1_000_000)
    }
}
