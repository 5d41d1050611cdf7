//! The one place of this crate that reads a clock, for verifiers that are given none.

use keyfob_core::lease::Moment;
use keyfob_core::time::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Wall-clock time.
#[expect(clippy::disallowed_methods, reason = "this is the library's one wall clock")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Microseconds since this machine started, sleep included: what leases are counted in.
pub(crate) fn boot_micros() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000);
    u64::try_from(micros).unwrap_or(0)
}

/// The same as a moment.
pub(crate) fn boot() -> Moment {
    Moment::from_micros(boot_micros())
}
