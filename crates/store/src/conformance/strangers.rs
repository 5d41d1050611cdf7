//! What strangers can make a store keep: a bounded number of rows, whatever they send (G15), and yet all that the
//! throttle and an operator need.

use std::time::Duration;

use keyfob_core::throttle::Limits;
use keyfob_core::user::Status;

use super::sample::*;
use crate::{Attempt, FailedAttempt, FailedSignIns, Reservation};

/// Names that nobody has and that are remembered, here.
const ROOM: u32 = 40;

fn small() -> Limits {
    Limits { unknown_names: ROOM, ..Limits::default() }
}

/// The rows of all tables, but the audit row that counting them leaves.
async fn rows(store: &Shared) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let backup = store.backup(&folder.path().join("backup.db"), &audit("store.backed-up", START)).await.unwrap();
    backup.tables.iter().map(|(_, rows)| rows).sum()
}

/// A wrong password, if the throttle admits it; whether it did.
async fn wrong(store: &Shared, text: &str, network: &str, attempt: Attempt) -> bool {
    let attempt = Attempt { account: account(text), username: Some(name(text)), ..attempt };
    if !matches!(store.reserve_attempt(&attempt).await.unwrap(), Reservation::Reserved(_)) {
        return false;
    }
    let failure = FailedAttempt { network: network.to_owned(), ..failure(&attempt, attempt.at) };
    store.record_failed_attempt(&failure).await.unwrap();
    true
}

pub(crate) async fn failures_at_names_that_nobody_has_fill_a_fixed_room(store: Shared) {
    made(&store, "alice").await;
    let before = rows(&store).await;
    for number in 0..600 {
        let at = START + Duration::from_millis(number);
        let fresh = Attempt { limits: small(), ..attempt("nobody", at) };
        assert!(wrong(&store, &format!("nobody{number}"), &format!("10.0.{}.0/24", number % 200), fresh).await);
    }
    // Attempts, failures in a row, and one hour of counts for nine networks; the row is that of the first counting.
    let grown = rows(&store).await - before - 1;
    assert!(grown <= u64::from(2 * ROOM) + 9, "{grown} rows");
    let nobody = store.failed_sign_ins(None, START).await.unwrap().unwrap();
    assert_eq!((nobody.count, nobody.networks), (600, 9), "all are counted");
    assert_eq!(store.failed_sign_ins(Some(current_id(&store).await), START).await.unwrap(), None);
    let newest = Attempt { limits: Limits { account_failures: 1, ..small() }, ..attempt("nobody599", START) };
    assert!(matches!(store.reserve_attempt(&newest).await.unwrap(), Reservation::Refused { .. }), "still remembered");
}

async fn current_id(store: &Shared) -> keyfob_core::id::UserId {
    store.user_by_name(&name("alice")).await.unwrap().unwrap().id
}

pub(crate) async fn strangers_names_never_push_out_the_failures_of_a_user(store: Shared) {
    made(&store, "alice").await;
    for _ in 0..10 {
        assert!(wrong(&store, "alice", "", Attempt { limits: small(), ..attempt("alice", START) }).await);
    }
    for number in 0..3 * ROOM {
        let fresh = Attempt { limits: small(), ..attempt("nobody", START) };
        assert!(wrong(&store, &format!("nobody{number}"), "", fresh).await);
    }
    assert!(!wrong(&store, "alice", "", Attempt { limits: small(), ..attempt("alice", START) }).await);
    let limits = Limits { consecutive_failures: 10, ..small() };
    let later = Attempt { limits, ..attempt("alice", START + Duration::from_hours(1)) };
    assert!(!wrong(&store, "alice", "", later).await, "ten in a row stay ten in a row");
}

pub(crate) async fn failures_of_a_user_are_counted_by_the_hour_and_the_network(store: Shared) {
    let user = made(&store, "alice").await;
    let limits = Limits { account_failures: 100, ..small() };
    let before = rows(&store).await;
    for number in 0..60 {
        let at = START + seconds(number);
        assert!(
            wrong(&store, "alice", &format!("10.0.{}.0/24", number % 3), Attempt { limits, ..attempt("", at) }).await
        );
    }
    let seen = store.failed_sign_ins(Some(user.id), START + seconds(59)).await.unwrap();
    let expected = FailedSignIns { count: 60, first_at: START, last_at: START + seconds(59), networks: 3 };
    assert_eq!(seen, Some(expected), "the whole hour of that instant");
    let grown = rows(&store).await - before - 1;
    assert_eq!(grown, 60 + 1 + 3, "attempts until their window is over, failures in a row, counts; no audit row");
    let at = START + Duration::from_hours(1);
    assert_eq!(store.failed_sign_ins(Some(user.id), at).await.unwrap(), None);
    // Of an account's attempts only those inside the window can last.
    for number in 0..15 {
        wrong(&store, "alice", "10.0.0.0/24", Attempt { limits, ..attempt("", at + seconds(number)) }).await;
    }
    let grown = rows(&store).await - before - 2;
    assert!(grown <= 15 + 1 + 4, "{grown} rows");
    store.sweep(START + Duration::from_hours(24 * 32)).await.unwrap();
    assert_eq!(store.failed_sign_ins(Some(user.id), START).await.unwrap(), None, "kept for 30 days");
}

pub(crate) async fn the_begin_of_a_lock_is_one_audit_row(store: Shared) {
    let user = made(&store, "alice").await;
    let limits = Limits { account_failures: 100, consecutive_failures: 5, ..small() };
    let locks = async || {
        let rows = store.audit(1000).await.unwrap().into_iter().filter(|row| row.event == "sign-in.locked");
        rows.map(|row| row.subject).collect::<Vec<_>>()
    };
    for lock in 1..=2 {
        for number in 0..8 {
            let admitted = wrong(&store, "alice", "", Attempt { limits, ..attempt("", START) }).await;
            assert_eq!(admitted, number < 5);
            wrong(&store, "nobody", "", Attempt { limits, ..attempt("", START) }).await;
        }
        assert_eq!(locks().await, vec![user.id.to_string(); lock], "and none for a name that nobody has");
        store.set_status(user.id, Status::Active, &audit("user.enabled", START)).await.unwrap();
    }
    // By reservations that were never settled.
    for _ in 0..5 {
        reserved(&store, "alice", START).await;
    }
    wrong(&store, "alice", "", Attempt { limits, ..attempt("", START + limits.reservation_life) }).await;
    assert_eq!(locks().await.len(), 3);
}

pub(crate) async fn the_counts_of_a_user_go_with_it(store: Shared) {
    let user = made(&store, "alice").await;
    guess(&store, "alice", START).await;
    assert!(store.failed_sign_ins(Some(user.id), START).await.unwrap().is_some());
    store.delete_user(user.id, &audit("user.deleted", START)).await.unwrap();
    assert_eq!(store.failed_sign_ins(Some(user.id), START).await.unwrap(), None);
    assert_eq!(store.failed_sign_ins(None, START).await.unwrap(), None, "nor are they anybody else's");
}

pub(crate) async fn a_smaller_room_is_emptied_a_little_at_a_time(store: Shared) {
    let wrong = async |number: u32, limits: Limits| {
        assert!(wrong(&store, &format!("nobody{number}"), "", Attempt { limits, ..attempt("nobody", START) }).await);
    };
    let empty = rows(&store).await;
    let limits = Limits { address_failures: 1000, ..Limits::default() };
    for number in 0..300 {
        wrong(number, limits).await;
    }
    let full = rows(&store).await;
    let lowered = Limits { unknown_names: ROOM, ..limits };
    wrong(300, lowered).await;
    let after_one = rows(&store).await;
    assert!(after_one < full && full - after_one <= 40, "{full} and {after_one} rows: nobody waits for the rest");
    for number in 301..400 {
        wrong(number, lowered).await;
    }
    // The counts of one network, and the audit rows of three countings.
    let left = rows(&store).await - empty;
    assert!(left <= u64::from(2 * ROOM) + 4, "{left} rows");
}
