//! Incarnation, policy, audit, feed, sweep.

use std::sync::Arc;
use std::time::Duration;

use keyfob_core::change::{Change, Fact, Revision};
use keyfob_core::id::Incarnation;

use super::races::together;
use super::sample::*;
use super::signing_keys;
use crate::fixture::INCARNATION;
use crate::{Audit, Changed, StoredPolicy};

pub(crate) async fn the_incarnation_is_the_one_given_at_first(store: Shared) {
    assert_eq!(store.incarnation(), Incarnation(INCARNATION));
}

pub(crate) async fn a_public_url_is_kept(store: Shared) {
    assert_eq!(store.public_url().await.unwrap(), None);
    let mut from = None;
    for url in ["https://api.example.org", "https://api.example.com"] {
        assert!(store.set_public_url(from, url, &audit("public-url.set", START)).await.unwrap());
        assert!(!store.set_public_url(from, "https://late.example", &audit("public-url.set", START)).await.unwrap());
        assert_eq!(store.public_url().await.unwrap().as_deref(), Some(url));
        from = Some(url);
    }
    assert_eq!(store.audit(10).await.unwrap().len(), 2, "what changed nothing leaves no trace");
}

pub(crate) async fn of_many_first_starts_one_keeps_its_public_url(store: Shared) {
    let kept = together(8, |number| {
        let store = Arc::clone(&store);
        let url = format!("https://node{number}.example");
        async move { store.set_public_url(None, &url, &audit("public-url.set", START)).await.unwrap().then_some(url) }
    });
    let kept: Vec<String> = kept.await.into_iter().flatten().collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(store.public_url().await.unwrap().as_ref(), kept.first());
}

pub(crate) async fn a_policy_gets_a_new_version_only_when_it_differs(store: Shared) {
    let by = audit("policy.set", START);
    assert_eq!(store.policy().await.unwrap(), None);
    assert_eq!(store.set_policy("one", &by).await.unwrap(), Changed::At(Revision(1)));
    assert_eq!(store.set_policy("one", &by).await.unwrap(), Changed::Already(Revision(1)));
    assert_eq!(store.set_policy("two", &by).await.unwrap(), Changed::At(Revision(2)));
    assert_eq!(store.set_policy("one", &by).await.unwrap(), Changed::At(Revision(3)));
    let in_force = StoredPolicy { version: 3, text: "one".to_owned() };
    assert_eq!(store.policy().await.unwrap(), Some(in_force));
    assert_eq!(store.audit(10).await.unwrap().len(), 3);
}

pub(crate) async fn audit_rows_come_newest_first_and_are_cut(store: Shared) {
    // Two bytes a character: the 512th byte is inside one when an odd byte comes first.
    let detail = format!("x{}", "é".repeat(300));
    let row = Audit { detail, subject: "s".repeat(600), ..audit("first", START) };
    store.set_public_url(None, "https://a.example", &row).await.unwrap();
    store
        .set_public_url(Some("https://a.example"), "https://b.example", &audit("second", START + seconds(1)))
        .await
        .unwrap();
    let rows = store.audit(1000).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.event.as_str()).collect::<Vec<_>>(), ["second", "first"]);
    assert_eq!(rows[1].detail, format!("x{}", "é".repeat(255)));
    assert_eq!(rows[1].subject.len(), 512);
    assert_eq!((rows[0].sequence, rows[0].at, rows[0].actor.as_str()), (2, START + seconds(1), "cli"));
    assert_eq!(store.audit(1).await.unwrap().len(), 1);
    assert_eq!(store.audit(0).await.unwrap().len(), 1, "the limit is 1 at least");
}

pub(crate) async fn the_feed_names_each_fact_at_its_own_revision(store: Shared) {
    let user = made(&store, "alice").await;
    let session = signed_in(&store, &user, START).await;
    let by = audit("changed", START);
    store.set_policy("one", &by).await.unwrap();
    store.end_session(session, None, &by).await.unwrap();
    store.set_roles(user.id, &roles(&["editor"]), &by).await.unwrap();
    signing_keys::begun(&store).await;
    let expected = [Fact::Policy, Fact::Session(session), Fact::User(user.id), Fact::SigningKeys];
    let expected: Vec<_> =
        (1..).zip(expected).map(|(number, fact)| Change { revision: Revision(number), fact }).collect();
    assert_eq!(store.changes_since(Revision(0)).await.unwrap(), expected);
    assert_eq!(store.changes_since(Revision(2)).await.unwrap(), expected[2..]);
    assert!(store.changes_since(Revision(4)).await.unwrap().is_empty());
    assert_eq!(store.revision().await.unwrap(), Revision(4));
}

pub(crate) async fn the_feed_comes_in_pages(store: Shared) {
    let user = made(&store, "alice").await;
    let mut logins = tokio::task::JoinSet::new();
    for _ in 0..1001 {
        let (store, login) = (std::sync::Arc::clone(&store), login(&attempt("alice", START), &user));
        logins.spawn(async move { store.record_login(&login).await.unwrap() });
    }
    logins.join_all().await;
    store.delete_user(user.id, &audit("user.deleted", START)).await.unwrap();
    let first = store.changes_since(Revision(0)).await.unwrap();
    assert_eq!(first.len(), 1000);
    let rest = store.changes_since(first[999].revision).await.unwrap();
    assert_eq!(rest.iter().map(|change| change.revision.0).collect::<Vec<_>>(), [1001, 1002]);
}

pub(crate) async fn the_doorbell_rings_after_each_change_and_only_then(store: Shared) {
    let mut doorbell = store.doorbell();
    assert_eq!(*doorbell.borrow_and_update(), Revision(0));
    made(&store, "alice").await;
    assert!(!doorbell.has_changed().unwrap(), "a new fact does not ring");
    store.set_policy("one", &audit("policy.set", START)).await.unwrap();
    assert!(doorbell.has_changed().unwrap());
    assert_eq!(*doorbell.borrow_and_update(), Revision(1));
    assert_eq!(store.changes_since(Revision(0)).await.unwrap().len(), 1, "what it rings for can be read");
}

pub(crate) async fn sweeping_removes_what_ended_and_nothing_else(store: Shared) {
    let user = made(&store, "alice").await;
    let expired = signed_in(&store, &user, START).await;
    let ended = signed_in(&store, &user, START + seconds(3600)).await;
    let live = signed_in(&store, &user, START + seconds(7200)).await;
    store.end_session(ended, None, &audit("session.ended", START + seconds(3700))).await.unwrap();
    store.set_policy("one", &audit("policy.set", START + seconds(3800))).await.unwrap();
    assert_eq!(store.sweep(START + seconds(3600)).await.unwrap(), 0, "half open: it expired at that instant");
    assert_eq!(store.sweep(START + seconds(4000)).await.unwrap(), 2);
    assert_eq!(store.session(expired).await.unwrap(), None);
    assert_eq!(store.session(ended).await.unwrap(), None);
    assert!(is_live(&store, live).await);
    assert_eq!(store.changes_since(Revision(0)).await.unwrap().len(), 2, "changes stay an hour longer");
    guess(&store, "nobody", START).await;
    let removed = store.sweep(START + Duration::from_hours(24 * 30)).await.unwrap();
    assert_eq!(removed, 4, "the live session, the guess, its name, the older change");
    let left = store.changes_since(Revision(0)).await.unwrap();
    assert_eq!(left.iter().map(|change| change.revision).collect::<Vec<_>>(), [Revision(2)], "the gap shows");
    assert_eq!(store.revision().await.unwrap(), Revision(2));
}

pub(crate) async fn a_sound_store_passes_its_check(store: Shared) {
    let user = made(&store, "alice").await;
    signed_in(&store, &user, START).await;
    store.check().await.unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.users, counts.sessions, counts.audit), (1, 1, 2));
}
