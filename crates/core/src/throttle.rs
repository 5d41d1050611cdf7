//! Rate limiting of sign-in (SP 800-63B-4 §3.2.2): may this attempt proceed? Pure arithmetic over what a store has
//! counted. An attempt is reserved before hashing and settled after, so parallel guesses cannot outrun the count.

use std::time::Duration;

use crate::time::Timestamp;

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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            account_failures: 10,
            address_failures: 100,
            window: Duration::from_secs(15 * 60),
            consecutive_failures: 100,
            reservation_life: Duration::from_secs(60),
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
        /// How long until the next attempt may proceed.
        retry_after: Duration,
    },
}

/// Judge one attempt against the account's and the address's tallies.
#[must_use]
pub fn admit(limits: &Limits, account: &Tally, address: &Tally, now: Timestamp) -> Admission {
    let _ = (limits, account, address, now);
    todo!()
}
