//! The retry rule to the microsecond, and what opens a sealed successor.

use proptest::prelude::*;

use super::*;
use crate::id::{SessionId, UserId};
use crate::opaque::{Kind, Opaque};

const SIGNED_IN: i64 = 1_000;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn session(expires_at: Timestamp, ended_at: Option<Timestamp>) -> Session {
    let (id, user) = (SessionId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
    Session { id, user, created_at: at(SIGNED_IN), expires_at, ended_at }
}

fn used(micros: i64, successor_used: bool) -> Stored {
    Stored::Used { at: at(micros), successor: Sealed([7; SEALED_BYTES]), successor_used }
}

fn again() -> Transition {
    Transition::Retry(Sealed([7; SEALED_BYTES]))
}

#[test]
fn a_predecessor_gives_the_same_successor_until_that_is_used_or_for_ten_seconds_whichever_is_later() {
    let live = session(at(i64::MAX), None);
    let window = 10_000_000;
    for (token, now, expected) in [
        (used(5, false), 5, again()),
        (used(5, false), 5 + window * 1000, again()),
        (used(5, true), 5 + window - 1, again()),
        (used(5, true), 5 + window, Transition::Replay),
        // A clock that was put back makes no thief of anybody.
        (used(5 + window, true), 5, again()),
        (Stored::Newest, 5, Transition::Rotate),
    ] {
        assert_eq!(judge(&live, &token, at(now)), expected, "{token:?} at {now}");
    }
}

#[test]
fn an_ended_or_expired_family_gives_nothing_whatever_is_presented() {
    for token in [Stored::Newest, used(5, false), used(5, true)] {
        assert_eq!(judge(&session(at(100), Some(at(50))), &token, at(60)), Transition::Ended);
        assert_eq!(judge(&session(at(100), None), &token, at(100)), Transition::Expired);
    }
    assert_eq!(judge(&session(at(100), None), &Stored::Newest, at(99)), Transition::Rotate);
}

#[test]
fn what_is_sealed_opens_for_its_predecessor_alone_and_not_when_altered() {
    let [first, second, third] = [1, 2, 3].map(|byte| Opaque::new(Kind::Refresh, &[byte; 24]));
    let sealed = seal(&first, &second, &[9; NONCE_BYTES]).unwrap();
    assert_eq!(unseal(&first, &sealed).unwrap().digest(), second.digest());
    for other in [&second, &third] {
        assert!(unseal(other, &sealed).is_none());
    }
    for place in 0..SEALED_BYTES {
        let mut altered = sealed.clone();
        altered.0[place] ^= 1;
        assert!(unseal(&first, &altered).is_none(), "altered at {place}");
    }
    let random = second.random();
    assert!(!sealed.0.windows(random.len()).any(|bytes| bytes == random.as_ref()), "the successor is in the open");
}

proptest! {
    #[test]
    fn a_use_never_puts_the_end_beyond_the_absolute_life(
        idle in 0_u64..1_000_000, absolute in 0_u64..1_000_000, now in 0_i64..2_000_000,
    ) {
        let lives = Lives { idle: Duration::from_micros(idle), absolute: Duration::from_micros(absolute) };
        let end = lives.end(at(SIGNED_IN), at(SIGNED_IN + now));
        prop_assert!(end <= at(SIGNED_IN) + lives.absolute);
        prop_assert!(end <= at(SIGNED_IN + now) + lives.idle);
        prop_assert!(end == at(SIGNED_IN) + lives.absolute || end == at(SIGNED_IN + now) + lives.idle);
    }
}
