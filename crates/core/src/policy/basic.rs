//! `basic = "until 2027-03-01"`: how long a route takes HTTP Basic beside tokens (DESIGN §5). Parsed once; half open: the
//! window is open before that instant, 00:00 UTC where it is a date, and closed from it on.

use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::value::{Datetime, Offset};

use super::PolicyProblem;
use super::compile::Source;
use super::file::Block;
use crate::time::Timestamp;
use crate::user::KnownUser;

/// The window of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Closed from here on.
    pub(super) until: Timestamp,
    /// As the file says it.
    pub(super) text: Box<str>,
}

/// What an HTTP Basic credential is worth.
#[derive(Clone, Debug)]
pub enum BasicEvidence {
    /// Nobody asked whether it is right: the route takes none, or not any more.
    Unchecked,
    /// It is not right, or no credential at all.
    Wrong,
    /// Nobody may ask now: so long the throttle or the hashing pool says to wait.
    TooMany(Duration),
    /// It was found right.
    Right(BasicProof),
}

/// A credential that was right, and its user as it is now.
#[derive(Clone, Debug)]
pub struct BasicProof {
    /// The user.
    pub user: Arc<KnownUser>,
    /// The `auth_version` of the user for which the password was right: every change of password, status and roles raises it.
    pub auth_version: u64,
}

/// What a caller showed who came with HTTP Basic. There is neither a session nor a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicCaller {
    /// The user.
    pub user: crate::id::UserId,
    /// The `auth_version` it was let in at.
    pub auth_version: u64,
    /// When the route's window ends.
    pub until: Timestamp,
}

impl BasicProof {
    /// Whether the password is still the user's, and the user may act.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.user.user.auth_version == self.auth_version && super::decide::may_act(&self.user)
    }
}

impl BasicCaller {
    /// Whether `user`, as it is now, would still be let in.
    #[must_use]
    pub fn is_live(&self, user: &KnownUser, now: Timestamp) -> bool {
        let same = user.user.id == self.user && user.user.auth_version == self.auth_version;
        same && now < self.until && super::decide::may_act(user)
    }
}

/// The window of a block, if it has one.
pub(super) fn read_window(source: &Source<'_>, block: &Block) -> Result<Option<Window>, PolicyProblem> {
    let Some(written) = &block.basic else { return Ok(None) };
    let problem = |message: &str| Err(source.problem(&written.span(), message));
    let Some(until) = parse(written) else {
        return problem("write the day on which HTTP Basic is no longer taken, such as \"until 2027-03-01\"");
    };
    if block.public.as_ref().is_some_and(|public| *public.get_ref()) {
        return problem("a public route asks for no credentials: remove `basic`");
    }
    if block.forward_authorization {
        return problem("the API behind must never get passwords: remove `forward-authorization`, or `basic`");
    }
    Ok(Some(Window { until, text: written.get_ref().as_str().into() }))
}

/// `until` and a date, or a date and a time of UTC.
fn parse(written: &Spanned<String>) -> Option<Timestamp> {
    let when: Datetime = written.get_ref().strip_prefix("until ")?.parse().ok()?;
    let date = when.date?;
    let seconds = match (when.time, when.offset) {
        (None, None) => 0,
        (Some(time), Some(Offset::Z)) => {
            i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0))
        }
        _ => return None,
    };
    let days = days_from_epoch(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    Some(Timestamp::from_seconds(days * 86_400 + seconds))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March, so that a leap day ends one.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let in_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + in_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for ((year, month, day), days) in [
            ((1970, 1, 1), 0),
            ((1969, 12, 31), -1),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2027, 3, 1), 20_878),
            ((2100, 3, 1), 47_541),
        ] {
            assert_eq!(days_from_epoch(year, month, day), days, "{year}-{month}-{day}");
        }
    }
}
