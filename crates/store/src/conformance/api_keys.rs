//! API keys: how they are made, found, used, and what makes them die.

use keyfob_core::api_key::{ApiKey, KEYS_PER_USER_MAX, KeyName};
use keyfob_core::change::{Fact, Revision};
use keyfob_core::id::{Incarnation, KeyId};
use keyfob_core::opaque::Digest;
use keyfob_core::scope::Scope;
use keyfob_core::user::{Status, User};

use super::sample::*;
use crate::fixture::INCARNATION;
use crate::{Changed, KeyMade, NewKey};

/// A key of `user`, made at [`START`], good for an hour.
pub(crate) fn new_key(user: &User) -> NewKey {
    let id = unique();
    let key = ApiKey {
        id: KeyId::from_bytes(id),
        user: user.id,
        scope: Scope::parse("reports:read reports:write").unwrap(),
        incarnation: Incarnation(INCARNATION),
        created_at: START,
        expires_at: START + seconds(3600),
        revoked_at: None,
    };
    let name = KeyName::parse("nightly report").unwrap();
    let digest = Digest(digest(&format!("{id:?}")));
    NewKey { key, name, digest, auth_version: user.auth_version, session: None }
}

async fn key_of(store: &Shared, user: &User) -> NewKey {
    let new = new_key(user);
    assert_eq!(store.create_key(&new, &audit("api-key.created", START)).await.unwrap(), KeyMade::Made);
    new
}

async fn is_revoked(store: &Shared, new: &NewKey) -> bool {
    store.api_key(new.key.id).await.unwrap().is_none_or(|key| key.revoked_at.is_some())
}

pub(crate) async fn a_made_key_is_found_by_id_and_by_digest(store: Shared) {
    let user = made(&store, "alice").await;
    let new = key_of(&store, &user).await;
    assert_eq!(store.api_key(new.key.id).await.unwrap(), Some(new.key.clone()));
    assert_eq!(store.api_key_by_digest(new.digest).await.unwrap(), Some(new.key.clone()));
    assert_eq!(store.api_key(KeyId::from_bytes(unique())).await.unwrap(), None);
    assert_eq!(store.api_key_by_digest(Digest([0; 32])).await.unwrap(), None);
    assert_eq!(store.revision().await.unwrap(), Revision(0), "a new fact raises nothing");
    assert_eq!(store.audit(1).await.unwrap()[0].event, "api-key.created");
}

pub(crate) async fn a_key_judged_on_older_facts_is_stale(store: Shared) {
    let user = made(&store, "alice").await;
    let other = made(&store, "bob").await;
    let by = audit("changed", START);
    let session = signed_in(&store, &user, START).await;
    let others = signed_in(&store, &other, START).await;
    let create = |new: NewKey| {
        let (store, by) = (std::sync::Arc::clone(&store), by.clone());
        async move { store.create_key(&new, &by).await.unwrap() }
    };
    assert_eq!(create(NewKey { session: Some(others), ..new_key(&user) }).await, KeyMade::Stale);
    assert_eq!(create(NewKey { session: Some(session), ..new_key(&user) }).await, KeyMade::Made);
    store.end_session(session, None, &by).await.unwrap();
    assert_eq!(create(NewKey { session: Some(session), ..new_key(&user) }).await, KeyMade::Stale);
    store.set_roles(user.id, &roles(&["editor"]), &by).await.unwrap();
    assert_eq!(create(new_key(&user)).await, KeyMade::Stale);
    store.set_status(user.id, Status::Disabled, &by).await.unwrap();
    assert_eq!(create(new_key(&current(&store, &user).await)).await, KeyMade::Stale, "disabled");
    store.delete_user(user.id, &by).await.unwrap();
    assert_eq!(create(new_key(&user)).await, KeyMade::Stale, "gone");
}

pub(crate) async fn a_user_has_so_many_live_keys_and_no_more(store: Shared) {
    let user = made(&store, "alice").await;
    let first = key_of(&store, &user).await;
    for _ in 1..KEYS_PER_USER_MAX {
        key_of(&store, &user).await;
    }
    let by = audit("api-key.created", START);
    let rows = store.audit(1000).await.unwrap().len();
    assert_eq!(store.create_key(&new_key(&user), &by).await.unwrap(), KeyMade::TooMany);
    assert_eq!(store.audit(1000).await.unwrap().len(), rows, "what did not happen is not in the audit");
    store.revoke_key(first.key.id, None, &by).await.unwrap();
    key_of(&store, &user).await;
}

pub(crate) async fn revoking_a_key_twice_changes_it_once(store: Shared) {
    let user = made(&store, "alice").await;
    let new = key_of(&store, &user).await;
    let by = audit("api-key.revoked", START + seconds(5));
    assert_eq!(store.revoke_key(new.key.id, None, &by).await.unwrap(), Changed::At(Revision(1)));
    let later = audit("api-key.revoked", START + seconds(9));
    assert_eq!(store.revoke_key(new.key.id, None, &later).await.unwrap(), Changed::Already(Revision(1)));
    let found = store.api_key_by_digest(new.digest).await.unwrap().unwrap();
    assert_eq!(found.revoked_at, Some(by.at), "it was revoked when it first was");
    let facts = store.changes_since(Revision(0)).await.unwrap();
    assert_eq!(facts.iter().map(|change| change.fact).collect::<Vec<_>>(), [Fact::Key(new.key.id)]);
    assert_eq!(store.revoke_key(KeyId::from_bytes(unique()), None, &by).await.unwrap(), Changed::NotFound);
    assert_eq!(store.audit(1).await.unwrap()[0].event, "api-key.revoked");
}

pub(crate) async fn a_key_of_an_earlier_life_is_resumed_once_and_a_revoked_one_never(store: Shared) {
    let user = made(&store, "alice").await;
    let mine = key_of(&store, &user).await;
    let mut earlier = Vec::new();
    for _ in 0..3 {
        let mut new = new_key(&user);
        new.key.incarnation = Incarnation([9; 16]);
        assert_eq!(store.create_key(&new, &audit("api-key.created", START)).await.unwrap(), KeyMade::Made);
        earlier.push(new.key.id);
    }
    earlier.sort_unstable();
    let [first, second, revoked] = earlier[..] else { panic!("three keys") };
    let by = audit("api-key.resumed", START + seconds(5));
    store.revoke_key(revoked, None, &by).await.unwrap();
    let suspended = |after| {
        let store = std::sync::Arc::clone(&store);
        async move { store.suspended_keys(START, after).await.unwrap() }
    };
    assert_eq!(suspended(None).await, [first, second]);
    assert_eq!(suspended(Some(first)).await, [second]);
    assert!(store.suspended_keys(START + seconds(3600), None).await.unwrap().is_empty(), "expired");
    assert_eq!(store.resume_key(first, &by).await.unwrap(), Changed::At(Revision(2)));
    assert_eq!(store.api_key(first).await.unwrap().unwrap().incarnation, Incarnation(INCARNATION));
    assert_eq!(store.api_key(second).await.unwrap().unwrap().incarnation, Incarnation([9; 16]));
    let rows = store.audit(1000).await.unwrap();
    assert_eq!(rows[0].event, "api-key.resumed");
    assert_eq!(store.resume_key(first, &by).await.unwrap(), Changed::Already(Revision(2)));
    assert_eq!(store.resume_key(mine.key.id, &by).await.unwrap(), Changed::Already(Revision(2)));
    assert_eq!(store.resume_key(revoked, &by).await.unwrap(), Changed::NotFound, "revoked for good");
    assert_eq!(store.resume_key(KeyId::from_bytes(unique()), &by).await.unwrap(), Changed::NotFound);
    assert_eq!(store.audit(1000).await.unwrap().len(), rows.len(), "what did not happen is not in the audit");
    let facts = store.changes_since(Revision(1)).await.unwrap();
    assert_eq!(facts.iter().map(|change| change.fact).collect::<Vec<_>>(), [Fact::Key(first)]);
    assert_eq!(suspended(None).await, [second]);
}

pub(crate) async fn a_key_of_somebody_else_is_not_found(store: Shared) {
    let alice = made(&store, "alice").await;
    let mallory = made(&store, "mallory").await;
    let new = key_of(&store, &alice).await;
    let by = audit("api-key.revoked", START);
    assert_eq!(store.revoke_key(new.key.id, Some(mallory.id), &by).await.unwrap(), Changed::NotFound);
    assert!(!is_revoked(&store, &new).await);
    revision_of(store.revoke_key(new.key.id, Some(alice.id), &by).await.unwrap());
    assert!(is_revoked(&store, &new).await);
}

pub(crate) async fn disabling_and_deleting_kill_every_key(store: Shared) {
    let by = audit("user.changed", START);
    let bob = made(&store, "bob").await;
    let bystander = key_of(&store, &bob).await;
    for delete in [false, true] {
        let user = made(&store, if delete { "alice" } else { "anna" }).await;
        let keys = [key_of(&store, &user).await, key_of(&store, &user).await];
        let before = store.revision().await.unwrap();
        let changed = if delete {
            store.delete_user(user.id, &by).await.unwrap()
        } else {
            store.set_status(user.id, Status::Disabled, &by).await.unwrap()
        };
        let facts = store.changes_since(before).await.unwrap();
        for key in &keys {
            assert!(is_revoked(&store, key).await);
            assert!(facts.iter().any(|change| change.fact == Fact::Key(key.key.id)), "{facts:?}");
        }
        assert_eq!(facts.last().unwrap().fact, Fact::User(user.id));
        assert_eq!(facts.last().unwrap().revision, revision_of(changed), "acknowledged when all of it is applied");
        if !delete {
            store.set_status(user.id, Status::Active, &by).await.unwrap();
            assert!(is_revoked(&store, &keys[0]).await, "never revived");
        }
    }
    assert!(!is_revoked(&store, &bystander).await);
}

pub(crate) async fn a_new_password_and_new_roles_leave_keys_alone(store: Shared) {
    let user = made(&store, "alice").await;
    let new = key_of(&store, &user).await;
    let by = audit("user.changed", START);
    revision_of(store.set_password(&password_change(&user), &by).await.unwrap());
    revision_of(store.set_roles(user.id, &roles(&["editor"]), &by).await.unwrap());
    store.end_sessions(user.id, None, &by).await.unwrap();
    assert!(!is_revoked(&store, &new).await);
    assert_eq!(store.api_keys_of(user.id, START).await.unwrap().len(), 1);
}

pub(crate) async fn live_keys_are_listed_newest_first_until_the_instant_they_expire(store: Shared) {
    let user = made(&store, "alice").await;
    let first = key_of(&store, &user).await;
    let mut second = new_key(&user);
    second.key.created_at = START + seconds(10);
    second.key.expires_at = START + seconds(7200);
    store.create_key(&second, &audit("api-key.created", START)).await.unwrap();
    let revoked = key_of(&store, &user).await;
    store.revoke_key(revoked.key.id, None, &audit("api-key.revoked", START)).await.unwrap();
    let listed = store.api_keys_of(user.id, START).await.unwrap();
    assert_eq!((listed[1].name.as_str(), listed[1].used_at), ("nightly report", None));
    let ids = |at| {
        let store = std::sync::Arc::clone(&store);
        async move {
            let listed = store.api_keys_of(user.id, at).await.unwrap();
            listed.into_iter().map(|listing| listing.key.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(ids(START).await, [second.key.id, first.key.id]);
    let expiry = first.key.expires_at;
    assert_eq!(ids(expiry - std::time::Duration::from_micros(1)).await, [second.key.id, first.key.id]);
    assert_eq!(ids(expiry).await, [second.key.id]);
}

pub(crate) async fn the_last_use_is_kept_and_raises_nothing(store: Shared) {
    let user = made(&store, "alice").await;
    let new = key_of(&store, &user).await;
    let unused = key_of(&store, &user).await;
    let rows = store.audit(10).await.unwrap().len();
    let unknown = KeyId::from_bytes(unique());
    store.record_key_uses(&[(new.key.id, START + seconds(60)), (unknown, START)]).await.unwrap();
    store.record_key_uses(&[(new.key.id, START + seconds(30))]).await.unwrap();
    store.record_key_uses(&[]).await.unwrap();
    let listed = store.api_keys_of(user.id, START).await.unwrap();
    let used = |id| listed.iter().find(|listing| listing.key.id == id).unwrap().used_at;
    assert_eq!(used(new.key.id), Some(START + seconds(60)), "a late report takes nothing back");
    assert_eq!(used(unused.key.id), None);
    assert_eq!(store.revision().await.unwrap(), Revision(0));
    assert_eq!(store.audit(10).await.unwrap().len(), rows);
}

pub(crate) async fn dead_keys_are_swept(store: Shared) {
    let user = made(&store, "alice").await;
    let expired = key_of(&store, &user).await;
    let mut long = new_key(&user);
    long.key.expires_at = START + seconds(100_000);
    let mut revoked = new_key(&user);
    revoked.key.expires_at = START + seconds(100_000);
    for new in [&long, &revoked] {
        store.create_key(new, &audit("api-key.created", START)).await.unwrap();
    }
    store.revoke_key(revoked.key.id, None, &audit("api-key.revoked", START + seconds(3600))).await.unwrap();
    assert_eq!(store.sweep(START + seconds(3600)).await.unwrap(), 0, "half open");
    assert_eq!(store.sweep(START + seconds(3601)).await.unwrap(), 2);
    assert_eq!(store.api_key(expired.key.id).await.unwrap(), None);
    assert_eq!(store.api_key(revoked.key.id).await.unwrap(), None);
    assert_eq!(store.api_key(long.key.id).await.unwrap(), Some(long.key));
}
