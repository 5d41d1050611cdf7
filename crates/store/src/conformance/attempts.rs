//! The throttle over a real store: G12.

use std::time::Duration;

use keyfob_core::throttle::Limits;
use keyfob_core::user::Status;

use super::sample::*;
use crate::{Attempt, Changed, PasswordChange, ProvenAttempt, Reservation, Saved};

const WINDOW: Duration = Duration::from_mins(15);

async fn verdict(store: &Shared, attempt: &Attempt) -> &'static str {
    match store.reserve_attempt(attempt).await.unwrap() {
        Reservation::Reserved(_) => "reserved",
        Reservation::Wait => "wait",
        Reservation::Refused { .. } => "refused",
    }
}

pub(crate) async fn an_account_is_read_with_its_reservation(store: Shared) {
    let user = made(&store, "alice").await;
    match store.reserve_attempt(&attempt("alice", START)).await.unwrap() {
        Reservation::Reserved(Some(account)) => {
            assert_eq!(account.user, user);
            assert_eq!(account.password.expose_phc(), PHC);
        }
        other => panic!("{other:?}"),
    }
    let unknown = store.reserve_attempt(&attempt("nobody", START)).await.unwrap();
    assert!(matches!(unknown, Reservation::Reserved(None)), "{unknown:?}");
    let no_name = store.reserve_attempt(&attempt("not a name", START)).await.unwrap();
    assert!(matches!(no_name, Reservation::Reserved(None)), "{no_name:?}");
}

pub(crate) async fn the_eleventh_guess_is_refused_and_says_for_how_long(store: Shared) {
    made(&store, "alice").await;
    for second in 0..10 {
        guess(&store, "alice", START + seconds(second)).await;
    }
    match store.reserve_attempt(&attempt("alice", START + seconds(60))).await.unwrap() {
        Reservation::Refused { retry_after } => assert_eq!(retry_after, seconds(14 * 60)),
        other => panic!("{other:?}"),
    }
    assert_eq!(verdict(&store, &attempt("bob", START + seconds(60))).await, "reserved", "others are not held back");
}

pub(crate) async fn an_unknown_account_is_throttled_like_a_known_one(store: Shared) {
    for _ in 0..10 {
        guess(&store, "nobody", START).await;
    }
    assert_eq!(verdict(&store, &attempt("nobody", START)).await, "refused");
}

pub(crate) async fn a_failure_leaves_the_window_at_its_instant(store: Shared) {
    for _ in 0..10 {
        guess(&store, "alice", START).await;
    }
    let last = START + WINDOW - Duration::from_micros(1);
    assert_eq!(verdict(&store, &attempt("alice", last)).await, "refused");
    assert_eq!(verdict(&store, &attempt("alice", START + WINDOW)).await, "reserved");
}

pub(crate) async fn a_success_forgives_the_failures_of_its_own_address(store: Shared) {
    let user = made(&store, "alice").await;
    let address = digest("192.0.2.1");
    for _ in 0..2 {
        for _ in 0..9 {
            let typo = Attempt { address, ..attempt("alice", START) };
            assert_eq!(verdict(&store, &typo).await, "reserved");
            store.record_failed_attempt(&failure(&typo, START)).await.unwrap();
        }
        let right = Attempt { address, ..attempt("alice", START) };
        assert_eq!(verdict(&store, &right).await, "reserved");
        assert_eq!(store.record_login(&login(&right, &user)).await.unwrap(), Saved::Saved);
    }
}

pub(crate) async fn a_success_forgives_nobody_elses_guesses(store: Shared) {
    let user = made(&store, "alice").await;
    for _ in 0..9 {
        guess(&store, "alice", START).await;
        signed_in(&store, &user, START).await;
    }
    guess(&store, "alice", START).await;
    assert_eq!(verdict(&store, &attempt("alice", START + seconds(60))).await, "refused", "ten in the window");
    let limits = Limits { consecutive_failures: 2, ..Limits::default() };
    let later = Attempt { limits, ..attempt("alice", START + WINDOW) };
    assert_eq!(verdict(&store, &later).await, "reserved", "but never two in a row");
}

pub(crate) async fn changing_the_password_settles_the_attempt_that_proved_the_current_one(store: Shared) {
    let user = made(&store, "alice").await;
    let limits = Limits { account_failures: 1, ..Limits::default() };
    let by = audit("user.password", START);
    let proof = |attempt: &Attempt| {
        let Attempt { id, account, address, .. } = *attempt;
        Some(ProvenAttempt { attempt: id, account, address })
    };
    let proven = reserved(&store, "alice", START).await;
    let auth_version = Some(user.auth_version);
    let change = PasswordChange { proof: proof(&proven), auth_version, ..password_change(&user) };
    revision_of(store.set_password(&change, &by).await.unwrap());
    let next = Attempt { limits, ..attempt("alice", START + limits.reservation_life) };
    assert_eq!(verdict(&store, &next).await, "reserved", "neither pending nor lapsed");
    // What was judged on an older version is refused, and counts like any other wrong one.
    let change = PasswordChange { proof: proof(&next), auth_version, ..password_change(&user) };
    assert_eq!(store.set_password(&change, &by).await.unwrap(), Changed::Stale);
    assert_eq!(verdict(&store, &Attempt { limits, ..attempt("alice", next.at) }).await, "refused");
}

pub(crate) async fn pending_attempts_hold_back_the_next_until_one_settles(store: Shared) {
    let user = made(&store, "alice").await;
    let mut pending = Vec::new();
    for _ in 0..10 {
        pending.push(reserved(&store, "alice", START).await);
    }
    let next = attempt("alice", START);
    assert_eq!(verdict(&store, &next).await, "wait");
    assert_eq!(store.record_login(&login(&pending[0], &user)).await.unwrap(), Saved::Saved);
    assert_eq!(verdict(&store, &next).await, "reserved");
    for attempt in &pending[1..] {
        store.record_failed_attempt(&failure(attempt, START)).await.unwrap();
    }
    store.record_failed_attempt(&failure(&next, START)).await.unwrap();
    assert_eq!(verdict(&store, &attempt("alice", START)).await, "refused");
}

pub(crate) async fn a_reservation_that_lapsed_is_a_failure_counted_once(store: Shared) {
    let limits = Limits { consecutive_failures: 2, ..Limits::default() };
    let late = reserved(&store, "alice", START).await;
    let next = Attempt { limits, ..attempt("alice", START + limits.reservation_life) };
    assert_eq!(verdict(&store, &next).await, "reserved", "one failure in a row");
    store.record_failed_attempt(&failure(&late, next.at)).await.unwrap();
    let after = Attempt { limits, ..attempt("alice", next.at) };
    assert_eq!(verdict(&store, &after).await, "wait", "still one failure, and one pending");
    store.record_failed_attempt(&failure(&next, next.at)).await.unwrap();
    assert_eq!(verdict(&store, &after).await, "refused", "two failures in a row");
}

pub(crate) async fn an_account_is_locked_after_a_hundred_failures_in_a_row(store: Shared) {
    let user = made(&store, "alice").await;
    let mut now = START;
    for _ in 0..100 {
        guess(&store, "alice", now).await;
        now = now + WINDOW;
    }
    assert_eq!(verdict(&store, &attempt("alice", now + WINDOW)).await, "refused");
    store.set_status(user.id, Status::Active, &audit("user.enabled", now)).await.unwrap();
    assert_eq!(store.audit(1).await.unwrap()[0].event, "user.enabled", "lifting a lock is audited");
    signed_in(&store, &user, now + WINDOW).await;
}

pub(crate) async fn unsettled_attempts_count_in_a_row_even_after_the_window(store: Shared) {
    let limits = Limits { consecutive_failures: 3, ..Limits::default() };
    for _ in 0..3 {
        reserved(&store, "alice", START).await;
    }
    let late = Attempt { limits, ..attempt("alice", START + WINDOW) };
    assert_eq!(verdict(&store, &late).await, "refused");
}

pub(crate) async fn enabling_and_a_new_password_lift_the_throttle(store: Shared) {
    let user = made(&store, "alice").await;
    for lift_by_password in [true, false] {
        for _ in 0..10 {
            guess(&store, "alice", START).await;
        }
        assert_eq!(verdict(&store, &attempt("alice", START)).await, "refused");
        if lift_by_password {
            store.set_password(&password_change(&user), &audit("user.password", START)).await.unwrap();
        } else {
            store.set_status(user.id, Status::Active, &audit("user.enabled", START)).await.unwrap();
        }
        signed_in(&store, &current(&store, &user).await, START).await;
    }
}

pub(crate) async fn an_address_has_a_budget_over_all_accounts(store: Shared) {
    let address = digest("192.0.2.1");
    for number in 0..100 {
        let guess = Attempt { address, ..attempt(&format!("user{number}"), START) };
        assert_eq!(verdict(&store, &guess).await, "reserved");
        store.record_failed_attempt(&failure(&guess, START)).await.unwrap();
    }
    let next = Attempt { address, ..attempt("alice", START) };
    assert_eq!(verdict(&store, &next).await, "refused");
    assert_eq!(verdict(&store, &attempt("alice", START)).await, "reserved", "from another address");
}

pub(crate) async fn sweeping_forgives_no_failure(store: Shared) {
    made(&store, "alice").await;
    for _ in 0..10 {
        guess(&store, "alice", START).await;
    }
    store.sweep(START + seconds(60)).await.unwrap();
    assert_eq!(verdict(&store, &attempt("alice", START + seconds(60))).await, "refused");
    let limits = Limits { consecutive_failures: 10, ..Limits::default() };
    let much_later = START + Duration::from_hours(24 * 365);
    store.sweep(much_later).await.unwrap();
    let next = Attempt { limits, ..attempt("alice", much_later) };
    assert_eq!(verdict(&store, &next).await, "refused", "ten in a row stay ten in a row");
}
