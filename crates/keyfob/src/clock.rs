//! The one place that reads a clock or asks for randomness, and that writes an instant for people. Everything else takes `now` and random bytes as arguments.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use keyfob_core::lease::Moment;
use keyfob_core::time::Timestamp;

/// Wall-clock time.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the program's one wall clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// An instant as RFC 3339 text, whole seconds, UTC; as plain seconds beyond the years that has.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.seconds()).map_or_else(|_| format!("{}s", at.seconds()), |at| at.to_string())
}

/// A monotonic instant, for measuring how long something took.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the program's one monotonic clock")]
pub fn instant() -> Instant {
    Instant::now()
}

/// Microseconds since this machine started, sleep included (`CLOCK_BOOTTIME`): what leases are counted in.
#[must_use]
pub fn boot_micros() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000);
    u64::try_from(micros).unwrap_or(0)
}

/// The same as a moment.
#[must_use]
pub fn boot() -> Moment {
    Moment::from_micros(boot_micros())
}

/// The operating system's randomness, by aws-lc.
#[must_use]
pub fn rng() -> &'static (dyn SecureRandom + Sync) {
    #[expect(clippy::disallowed_methods, reason = "this is the program's one source of randomness")]
    static RNG: std::sync::LazyLock<SystemRandom> = std::sync::LazyLock::new(SystemRandom::new);
    &*RNG
}

/// `N` random bytes.
///
/// # Panics
/// If the operating system has no randomness to give: nothing safe can be done without it.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "without randomness no token or salt is safe, so the process must stop")]
    rng().fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
