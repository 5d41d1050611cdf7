//! Tests of the throttle against a simulated store that counts as the real ones do: each attempt is a row with the
//! instant of its reservation, and is pending, failed or succeeded.

use std::time::Duration;

use proptest::prelude::*;

use super::{Admission, Limits, Tally, admit};
use crate::time::Timestamp;

const LIMITS: Limits = Limits {
    account_failures: 4,
    address_failures: 6,
    window: Duration::from_secs(100),
    consecutive_failures: 9,
    reservation_life: Duration::from_secs(20),
    unknown_names: 100,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Pending,
    Failed,
    Succeeded,
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    account: u8,
    address: u8,
    at: Timestamp,
    state: State,
}

struct SimulatedStore {
    limits: Limits,
    now: Timestamp,
    attempts: Vec<Attempt>,
    in_a_row: [u32; 3],
}

impl SimulatedStore {
    fn new(limits: Limits) -> Self {
        Self { limits, now: Timestamp::from_seconds(1_000_000), attempts: Vec::new(), in_a_row: [0; 3] }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for at in 0..self.attempts.len() {
            let lapsed = self.attempts[at].at + self.limits.reservation_life <= self.now;
            if self.attempts[at].state == State::Pending && lapsed {
                self.settle(at, State::Failed);
            }
        }
    }

    fn settle(&mut self, at: usize, state: State) {
        let attempt = &mut self.attempts[at];
        attempt.state = state;
        let in_a_row = &mut self.in_a_row[usize::from(attempt.account)];
        *in_a_row = if state == State::Failed { *in_a_row + 1 } else { 0 };
    }

    fn tally(&self, mine: impl Fn(&Attempt) -> bool, consecutive: u32) -> Tally {
        let since = self.now - self.limits.window;
        let mine: Vec<&Attempt> = self.attempts.iter().filter(|attempt| mine(attempt)).collect();
        let failed = || mine.iter().filter(|attempt| attempt.state == State::Failed && attempt.at > since);
        Tally {
            failures: u32::try_from(failed().count()).unwrap(),
            pending: u32::try_from(mine.iter().filter(|attempt| attempt.state == State::Pending).count()).unwrap(),
            consecutive,
            oldest_failure_at: failed().map(|attempt| attempt.at).min(),
        }
    }

    fn reserve(&mut self, account: u8, address: u8) -> Admission {
        let of_account = self.tally(|attempt| attempt.account == account, self.in_a_row[usize::from(account)]);
        let of_address = self.tally(|attempt| attempt.address == address, 0);
        let admission = admit(&self.limits, &of_account, &of_address, self.now);
        if admission == Admission::Wait {
            let pending = of_account.pending + of_address.pending;
            assert!(pending > 0, "whoever waits must have something to wait for");
        }
        if admission == Admission::Proceed {
            self.attempts.push(Attempt { account, address, at: self.now, state: State::Pending });
        }
        admission
    }

    fn pending(&self) -> Vec<usize> {
        (0..self.attempts.len()).filter(|&at| self.attempts[at].state == State::Pending).collect()
    }

    /// The most failures of `mine` in any interval `(t - window, t]`: one that is fullest ends at a failure.
    fn most_in_a_window(&self, mine: impl Fn(&Attempt) -> bool) -> usize {
        let failed: Vec<Timestamp> = self
            .attempts
            .iter()
            .filter(|attempt| attempt.state == State::Failed && mine(attempt))
            .map(|attempt| attempt.at)
            .collect();
        let inside = |end: Timestamp| failed.iter().filter(|&&at| at > end - self.limits.window && at <= end).count();
        failed.iter().map(|&end| inside(end)).max().unwrap_or(0)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Reserve { account: u8, address: u8 },
    Settle { which: prop::sample::Index, right: bool },
    Pass { seconds: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0_u8..3, 0_u8..3).prop_map(|(account, address)| Step::Reserve { account, address }),
        4 => (any::<prop::sample::Index>(), prop::bool::weighted(0.2)).prop_map(|(which, right)| Step::Settle { which, right }),
        1 => (0_u64..60).prop_map(|seconds| Step::Pass { seconds }),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_interleaving_puts_more_failures_into_any_window_or_row(steps in steps()) {
        let mut store = SimulatedStore::new(LIMITS);
        for step in steps {
            match step {
                Step::Reserve { account, address } => {
                    store.reserve(account, address);
                }
                Step::Settle { which, right } => {
                    let pending = store.pending();
                    if !pending.is_empty() {
                        store.settle(pending[which.index(pending.len())], if right { State::Succeeded } else { State::Failed });
                    }
                }
                Step::Pass { seconds } => store.pass(Duration::from_secs(seconds)),
            }
            prop_assert!(store.in_a_row.iter().all(|&row| row <= LIMITS.consecutive_failures));
        }
        for pending in store.pending() {
            store.settle(pending, State::Failed);
        }
        for who in 0..3 {
            prop_assert!(store.most_in_a_window(|attempt| attempt.account == who) <= LIMITS.account_failures as usize);
            prop_assert!(store.most_in_a_window(|attempt| attempt.address == who) <= LIMITS.address_failures as usize);
            prop_assert!(store.in_a_row[usize::from(who)] <= LIMITS.consecutive_failures);
        }
    }

    #[test]
    fn a_refused_caller_who_comes_back_in_time_is_let_in(gaps in prop::collection::vec(0_u64..40, 4)) {
        let mut store = SimulatedStore::new(LIMITS);
        for gap in gaps {
            prop_assert_eq!(store.reserve(0, 0), Admission::Proceed);
            store.settle(store.attempts.len() - 1, State::Failed);
            store.pass(Duration::from_secs(gap));
        }
        if let Admission::Refuse { retry_after } = store.reserve(0, 0) {
            store.pass(retry_after.saturating_sub(Duration::from_micros(1)));
            let early = matches!(store.reserve(0, 0), Admission::Refuse { .. });
            prop_assert!(early || retry_after == Duration::from_secs(1), "retry_after is the earliest instant");
            store.pass(Duration::from_micros(1));
            prop_assert_eq!(store.reserve(0, 0), Admission::Proceed);
        }
    }
}

#[test]
fn fifty_parallel_right_logins_all_succeed() {
    let mut store = SimulatedStore::new(Limits::default());
    // Nine typing mistakes leave room for one at a time.
    for _ in 0..9 {
        assert_eq!(store.reserve(0, 0), Admission::Proceed);
        store.settle(store.attempts.len() - 1, State::Failed);
    }
    let mut waiting = 50;
    while waiting > 0 {
        let admitted = (0..waiting).map(|_| store.reserve(0, 0)).filter(|admission| match admission {
            Admission::Proceed => true,
            Admission::Wait => false,
            Admission::Refuse { .. } => panic!("a right login was refused because others were running"),
        });
        waiting -= admitted.count();
        let first = store.pending()[0];
        store.settle(first, State::Succeeded);
    }
    assert_eq!(store.attempts.iter().filter(|attempt| attempt.state != State::Failed).count(), 50);
}

#[test]
fn a_thousand_parallel_guesses_get_ten_tries() {
    let mut store = SimulatedStore::new(Limits::default());
    for address in 0..2 {
        for _ in 0..500 {
            store.reserve(0, address);
        }
    }
    assert_eq!(store.attempts.len(), 10);
    for pending in store.pending() {
        store.settle(pending, State::Failed);
    }
    assert_eq!(store.reserve(0, 2), Admission::Refuse { retry_after: Duration::from_mins(15) });
    assert_eq!(store.reserve(1, 2), Admission::Proceed, "another account is not concerned");
}

#[test]
fn guesses_at_the_end_of_one_window_count_at_the_start_of_the_next() {
    let mut store = SimulatedStore::new(LIMITS);
    let guesses_until = |store: &mut SimulatedStore, seconds: u64| {
        let mut guesses = 0;
        while store.reserve(0, 0) == Admission::Proceed {
            store.settle(store.attempts.len() - 1, State::Failed);
            guesses += 1;
        }
        store.pass(Duration::from_secs(seconds));
        guesses
    };
    assert_eq!(guesses_until(&mut store, 99), 4);
    assert_eq!(guesses_until(&mut store, 1), 0, "one second before they leave the window");
    assert_eq!(guesses_until(&mut store, 0), 4, "half open: at the end of the window they no longer count");
}

#[test]
fn a_hundred_failures_in_a_row_lock_the_account_until_an_operator_acts() {
    let limits = Limits::default();
    let row = |pending, consecutive| {
        let account = Tally { pending, consecutive, ..Tally::default() };
        admit(&limits, &account, &Tally::default(), Timestamp::from_seconds(0))
    };
    assert_eq!(row(0, 99), Admission::Proceed);
    assert_eq!(row(1, 99), Admission::Wait, "the pending one may be the hundredth");
    assert_eq!(row(0, 100), Admission::Refuse { retry_after: Duration::from_hours(24) });
}

#[test]
fn the_stricter_of_account_and_address_stands() {
    let now = Timestamp::from_seconds(10_000);
    let tally = |failures, pending, ago| Tally {
        failures,
        pending,
        consecutive: 0,
        oldest_failure_at: Some(now - Duration::from_secs(ago)),
    };
    let refuse = |seconds| Admission::Refuse { retry_after: Duration::from_secs(seconds) };
    for (account, address, expected) in [
        (tally(0, 0, 0), tally(6, 0, 30), refuse(70)),
        (tally(4, 0, 90), tally(6, 0, 30), refuse(70)),
        (tally(4, 0, 90), tally(3, 3, 30), refuse(10)),
        (tally(0, 0, 0), tally(3, 3, 30), Admission::Wait),
        (tally(2, 2, 0), tally(0, 2, 0), Admission::Wait),
        (tally(3, 0, 0), tally(5, 0, 0), Admission::Proceed),
        (tally(4, 0, 200), tally(0, 0, 0), refuse(1)),
        (Tally { failures: 4, ..Tally::default() }, Tally::default(), refuse(100)),
        (tally(u32::MAX, u32::MAX, 0), tally(1, u32::MAX, 0), refuse(100)),
    ] {
        assert_eq!(admit(&LIMITS, &account, &address, now), expected, "{account:?} {address:?}");
    }
}
