//! Many at once. Each race is run by tasks on two threads that start together.

use std::sync::Arc;

use keyfob_core::api_key::KEYS_PER_USER_MAX;
use keyfob_core::change::Revision;
use keyfob_core::user::Status;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::api_keys::new_key;
use super::sample::*;
use crate::{Changed, KeyMade, Login, Made, NewKey, Reservation, Saved};

/// Run `count` tasks that start together; what each returned.
pub(crate) async fn together<T, F, Task>(count: usize, task: F) -> Vec<T>
where
    T: Send + 'static,
    Task: Future<Output = T> + Send + 'static,
    F: Fn(usize) -> Task,
{
    let barrier = Arc::new(Barrier::new(count));
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let (barrier, task) = (Arc::clone(&barrier), task(number));
        tasks.spawn(async move {
            barrier.wait().await;
            task.await
        });
    }
    tasks.join_all().await
}

pub(crate) async fn of_many_makers_of_one_name_one_makes_it(store: Shared) {
    let made = together(50, |_| {
        let store = Arc::clone(&store);
        async move { store.create_user(&new_user("alice"), &audit("user.created", START)).await.unwrap() }
    });
    let made = made.await.into_iter().filter(|made| *made == Made::Made).count();
    assert_eq!(made, 1);
    assert_eq!(store.counts().await.unwrap().users, 1);
}

pub(crate) async fn no_login_outlives_a_password_change_it_raced_with(store: Shared) {
    let first = made(&store, "alice").await;
    for round in 0..20 {
        let user = current(&store, &first).await;
        let at = START + seconds(round * 3600);
        let mut attempts = Vec::new();
        for _ in 0..8 {
            attempts.push(reserved(&store, "alice", at).await);
        }
        let saved = together(9, |number| {
            let (store, user, attempt) = (Arc::clone(&store), user.clone(), attempts.get(number).cloned());
            async move {
                if let Some(attempt) = attempt {
                    let login = login(&attempt, &user);
                    let saved = store.record_login(&login).await.unwrap();
                    return Some((saved, login.session.id));
                }
                revision_of(store.set_password(&password_change(&user), &audit("user.password", at)).await.unwrap());
                None
            }
        });
        for (saved, session) in saved.await.into_iter().flatten() {
            let found = store.session(session).await.unwrap();
            assert_eq!(found.is_some(), saved == Saved::Saved);
            assert!(found.is_none_or(|session| session.ended_at.is_some()), "a session of the old password lives");
        }
    }
}

pub(crate) async fn fifty_right_logins_at_once_all_succeed(store: Shared) {
    let user = made(&store, "alice").await;
    let sessions = together(50, |_| {
        let (store, user) = (Arc::clone(&store), user.clone());
        async move {
            let attempt = attempt("alice", START);
            loop {
                match store.reserve_attempt(&attempt).await.unwrap() {
                    Reservation::Reserved(_) => break,
                    Reservation::Wait => tokio::task::yield_now().await,
                    Reservation::Refused { retry_after } => panic!("a right login refused for {retry_after:?}"),
                }
            }
            store.record_login(&login(&attempt, &user)).await.unwrap()
        }
    });
    assert!(sessions.await.into_iter().all(|saved| saved == Saved::Saved));
    assert_eq!(store.sessions_of(user.id, START).await.unwrap().len(), 50);
}

pub(crate) async fn parallel_sign_ins_never_pass_the_limit_of_sessions(store: Shared) {
    const MOST: u32 = 5;
    let user = made(&store, "alice").await;
    let live = together(50, |_| {
        let (store, user) = (Arc::clone(&store), user.clone());
        async move {
            let attempt = attempt("alice", START);
            while !matches!(store.reserve_attempt(&attempt).await.unwrap(), Reservation::Reserved(_)) {
                tokio::task::yield_now().await;
            }
            let login = Login { sessions_max: MOST, ..login(&attempt, &user) };
            let saved = store.record_login(&login).await.unwrap();
            assert!(matches!(saved, Saved::Saved | Saved::At(_)), "{saved:?}");
            (saved, store.sessions_of(user.id, START).await.unwrap().len())
        }
    });
    let live = live.await;
    assert!(live.iter().all(|(_, live)| *live <= usize::try_from(MOST).unwrap()), "{live:?}");
    assert_eq!(live.iter().filter(|(saved, _)| *saved == Saved::Saved).count(), 5);
    assert_eq!(store.sessions_of(user.id, START).await.unwrap().len(), 5);
    assert_eq!(store.revision().await.unwrap(), Revision(45), "each of the others ended one");
}

pub(crate) async fn a_thousand_guesses_at_once_get_ten_tries(store: Shared) {
    made(&store, "alice").await;
    let tried = together(1000, |_| {
        let store = Arc::clone(&store);
        async move { guessed(&store).await }
    });
    assert_eq!(tried.await.into_iter().filter(|tried| *tried).count(), 10);
}

/// Whether a guess at alice's password was tried, and failed; else it was refused.
pub(crate) async fn guessed(store: &Shared) -> bool {
    let attempt = attempt("alice", START);
    loop {
        match store.reserve_attempt(&attempt).await.unwrap() {
            Reservation::Reserved(_) => break,
            Reservation::Wait => tokio::task::yield_now().await,
            Reservation::Refused { .. } => return false,
        }
    }
    tokio::task::yield_now().await;
    store.record_failed_attempt(&failure(&attempt, START)).await.unwrap();
    true
}

pub(crate) async fn of_many_ends_of_one_session_one_counts(store: Shared) {
    let user = made(&store, "alice").await;
    let session = signed_in(&store, &user, START).await;
    let ended = together(50, |_| {
        let store = Arc::clone(&store);
        async move { store.end_session(session, None, &audit("session.ended", START)).await.unwrap() }
    });
    let ended = ended.await;
    assert_eq!(ended.iter().filter(|changed| **changed == Changed::At(Revision(1))).count(), 1);
    assert_eq!(ended.iter().filter(|changed| **changed == Changed::Already(Revision(1))).count(), 49);
}

pub(crate) async fn no_key_outlives_a_disable_or_a_logout_it_raced_with(store: Shared) {
    let first = made(&store, "alice").await;
    for round in 0..20 {
        let user = current(&store, &first).await;
        let at = START + seconds(round);
        let session = signed_in(&store, &user, at).await;
        let disable = round % 2 == 0;
        let outcomes = together(9, |number| {
            let (store, user) = (Arc::clone(&store), user.clone());
            async move {
                if number == 0 {
                    let by = audit("ended", at);
                    revision_of(if disable {
                        store.set_status(user.id, Status::Disabled, &by).await.unwrap()
                    } else {
                        store.end_session(session, None, &by).await.unwrap()
                    });
                    // Acknowledged: from here on nothing may be made on the word of what ended.
                    let late = NewKey { session: Some(session), ..new_key(&user) };
                    assert_eq!(store.create_key(&late, &by).await.unwrap(), KeyMade::Stale);
                    return None;
                }
                let new = NewKey { session: Some(session), ..new_key(&user) };
                let made = store.create_key(&new, &audit("api-key.created", at)).await.unwrap();
                Some((made, new.key.id))
            }
        });
        for (made, id) in outcomes.await.into_iter().flatten() {
            let found = store.api_key(id).await.unwrap();
            assert_eq!(found.is_some(), made == KeyMade::Made);
            assert!(!disable || found.is_none_or(|key| key.revoked_at.is_some()), "a key of a disabled user lives");
        }
        let by = audit("user.enabled", at);
        store.set_status(user.id, Status::Active, &by).await.unwrap();
        for listing in store.api_keys_of(user.id, at).await.unwrap() {
            store.revoke_key(listing.key.id, None, &by).await.unwrap();
        }
    }
}

pub(crate) async fn of_many_makers_at_the_limit_of_keys_none_passes_it(store: Shared) {
    let user = made(&store, "alice").await;
    let most = usize::try_from(KEYS_PER_USER_MAX).unwrap();
    let made = together(most + 20, |_| {
        let (store, new) = (Arc::clone(&store), new_key(&user));
        async move { store.create_key(&new, &audit("api-key.created", START)).await.unwrap() }
    });
    let made = made.await;
    assert_eq!(made.iter().filter(|made| **made == KeyMade::Made).count(), most);
    assert_eq!(made.iter().filter(|made| **made == KeyMade::TooMany).count(), 20);
    assert_eq!(store.api_keys_of(user.id, START).await.unwrap().len(), most);
}

pub(crate) async fn of_many_revokes_of_one_key_one_counts(store: Shared) {
    let user = made(&store, "alice").await;
    let new = new_key(&user);
    store.create_key(&new, &audit("api-key.created", START)).await.unwrap();
    let revoked = together(50, |_| {
        let store = Arc::clone(&store);
        let id = new.key.id;
        async move { store.revoke_key(id, None, &audit("api-key.revoked", START)).await.unwrap() }
    });
    let revoked = revoked.await;
    assert_eq!(revoked.iter().filter(|changed| **changed == Changed::At(Revision(1))).count(), 1);
    assert_eq!(revoked.iter().filter(|changed| **changed == Changed::Already(Revision(1))).count(), 49);
}

pub(crate) async fn the_revision_has_no_gap_under_load(store: Shared) {
    let mut users = Vec::new();
    for number in 0..20 {
        users.push(made(&store, &format!("user{number}")).await);
    }
    let revisions = together(20, |number| {
        let (store, user) = (Arc::clone(&store), users[number].clone());
        async move {
            let mut revisions = Vec::new();
            for round in 0..10 {
                let status = if round % 2 == 0 { Status::Disabled } else { Status::Active };
                let by = audit("user.changed", START);
                revisions.push(revision_of(store.set_status(user.id, status, &by).await.unwrap()));
                let read = store.revision().await.unwrap();
                assert!(revisions.last().unwrap() <= &read, "an answered change can be read");
            }
            revisions
        }
    });
    let mut revisions: Vec<_> = revisions.await.into_iter().flatten().map(|revision| revision.0).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=200).collect::<Vec<_>>());
    let feed = store.changes_since(Revision(0)).await.unwrap();
    assert_eq!(feed.iter().map(|change| change.revision.0).collect::<Vec<_>>(), revisions);
}

pub(crate) async fn a_caller_that_went_away_does_not_stop_its_change(store: Shared) {
    let user = made(&store, "alice").await;
    let mut doorbell = store.doorbell();
    {
        let by = audit("user.disabled", START);
        let mut change = store.set_status(user.id, Status::Disabled, &by);
        // Polled once, so that it is handed in, and dropped.
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(change.as_mut().poll(context))).await;
        assert!(polled.is_pending(), "it answers only after a commit");
    }
    doorbell.wait_for(|revision| *revision == Revision(1)).await.unwrap();
    assert_eq!(current(&store, &user).await.status, Status::Disabled);
}
