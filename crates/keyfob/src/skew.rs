//! Whether this machine's wall clock agrees with that of the store that nodes share (guarantee G9): tokens live and die by it.
//! Each renewal of the lease tells what the store's clock says; from then on that is counted on by `CLOCK_BOOTTIME`, so that
//! a wall clock which is set back or forth is noticed by the very next request. Beyond five seconds it is said, beyond the
//! leeway of tokens nothing is issued and nobody is let in until it is right again. Leases never depend on it.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use keyfob_core::time::Timestamp;

use crate::clock;

/// From here on it is worth an alarm, in microseconds.
pub const ALARM: i64 = 5_000_000;

/// A leeway below this is not what a comparison over a network can tell: half of the longest answer of the store.
const LEAST_LEEWAY: i64 = 1_000_000;

/// Nothing was compared yet.
const UNKNOWN: i64 = i64::MIN;

/// How the two clocks agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Agreement {
    /// Well enough.
    Right,
    /// Worth an alarm.
    Off,
    /// Too badly to judge or issue anything.
    Wrong,
}

/// The comparison.
pub struct Skew {
    leeway: i64,
    // What the store's wall clock said when this machine's boot clock was zero, in microseconds.
    store: AtomicI64,
    told: AtomicU8,
}

impl Skew {
    /// Nothing was compared yet: nothing can be told. `leeway`: that of access tokens.
    #[must_use]
    pub fn new(leeway: Duration) -> Self {
        let leeway = i64::try_from(leeway.as_micros()).unwrap_or(i64::MAX).max(LEAST_LEEWAY);
        Self { leeway, store: AtomicI64::new(UNKNOWN), told: AtomicU8::new(Agreement::Right as u8) }
    }

    /// The store was asked, and answered, at these microseconds of [`clock::boot_micros`]; its clock said `store` in between.
    pub fn compared(&self, asked: u64, answered: u64, store: Timestamp) {
        let middle = i64::try_from(asked.midpoint(answered)).unwrap_or(0);
        self.store.store(store.micros().saturating_sub(middle), Ordering::Release);
    }

    /// By how many microseconds this machine's clock is ahead of the store's now; behind, if negative. `None`: nothing was
    /// compared yet.
    #[must_use]
    pub fn now(&self) -> Option<i64> {
        let store = self.store.load(Ordering::Acquire);
        let boot = i64::try_from(clock::boot_micros()).unwrap_or(0);
        (store != UNKNOWN).then(|| clock::now().micros().saturating_sub(store.saturating_add(boot)))
    }

    /// What both clocks say that it is at least: whatever ended before has ended by either. Not changed by a clock that is set
    /// forth, however late that is noticed. `None` while the clock is in the way, or nothing was compared yet.
    #[must_use]
    pub fn at_least(&self) -> Option<Timestamp> {
        let boot = i64::try_from(clock::boot_micros()).unwrap_or(0);
        let store = self.store.load(Ordering::Acquire);
        if store == UNKNOWN || self.agreement() == Agreement::Wrong {
            return None;
        }
        Some(clock::now().min(Timestamp::from_micros(store.saturating_add(boot))))
    }

    /// How the clocks agree now.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        match self.now().map(i64::saturating_abs) {
            Some(skew) if skew <= self.leeway => {
                if skew <= ALARM {
                    Agreement::Right
                } else {
                    Agreement::Off
                }
            }
            _ => Agreement::Wrong,
        }
    }

    /// Why nothing is judged, for operators; `None` if the clock is not in the way.
    #[must_use]
    pub fn in_the_way(&self) -> Option<String> {
        (self.agreement() == Agreement::Wrong).then(|| {
            let leeway = self.leeway / 1_000_000;
            format!("{}, more than the leeway of {leeway} s: set it right", self.shown())
        })
    }

    /// Say it in the log when it changes.
    pub fn tell(&self) {
        let agreement = self.agreement();
        if self.told.swap(agreement as u8, Ordering::AcqRel) == agreement as u8 {
            return;
        }
        match (agreement, self.in_the_way()) {
            (Agreement::Right, _) => tracing::warn!("this machine's clock agrees with the database's again"),
            (_, Some(why)) => tracing::error!("{why}; until then nobody is let in, and nothing is issued"),
            (_, None) => tracing::warn!("{}: set it right before tokens suffer", self.shown()),
        }
    }

    fn shown(&self) -> String {
        self.now().map_or_else(
            || "this machine's clock was not compared with the database's yet".to_owned(),
            |skew| {
                let side = if skew < 0 { "behind" } else { "ahead of" };
                format!("this machine's clock is {} {side} the database's", shown(skew.saturating_abs()))
            },
        )
    }
}

/// Microseconds as seconds with one place.
#[must_use]
pub fn shown(micros: i64) -> String {
    let tenths = micros.saturating_abs().saturating_add(50_000) / 100_000;
    format!("{}{}.{} s", if micros < 0 && tenths > 0 { "-" } else { "" }, tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store whose clock is behind this machine's by so many seconds.
    fn ahead(seconds: i64, leeway: u64) -> Skew {
        let skew = Skew::new(Duration::from_secs(leeway));
        let now = clock::boot_micros();
        skew.compared(now, now, Timestamp::from_micros(clock::now().micros() - seconds * 1_000_000));
        skew
    }

    #[test]
    fn beyond_five_seconds_it_is_an_alarm_and_beyond_the_leeway_it_is_in_the_way() {
        for side in [1, -1] {
            for (seconds, agreement) in [
                (0, Agreement::Right),
                (4, Agreement::Right),
                (6, Agreement::Off),
                (29, Agreement::Off),
                (31, Agreement::Wrong),
            ] {
                let skew = ahead(side * seconds, 30);
                assert_eq!(skew.agreement(), agreement, "{}", side * seconds);
                assert_eq!(skew.in_the_way().is_some(), agreement == Agreement::Wrong);
            }
        }
        assert_eq!(ahead(3, 2).agreement(), Agreement::Wrong, "a small leeway is what tokens are judged by");
        assert_eq!(ahead(0, 0).agreement(), Agreement::Right, "no network tells less than a second");
    }

    /// Nothing is removed that the database's clock, or this one, still says is alive.
    #[test]
    fn what_both_clocks_say_at_least_is_the_earlier_and_nothing_while_one_is_wrong() {
        let now = clock::now();
        let behind = |least: Timestamp| (now.micros() - least.micros() + 500_000) / 1_000_000;
        let told = |seconds| ahead(seconds, 30).at_least().map(behind);
        assert_eq!([told(20), told(-20), told(0)], [Some(20), Some(0), Some(0)]);
        assert_eq!([told(31), told(-31)], [None, None]);
        assert_eq!(Skew::new(Duration::from_secs(30)).at_least(), None);
    }

    #[test]
    fn what_was_never_compared_is_not_right() {
        assert_eq!(Skew::new(Duration::from_secs(30)).agreement(), Agreement::Wrong);
    }

    #[test]
    fn it_says_which_way() {
        assert!(
            ahead(47, 30)
                .in_the_way()
                .expect("wrong")
                .contains(" s ahead of the database's, more than the leeway of 30 s")
        );
        assert!(ahead(-3_600, 30).in_the_way().expect("wrong").contains(" s behind the database's"));
        assert_eq!(
            [shown(0), shown(-40_000), shown(-1_550_000), shown(61_000_000)],
            ["0.0 s", "0.0 s", "-1.6 s", "61.0 s"]
        );
    }
}
