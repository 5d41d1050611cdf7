//! Rate limiting of sign-in (SP 800-63B-4 §3.2.2): may this attempt proceed? Pure arithmetic over what a store has
//! counted. An attempt is reserved before hashing and settled after, so parallel guesses cannot outrun the count.
//!
//! The promise, for every account: in no interval `(t - window, t]`, wherever it lies, are there more than
//! `account_failures` wrong guesses, and never more than `consecutive_failures` in a row. It holds because
//! failures are counted back from now, not in windows with fixed ends (across one of which twice as many would fit),
//! and because an attempt that is still pending counts as the failure it may become. A right password is never
//! refused for other pending ones: it waits for them. It forgives the wrong ones that came from its own address, for they
//! were its owner's slips; guesses from elsewhere stay. Never knows whose tally it judges.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::time::Timestamp;

/// How long a caller is told to wait when only an operator can help, and asking sooner is useless.
const OPERATOR_WAIT: Duration = Duration::from_hours(24);

/// Shortest wait a refused caller is told: the unit of `Retry-After`, and zero would mean "at once".
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// The limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Failed attempts an account may have inside `window` (default 10).
    pub account_failures: u32,
    /// Failed attempts an address (IPv4, or IPv6 /64) may have inside `window` (default 100).
    pub address_failures: u32,
    /// The window (default 15 min).
    pub window: Duration,
    /// Consecutive failures after which an account's password is locked until an operator acts (default 100).
    pub consecutive_failures: u32,
    /// An unsettled reservation older than this counts as a failure (default 60 s).
    pub reservation_life: Duration,
    /// Attempts at names that nobody has, and failures in a row of such names, that are remembered; beyond, the oldest are
    /// forgotten, or strangers could fill the disk (default 100,000: more than a small machine hashes in the window).
    pub unknown_names: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            account_failures: 10,
            address_failures: 100,
            window: Duration::from_mins(15),
            consecutive_failures: 100,
            reservation_life: Duration::from_mins(1),
            unknown_names: 100_000,
        }
    }
}

/// What the store has counted for one account or one address, in the transaction that would reserve the attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Failed attempts with `at > now - window`, lapsed reservations among them.
    pub failures: u32,
    /// Reservations that are neither settled nor lapsed.
    pub pending: u32,
    /// Failures since the last success (accounts only; zero for an address).
    pub consecutive: u32,
    /// When the oldest of `failures` was.
    pub oldest_failure_at: Option<Timestamp>,
}

/// May an attempt proceed?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes: reserve it.
    Proceed,
    /// The pending attempts could use up the budget: ask again when one of them settles.
    Wait,
    /// No, for this long.
    Refuse {
        /// How long until the next attempt may proceed. One second or more.
        retry_after: Duration,
    },
}

/// Judge one attempt against the account's and the address's tallies. The stricter of the two stands.
///
/// ```
/// use keyfob_core::throttle::{Admission, Limits, Tally, admit};
/// use keyfob_core::time::Timestamp;
/// use std::time::Duration;
///
/// let (limits, now) = (Limits::default(), Timestamp::from_seconds(10_000));
/// let address = Tally::default();
/// let fresh = Tally { failures: 3, oldest_failure_at: Some(now - Duration::from_mins(1)), ..Tally::default() };
/// assert_eq!(admit(&limits, &fresh, &address, now), Admission::Proceed);
///
/// let busy = Tally { pending: 7, ..fresh };
/// assert_eq!(admit(&limits, &busy, &address, now), Admission::Wait);
///
/// let spent = Tally { failures: 10, ..fresh };
/// let retry_after = Duration::from_mins(14);
/// assert_eq!(admit(&limits, &spent, &address, now), Admission::Refuse { retry_after });
/// ```
#[must_use]
pub fn admit(limits: &Limits, account: &Tally, address: &Tally, now: Timestamp) -> Admission {
    let verdicts = [
        in_a_row(limits, account),
        in_the_window(limits.account_failures, limits.window, account, now),
        in_the_window(limits.address_failures, limits.window, address, now),
    ];
    verdicts.into_iter().fold(Admission::Proceed, stricter)
}

/// Judge the failures since the last success.
fn in_a_row(limits: &Limits, account: &Tally) -> Admission {
    if account.consecutive >= limits.consecutive_failures {
        Admission::Refuse { retry_after: OPERATOR_WAIT }
    } else if account.consecutive.saturating_add(account.pending) >= limits.consecutive_failures {
        Admission::Wait
    } else {
        Admission::Proceed
    }
}

/// Judge the failures inside the window that ends now.
fn in_the_window(budget: u32, window: Duration, tally: &Tally, now: Timestamp) -> Admission {
    if tally.failures >= budget {
        // Half open: a failure at `a` counts while now < a + window. A budget of zero has no oldest to wait for.
        let oldest = tally.oldest_failure_at.unwrap_or(now);
        Admission::Refuse { retry_after: (oldest + window).since(now).max(RETRY_AFTER_MIN) }
    } else if tally.failures.saturating_add(tally.pending) >= budget {
        Admission::Wait
    } else {
        Admission::Proceed
    }
}

fn stricter(one: Admission, other: Admission) -> Admission {
    use Admission::{Proceed, Refuse, Wait};
    match (one, other) {
        (Refuse { retry_after: a }, Refuse { retry_after: b }) => Refuse { retry_after: a.max(b) },
        (refusal @ Refuse { .. }, _) | (_, refusal @ Refuse { .. }) => refusal,
        (Wait, _) | (_, Wait) => Wait,
        (Proceed, Proceed) => Proceed,
    }
}
