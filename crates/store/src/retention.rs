//! How long what has ended is kept, and how much of it one sweep removes: the same in every backend.

use std::time::Duration;

/// Rows removed in one transaction: a few milliseconds of the writer.
pub(crate) const ROWS_PER_TRANSACTION: u32 = 1000;

/// Transactions in one call: 10,000 rows.
pub(crate) const TRANSACTIONS_MAX: u32 = 10;

/// Changes stay this much longer: a reader that was stopped for less still finds every one.
pub(crate) const CHANGE_KEPT: Duration = Duration::from_hours(1);

/// Attempts stay this much longer: more than any throttle window, which the sweeper does not know.
pub(crate) const ATTEMPT_KEPT: Duration = Duration::from_hours(24);

/// Consecutive failures of names that nobody has stay this much longer: long enough that a locked name does not show
/// by unlocking that it is nobody's, short enough that it is not for ever. How many there may be is [`keyfob_core::throttle::Limits::unknown_names`].
pub(crate) const UNKNOWN_KEPT: Duration = Duration::from_hours(7 * 24);

/// Counts of failed sign-ins stay this much longer, for operators: 30 days.
pub(crate) const FAILED_SIGN_INS_KEPT: Duration = Duration::from_hours(30 * 24);
