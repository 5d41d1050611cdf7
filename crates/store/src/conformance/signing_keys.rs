//! Signing keys: what a step writes, its audit rows and its revision; and steps that race.

use std::sync::Arc;
use std::time::Duration;

use keyfob_core::change::{Fact, Revision};
use keyfob_core::rotation::{Refusal, SIGNING_LAG, Schedule, Stage, Step};
use keyfob_core::signing_key::{Algorithm, SigningKey};
use keyfob_core::time::Timestamp;

use super::races::together;
use super::sample::*;
use crate::fixture::rng;
use crate::{KeyTurn, Turned};

const SCHEDULE: Schedule = Schedule {
    key_life: Duration::from_hours(24 * 30),
    publish_ahead: Duration::from_hours(24),
    token_life: Duration::from_mins(15),
    leeway: Duration::from_secs(30),
    algorithm: Algorithm::EdDsa,
};

pub(crate) fn turn(step: Step, at: Timestamp) -> KeyTurn {
    KeyTurn { step, schedule: SCHEDULE, actor: "cli".to_owned(), at }
}

pub(crate) fn fresh(count: usize) -> Vec<SigningKey> {
    (0..count).map(|_| SigningKey::generate(SCHEDULE.algorithm, rng()).unwrap()).collect()
}

/// Two keys, as the first start makes them.
pub(crate) async fn begun(store: &Shared) -> Turned {
    store.turn_signing_keys(&turn(Step::Tend, START), &fresh(2)).await.unwrap()
}

/// The ids of the keys of a stage.
async fn kids(store: &Shared, wanted: fn(Stage) -> bool) -> Vec<String> {
    let keys = store.signing_keys().await.unwrap().into_iter().filter(|key| wanted(key.standing.stage));
    keys.map(|key| key.standing.kid.to_string()).collect()
}

pub(crate) async fn active(store: &Shared) -> String {
    let mut active = kids(store, |stage| matches!(stage, Stage::Active { .. })).await;
    assert_eq!(active.len(), 1, "one key signs");
    active.remove(0)
}

async fn next(store: &Shared) -> String {
    let mut next = kids(store, |stage| stage == Stage::Next).await;
    assert_eq!(next.len(), 1, "one key is next");
    next.remove(0)
}

pub(crate) fn rotation(judged: &str) -> Step {
    Step::Rotate { judged: judged.into(), early: true }
}

pub(crate) async fn signing_keys_come_back_and_sign(store: Shared) {
    assert!(store.signing_keys().await.unwrap().is_empty());
    assert_eq!(begun(&store).await, Turned::At(Revision(1)));
    let stored = store.signing_keys().await.unwrap();
    assert_eq!(stored.len(), 2);
    for stored in stored {
        assert_eq!(*stored.standing.kid, *stored.key.verifying_key().kid());
        assert_eq!((stored.standing.algorithm, stored.standing.published_at), (Algorithm::EdDsa, START));
        let signature = stored.key.sign(b"message", rng()).unwrap();
        assert!(stored.key.verifying_key().verifies(b"message", &signature));
    }
    let rows = store.audit(10).await.unwrap();
    let events: Vec<_> = rows.iter().rev().map(|row| row.event.as_str()).collect();
    assert_eq!(events, ["signing-key.published", "signing-key.activated", "signing-key.published"]);
}

pub(crate) async fn a_key_step_that_lacks_a_key_or_has_nothing_to_do_leaves_no_trace(store: Shared) {
    let short = store.turn_signing_keys(&turn(Step::Tend, START), &fresh(1)).await.unwrap();
    assert_eq!(short, Turned::Refused(Refusal::Short));
    assert!(store.signing_keys().await.unwrap().is_empty());
    begun(&store).await;
    let again = store.turn_signing_keys(&turn(Step::Tend, START + seconds(1)), &fresh(1)).await.unwrap();
    assert_eq!(again, Turned::Already(Revision(1)));
    let unknown = turn(Step::Retire { kid: "nobody".into() }, START);
    assert_eq!(store.turn_signing_keys(&unknown, &[]).await.unwrap(), Turned::Refused(Refusal::Unknown));
    assert_eq!((store.audit(10).await.unwrap().len(), store.revision().await.unwrap()), (3, Revision(1)));
}

pub(crate) async fn a_rotated_key_is_kept_until_nothing_it_signed_is_alive(store: Shared) {
    begun(&store).await;
    let (first, second) = (active(&store).await, next(&store).await);
    let at = START + seconds(60);
    let rotated = store.turn_signing_keys(&turn(rotation(&first), at), &fresh(1)).await.unwrap();
    assert_eq!(rotated, Turned::At(Revision(2)));
    assert_eq!(active(&store).await, second);
    let stored = store.signing_keys().await.unwrap();
    let old = stored.iter().find(|key| *key.standing.kid == *first).unwrap();
    assert_eq!(old.standing.stage, Stage::Old { stopped: at });
    assert_eq!(old.standing.token_life, SCHEDULE.token_life);
    let dead = at + SCHEDULE.token_life + SCHEDULE.leeway + SIGNING_LAG;
    let before = turn(Step::Tend, dead - Duration::from_micros(1));
    assert_eq!(store.turn_signing_keys(&before, &[]).await.unwrap(), Turned::Already(Revision(2)));
    let dropped = store.turn_signing_keys(&turn(Step::Tend, dead), &[]).await.unwrap();
    assert_eq!(dropped, Turned::At(Revision(3)));
    assert_eq!(store.signing_keys().await.unwrap().len(), 2);
    let newest = &store.audit(1).await.unwrap()[0];
    assert_eq!((newest.event.as_str(), &newest.subject), ("signing-key.dropped", &first));
    let facts: Vec<_> = store.changes_since(Revision(0)).await.unwrap().into_iter().map(|change| change.fact).collect();
    assert_eq!(facts, [Fact::SigningKeys; 3]);
}

pub(crate) async fn retiring_the_key_that_signs_makes_the_next_one_sign(store: Shared) {
    begun(&store).await;
    let (first, second) = (active(&store).await, next(&store).await);
    let retire = turn(Step::Retire { kid: first.as_str().into() }, START + seconds(1));
    assert_eq!(store.turn_signing_keys(&retire, &fresh(1)).await.unwrap(), Turned::At(Revision(2)));
    assert_eq!(active(&store).await, second);
    assert_eq!(kids(&store, |stage| matches!(stage, Stage::Retired { .. })).await, [first]);
    assert_eq!(store.turn_signing_keys(&retire, &[]).await.unwrap(), Turned::Already(Revision(2)));
}

pub(crate) async fn of_many_rotations_at_once_one_takes_place(store: Shared) {
    begun(&store).await;
    for round in 0..10 {
        let (first, second) = (active(&store).await, next(&store).await);
        let turned = together(8, |_| {
            let (store, step, fresh) = (Arc::clone(&store), rotation(&first), fresh(1));
            async move { store.turn_signing_keys(&turn(step, START + seconds(round)), &fresh).await.unwrap() }
        });
        let turned = turned.await;
        assert_eq!(turned.iter().filter(|turned| matches!(turned, Turned::At(_))).count(), 1);
        assert_eq!(turned.iter().filter(|turned| **turned == Turned::Refused(Refusal::Stale)).count(), 7);
        assert_eq!(active(&store).await, second, "the key that was published took over");
    }
}

pub(crate) async fn a_retirement_wins_over_a_rotation_it_races_with(store: Shared) {
    begun(&store).await;
    for round in 0..10 {
        let at = START + seconds(round);
        let first = active(&store).await;
        let turned = together(4, |number| {
            let store = Arc::clone(&store);
            let retire = Step::Retire { kid: first.as_str().into() };
            let (step, fresh) = (if number == 0 { retire } else { rotation(&first) }, fresh(2));
            async move { (number, store.turn_signing_keys(&turn(step, at), &fresh).await.unwrap()) }
        });
        let turned = turned.await;
        assert!(turned.iter().all(|(number, turned)| *number != 0 || matches!(turned, Turned::At(_))));
        let retired = kids(&store, |stage| matches!(stage, Stage::Retired { .. })).await;
        assert!(retired.contains(&first), "whichever came first");
        assert_ne!(active(&store).await, first);
        next(&store).await;
    }
}
