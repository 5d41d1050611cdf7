//! Beside a store that is served: what is written meanwhile, what is held, what counts on.

use std::sync::Arc;

use super::*;
use crate::Reservation;

#[tokio::test]
async fn what_is_written_while_it_is_copied_arrives_and_what_went_is_gone() {
    let place = Place::new();
    let (store, facts) = filled(&place.path).await;
    let user = store.user_by_name(&name("alice")).await.unwrap().unwrap();
    let doomed = signed_in(&store, &user, START).await;
    let (mut moving, _) = begin(&place, false).await.unwrap();
    // Each reading finds the store as another one left it.
    let between: Shared = Arc::clone(&store);
    let mut pieces = 0;
    moving.copy(&mut |_, _| pieces += 1).await.unwrap();
    assert!(pieces >= TABLES.len());
    let late = signed_in(&between, &user, START + seconds(5)).await;
    revision_of(between.end_session(doomed, None, &audit("session.ended", START)).await.unwrap());
    // A name that goes to another user, a signing key that takes over, and chains that go on.
    let bob = between.user_by_name(&name("bob\u{e9}")).await.unwrap().unwrap();
    between.delete_user(bob.id, &audit("user.deleted", START)).await.unwrap();
    made(&between, "bob\u{e9}").await;
    let rotation = signing_keys::rotation(&signing_keys::active(&between).await);
    let turn = signing_keys::turn(rotation, START + seconds(10));
    between.turn_signing_keys(&turn, &signing_keys::fresh(2)).await.unwrap();
    let refresh = used(facts.tokens[1], START + seconds(6), &user);
    assert!(matches!(between.refresh(&refresh).await.unwrap(), Refreshed::Rotated(_)));
    guess(&between, "alice", START + seconds(7)).await;
    between.sweep(START - seconds(1)).await.unwrap();
    let moved = moving.hand_over().await.unwrap();
    assert!(rows_of(&moved, "users") == 2);
    // Held and marked: what comes now is refused, and was acknowledged to nobody.
    let attempt = attempt("alice", START + seconds(8));
    assert!(between.reserve_attempt(&attempt).await.is_err());
    assert!(matches!(between.check_open(), Err(StoreError::Moved(_))));
    assert!(matches!(postgres_at(&place.database.url).await, Err(StoreError::Arriving)), "not before the last step");
    moving.complete().await.unwrap();
    let after = postgres_at(&place.database.url).await.unwrap();
    assert!(is_live(&after, late).await && !is_live(&after, doomed).await);
    assert!(after.user(bob.id).await.unwrap().is_none());
    assert!(after.refresh_token(&refresh.successor).await.unwrap().is_some());
    after.check().await.unwrap();
}

#[tokio::test]
async fn failures_count_on_over_a_move() {
    let place = Place::new();
    let store = sqlite_at(&place.path).unwrap();
    made(&store, "alice").await;
    let limits = attempt("alice", START).limits;
    let mut tried = 0;
    while let Reservation::Reserved(_) = store.reserve_attempt(&attempt("alice", START)).await.unwrap() {
        tried += 1;
        assert!(tried < 1000, "nothing is ever too much");
    }
    moved(&place, false).await;
    let after = postgres_at(&place.database.url).await.unwrap();
    let next = after.reserve_attempt(&attempt("alice", START)).await.unwrap();
    assert!(!matches!(next, Reservation::Reserved(_)), "{limits:?}: {next:?}");
}

#[tokio::test]
async fn the_writer_is_let_go_if_the_move_is_cut_off_while_it_holds_it() {
    let place = Place::new();
    let (store, _) = filled(&place.path).await;
    let mut source = crate::sqlite::moving::Source::open(&place.path, &root_key(), &place.mark, false).unwrap();
    source.hold(&by()).unwrap();
    let waiting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.set_policy("later", &audit("policy.set", START)).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(!waiting.is_finished(), "nobody writes while the last rows are read");
    drop(source);
    waiting.await.unwrap().unwrap();
    assert_eq!(store.policy().await.unwrap().unwrap().text, "later");
    assert!(store.audit(1).await.unwrap()[0].event != "store.moved", "no trace of it");
}
