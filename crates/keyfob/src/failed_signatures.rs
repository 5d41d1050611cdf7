//! Limits fruitless work per id: a stolen session id with made-up signatures buys at most a few checks a minute, and an API
//! key that is gone a few reads of the store. A fixed table of counters, so no flood can make it grow; a collision only makes the limit stricter.

use std::sync::atomic::{AtomicU64, Ordering};

use keyfob_core::time::Timestamp;

/// Counters in the table: 64 KiB of memory.
const SLOTS: usize = 8192;
/// Failures an id may have in one minute before it is answered 503.
const FAILURES_MAX: u64 = 20;
/// Low bits that count; the bits above them name the minute.
const COUNT_BITS: u32 = 16;

/// The table.
pub struct FailedSignatures(Box<[AtomicU64]>);

impl Default for FailedSignatures {
    fn default() -> Self {
        Self((0..SLOTS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl FailedSignatures {
    /// Whether this id, whose last eight bytes are random, has used up its failures for the current minute.
    #[must_use]
    pub fn exhausted(&self, id: [u8; 16], now: Timestamp) -> bool {
        let seen = self.slot(id).load(Ordering::Relaxed);
        seen >> COUNT_BITS == minute(now) && seen & ((1 << COUNT_BITS) - 1) >= FAILURES_MAX
    }

    /// Count one failure.
    pub fn count(&self, id: [u8; 16], now: Timestamp) {
        let minute = minute(now);
        let next = |seen: u64| {
            let count = if seen >> COUNT_BITS == minute { seen & ((1 << COUNT_BITS) - 1) } else { 0 };
            Some(minute << COUNT_BITS | (count + 1).min(FAILURES_MAX))
        };
        let _ = self.slot(id).fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    fn slot(&self, id: [u8; 16]) -> &AtomicU64 {
        let random = u64::from_be_bytes(id[8..].try_into().unwrap_or_default());
        &self.0[usize::try_from(random % SLOTS as u64).unwrap_or(0)]
    }
}

fn minute(now: Timestamp) -> u64 {
    u64::try_from(now.seconds() / 60).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_gets_twenty_failures_a_minute_and_a_fresh_start_in_the_next() {
        let table = FailedSignatures::default();
        let now = Timestamp::from_seconds(1_800_000_000);
        let id = [7; 16];
        for _ in 0..FAILURES_MAX {
            assert!(!table.exhausted(id, now));
            table.count(id, now);
        }
        assert!(table.exhausted(id, now));
        assert!(!table.exhausted([8; 16], now));
        assert!(!table.exhausted(id, now + std::time::Duration::from_mins(1)));
    }
}
