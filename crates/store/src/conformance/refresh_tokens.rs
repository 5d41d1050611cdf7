//! Refresh tokens: one winner, the same successor for the others, and a replay that ends the family.

use keyfob_core::change::{Fact, Revision};
use keyfob_core::opaque::Digest;
use keyfob_core::refresh::{Lives, RETRY_WINDOW, SEALED_BYTES, Sealed, Stored};
use keyfob_core::time::Timestamp;
use keyfob_core::user::{Status, User};

use super::sample::*;
use crate::{Login, Refresh, Refreshed, Saved};

const LIVES: Lives =
    Lives { idle: std::time::Duration::from_secs(5000), absolute: std::time::Duration::from_secs(9001) };

/// Sign in; the login has the first token of the family.
async fn family(store: &Shared, user: &User) -> Login {
    let attempt = reserved(store, user.username.as_str(), START).await;
    let login = login(&attempt, user);
    assert_eq!(store.record_login(&login).await.unwrap(), Saved::Saved);
    login
}

pub(crate) fn used(token: Digest, at: Timestamp, user: &User) -> Refresh {
    let mut sealed = [0; SEALED_BYTES];
    sealed[..16].copy_from_slice(&unique());
    let (successor, sealed, replayed) = (Digest(wide()), Sealed(sealed), audit("refresh.replayed", at));
    Refresh { presented: token, successor, sealed, at, lives: LIVES, auth_version: user.auth_version, replayed }
}

pub(crate) async fn a_refresh_token_rotates_and_its_session_lives_on(store: Shared) {
    let user = made(&store, "alice").await;
    let login = family(&store, &user).await;
    let first = store.refresh_token(&login.refresh).await.unwrap().unwrap();
    assert_eq!((first.session, first.stored, first.scope), (login.session, Stored::Newest, None));
    let refresh = used(login.refresh, START + seconds(100), &user);
    let Refreshed::Rotated(session) = store.refresh(&refresh).await.unwrap() else { panic!("not rotated") };
    assert_eq!(session.expires_at, START + seconds(5100), "idle, from the use on");
    assert_eq!(store.session(session.id).await.unwrap(), Some(session));
    assert_eq!(store.revision().await.unwrap(), Revision(0), "a rotation raises nothing");
    let later = used(refresh.successor, START + seconds(4900), &user);
    let Refreshed::Rotated(session) = store.refresh(&later).await.unwrap() else { panic!("not rotated") };
    assert_eq!(session.expires_at, START + seconds(9001), "absolute, from the sign-in on");
    let unknown = used(Digest(wide()), START + seconds(5000), &user);
    assert_eq!(store.refresh(&unknown).await.unwrap(), Refreshed::Refused);
    assert_eq!(store.refresh_token(&unknown.presented).await.unwrap(), None);
    let late = used(later.successor, START + seconds(9001), &user);
    assert_eq!(store.refresh(&late).await.unwrap(), Refreshed::Refused, "expired");
}

pub(crate) async fn a_used_token_gives_its_successor_until_that_is_used_or_ten_seconds(store: Shared) {
    let user = made(&store, "alice").await;
    let login = family(&store, &user).await;
    let first = used(login.refresh, START, &user);
    assert!(matches!(store.refresh(&first).await.unwrap(), Refreshed::Rotated(_)));
    let later = used(login.refresh, START + seconds(3000), &user);
    let again = store.refresh(&later).await.unwrap();
    assert!(matches!(&again, Refreshed::Again(_, sealed) if *sealed == first.sealed), "{again:?}");
    let second = used(first.successor, START + seconds(1), &user);
    assert!(matches!(store.refresh(&second).await.unwrap(), Refreshed::Rotated(_)));
    let in_time = used(login.refresh, START + seconds(9), &user);
    let again = store.refresh(&in_time).await.unwrap();
    assert!(matches!(&again, Refreshed::Again(_, sealed) if *sealed == first.sealed), "{again:?}");
    assert!(is_live(&store, login.session.id).await);
}

pub(crate) async fn a_replay_ends_the_family(store: Shared) {
    let user = made(&store, "alice").await;
    let login = family(&store, &user).await;
    let first = used(login.refresh, START, &user);
    store.refresh(&first).await.unwrap();
    let second = used(first.successor, START + seconds(1), &user);
    store.refresh(&second).await.unwrap();
    let replay = used(login.refresh, START + RETRY_WINDOW, &user);
    assert_eq!(store.refresh(&replay).await.unwrap(), Refreshed::Replayed(Revision(1)));
    assert_eq!(store.changes_since(Revision(0)).await.unwrap()[0].fact, Fact::Session(login.session.id));
    assert_eq!(store.session(login.session.id).await.unwrap().unwrap().ended_at, Some(replay.at));
    assert_eq!(store.audit(1).await.unwrap()[0].event, "refresh.replayed");
    for token in [login.refresh, first.successor, second.successor] {
        let after = used(token, START + seconds(20), &user);
        assert_eq!(store.refresh(&after).await.unwrap(), Refreshed::Refused, "nothing of the family is left");
    }
    assert_eq!(store.revision().await.unwrap(), Revision(1), "and it ended once");
}

pub(crate) async fn of_many_uses_at_once_one_makes_the_successor(store: Shared) {
    let user = made(&store, "alice").await;
    let login = family(&store, &user).await;
    let uses: Vec<_> = (0..16).map(|_| used(login.refresh, START, &user)).collect();
    let run = |refresh: Refresh| {
        let store = Shared::clone(&store);
        tokio::spawn(async move { store.refresh(&refresh).await })
    };
    let tasks: Vec<_> = uses.iter().cloned().map(run).collect();
    let (mut winners, mut sealed) = (Vec::new(), Vec::new());
    for (refresh, task) in uses.iter().zip(tasks) {
        match task.await.unwrap().unwrap() {
            Refreshed::Rotated(_) => winners.push(refresh.sealed.clone()),
            Refreshed::Again(_, successor) => sealed.push(successor),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((winners.len(), sealed.len()), (1, 15));
    assert!(sealed.iter().all(|successor| *successor == winners[0]), "all get the one successor");
}

pub(crate) async fn a_refresh_and_the_end_of_its_session_are_one_order(store: Shared) {
    let user = made(&store, "alice").await;
    for _ in 0..20 {
        let login = family(&store, &user).await;
        let refresh = used(login.refresh, START, &user);
        let by = audit("session.ended", START);
        let (outcome, ended) = tokio::join!(store.refresh(&refresh), store.end_session(login.session.id, None, &by));
        ended.unwrap();
        if matches!(outcome.unwrap(), Refreshed::Rotated(_)) {
            let next = used(refresh.successor, START, &user);
            assert_eq!(store.refresh(&next).await.unwrap(), Refreshed::Refused, "its successor is dead");
        }
        assert!(!is_live(&store, login.session.id).await, "no refresh revives a session");
    }
}

pub(crate) async fn a_refresh_judged_on_an_older_user_is_stale(store: Shared) {
    let user = made(&store, "alice").await;
    let login = family(&store, &user).await;
    store.set_roles(user.id, &roles(&["editor"]), &audit("user.roles", START)).await.unwrap();
    let refresh = used(login.refresh, START, &user);
    assert_eq!(store.refresh(&refresh).await.unwrap(), Refreshed::Stale);
    let now = current(&store, &user).await;
    assert!(matches!(store.refresh(&used(login.refresh, START, &now)).await.unwrap(), Refreshed::Rotated(_)));
    store.set_status(user.id, Status::Disabled, &audit("user.disabled", START)).await.unwrap();
    let now = current(&store, &user).await;
    assert_eq!(store.refresh(&used(login.refresh, START, &now)).await.unwrap(), Refreshed::Refused);
}

pub(crate) async fn the_tokens_of_a_session_go_with_it(store: Shared) {
    let user = made(&store, "alice").await;
    let login = family(&store, &user).await;
    let bob = made(&store, "bob").await;
    let other = family(&store, &bob).await;
    store.delete_user(user.id, &audit("user.deleted", START)).await.unwrap();
    assert_eq!(store.refresh_token(&login.refresh).await.unwrap(), None);
    store.sweep(START + seconds(100_000)).await.unwrap();
    assert_eq!(store.refresh_token(&other.refresh).await.unwrap(), None);
}
