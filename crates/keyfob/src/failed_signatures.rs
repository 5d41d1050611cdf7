//! Limits failed signature checks per session: a stolen session id with made-up signatures buys at most a few checks a
//! minute. A fixed table of counters, so no flood can make it grow; a collision only makes the limit stricter.

use std::sync::atomic::{AtomicU64, Ordering};

use keyfob_core::id::SessionId;
use keyfob_core::time::Timestamp;

/// Counters in the table: 64 KiB of memory.
const SLOTS: usize = 8192;
/// Failed signatures a session may have in one minute before its unseen tokens are answered 503.
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
    /// Whether this session has used up its failures for the current minute.
    #[must_use]
    pub fn exhausted(&self, session: SessionId, now: Timestamp) -> bool {
        let seen = self.slot(session).load(Ordering::Relaxed);
        seen >> COUNT_BITS == minute(now) && seen & ((1 << COUNT_BITS) - 1) >= FAILURES_MAX
    }

    /// Count one failure.
    pub fn count(&self, session: SessionId, now: Timestamp) {
        let minute = minute(now);
        let next = |seen: u64| {
            let count = if seen >> COUNT_BITS == minute { seen & ((1 << COUNT_BITS) - 1) } else { 0 };
            Some(minute << COUNT_BITS | (count + 1).min(FAILURES_MAX))
        };
        let _ = self.slot(session).fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    fn slot(&self, session: SessionId) -> &AtomicU64 {
        // The last eight bytes of a UUIDv7 are random.
        let bytes = session.to_bytes();
        let random = u64::from_be_bytes(bytes[8..].try_into().unwrap_or_default());
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
    fn a_session_gets_twenty_failures_a_minute_and_a_fresh_start_in_the_next() {
        let table = FailedSignatures::default();
        let now = Timestamp::from_seconds(1_800_000_000);
        let session = SessionId::new(now, &[7; 10]);
        for _ in 0..FAILURES_MAX {
            assert!(!table.exhausted(session, now));
            table.count(session, now);
        }
        assert!(table.exhausted(session, now));
        assert!(!table.exhausted(SessionId::new(now, &[8; 10]), now));
        assert!(!table.exhausted(session, now + std::time::Duration::from_mins(1)));
    }
}
