//! What followers may and may not hold up, and what a memory lets in.

use std::time::Duration;

use proptest::prelude::*;

use super::{Denial, Followers, Full, Memory, Minted, PER_CLIENT_MAX, TOTAL_MAX};
use crate::change::Revision;
use crate::id::{ClientId, FollowerId, Incarnation, SessionId, UserId};
use crate::lease::{Moment, Terms};

const LEASE: Duration = Duration::from_secs(2);

fn at(millis: u64) -> Moment {
    Moment::from_micros(1_000_000_000 + millis * 1_000)
}

fn follower(number: u8) -> FollowerId {
    FollowerId::from_bytes([number; 16])
}

fn client(number: u8) -> ClientId {
    ClientId::from_bytes([number; 16])
}

fn one() -> Followers {
    let mut followers = Followers::new(Terms::DEFAULT);
    followers.admit(follower(1), client(1), at(0)).unwrap();
    assert!(followers.grant(follower(1), Revision(5), LEASE, at(0)));
    followers
}

#[test]
fn a_change_waits_for_a_follower_until_it_confirms() {
    let mut followers = one();
    assert!(followers.lack(Revision(6), at(10)).is_some());
    // The answer that tells it is sent: it may be lost, so nothing is known yet.
    assert!(followers.grant(follower(1), Revision(6), LEASE, at(10)));
    assert!(followers.lack(Revision(6), at(10)).is_some());
    assert_eq!(followers.applied(Revision(6), at(10)), Revision(5));
    assert!(followers.heard(follower(1), client(1), Revision(6), at(20)));
    assert_eq!(followers.lack(Revision(6), at(20)), None);
    assert_eq!(followers.applied(Revision(9), at(20)), Revision(6));
}

#[test]
fn a_silent_follower_is_waited_for_until_the_leases_without_the_change_ran_out_and_no_longer() {
    let mut followers = one();
    followers.grant(follower(1), Revision(6), LEASE, at(1_000));
    // The lease of the second answer was given with the change, so only the first is waited for.
    assert_eq!(followers.lack(Revision(6), at(1_500)), Some(at(0) + Terms::DEFAULT.wait()));
    assert_eq!(followers.lack(Revision(6), at(2_005)), None);
    assert!(followers.lack(Revision(7), at(2_005)).is_some());
}

#[test]
fn a_late_follower_is_dropped_and_must_begin_anew() {
    let mut followers = one();
    assert!(!followers.heard(follower(1), client(1), Revision(5), at(2_005)));
    assert!(followers.is_empty());
}

#[test]
fn nobody_confirms_for_another_client_nor_what_was_never_told() {
    let mut followers = one();
    assert!(!followers.heard(follower(1), client(2), Revision(5), at(1)));
    assert!(!followers.heard(follower(1), client(1), Revision(6), at(1)), "it was told up to 5");
    assert!(!followers.heard(follower(2), client(1), Revision(5), at(1)));
    assert!(followers.lack(Revision(6), at(1)).is_some(), "and the lease that it holds is waited for all the same");
}

#[test]
fn followers_are_bounded_in_number_and_places_come_back() {
    let mut followers = Followers::new(Terms::DEFAULT);
    let mut admitted = 0;
    for number in 0..=u8::MAX {
        let id = follower(number);
        if followers.admit(id, client(number % 8), at(0)).is_ok() {
            followers.grant(id, Revision(1), LEASE, at(0));
            admitted += 1;
        }
    }
    assert_eq!(admitted, TOTAL_MAX);
    assert_eq!(followers.admit(follower(1), client(99), at(2_000)), Err(Full));
    assert_eq!(followers.admit(follower(1), client(99), at(2_005)), Ok(()));
    for number in 1..PER_CLIENT_MAX {
        followers.admit(follower(u8::try_from(number).unwrap()), client(99), at(2_005)).unwrap();
    }
    assert_eq!(followers.admit(follower(200), client(99), at(2_005)), Err(Full), "one client leaves room for others");
    assert_eq!(followers.admit(follower(200), client(98), at(2_005)), Ok(()));
}

/// What happens between a node and one follower.
#[derive(Clone, Debug)]
enum Step {
    /// Time passes, in milliseconds.
    Pass(u16),
    /// A change is committed and applied at the node.
    Change,
    /// The follower asks; whether the answer arrives.
    Ask(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![(0..900_u16).prop_map(Step::Pass), Just(Step::Change), any::<bool>().prop_map(Step::Ask),];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn nothing_is_acknowledged_that_a_follower_with_a_lease_lacks(steps in steps()) {
        let mut followers = Followers::new(Terms::DEFAULT);
        let (mut now, mut newest) = (0_u64, Revision(1));
        // The follower: who it is, what it has applied, and until when it believes that.
        let (mut id, mut applied, mut until) = (0_u8, Revision(0), 0_u64);
        for step in steps {
            match step {
                Step::Pass(millis) => now += u64::from(millis),
                Step::Change => newest.0 += 1,
                Step::Ask(arrives) => {
                    let asked = now;
                    if !followers.heard(follower(id), client(1), applied, at(now)) {
                        id = id.wrapping_add(1);
                        if followers.admit(follower(id), client(1), at(now)).is_err() {
                            continue;
                        }
                    }
                    prop_assert!(followers.grant(follower(id), newest, LEASE, at(now)));
                    if arrives {
                        (applied, until) = (newest, asked + 2_000);
                    }
                }
            }
            if now < until {
                // It decides on what it knows: whatever the node takes for applied is part of that.
                prop_assert!(followers.applied(newest, at(now)) <= applied);
                for revision in applied.0 + 1..=newest.0 {
                    prop_assert!(followers.lack(Revision(revision), at(now)).is_some());
                }
            }
        }
    }
}

const LIFE: Incarnation = Incarnation([7; 16]);

fn minted(revision: u64) -> Minted {
    let session = SessionId::from_bytes([3; 16]);
    Minted {
        incarnation: LIFE,
        revision: Revision(revision),
        session,
        user: Some(UserId::from_bytes([2; 16])),
        client: None,
    }
}

#[test]
fn a_token_of_another_life_or_from_before_a_policy_is_not_accepted() {
    let mut memory = Memory::new(LIFE, Revision(5));
    assert!(!memory.accepts(&Minted { incarnation: Incarnation([8; 16]), ..minted(5) }));
    memory.apply(&[(Revision(6), Denial::Policy)], Revision(6), at(0));
    assert!(!memory.accepts(&minted(5)));
    assert!(memory.accepts(&minted(6)));
}

#[test]
fn a_service_accounts_token_dies_with_a_change_of_its_client_and_not_of_a_user_with_that_id() {
    let mut memory = Memory::new(LIFE, Revision(5));
    let token = Minted { user: None, client: Some(client(2)), ..minted(5) };
    memory.apply(&[(Revision(6), Denial::User(UserId::from_bytes([2; 16])))], Revision(6), at(0));
    assert!(memory.accepts(&token) && !memory.accepts(&minted(5)));
    memory.apply(&[(Revision(7), Denial::Client(client(2)))], Revision(7), at(0));
    assert!(!memory.accepts(&token));
}

#[test]
fn an_older_change_told_later_brings_nothing_back_and_a_denial_is_kept_for_its_time() {
    let mut memory = Memory::new(LIFE, Revision(9));
    let alice = UserId::from_bytes([2; 16]);
    memory.apply(&[(Revision(9), Denial::User(alice)), (Revision(7), Denial::User(alice))], Revision(9), at(0));
    assert!(!memory.accepts(&minted(8)));
    memory.forget(Duration::from_mins(1), at(59_999));
    assert!(!memory.accepts(&minted(8)));
    memory.forget(Duration::from_mins(1), at(60_000));
    assert!(memory.accepts(&minted(8)) && memory.is_empty());
}
