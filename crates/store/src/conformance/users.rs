//! Users and what a change of one ends.

use keyfob_core::change::{Fact, Revision};
use keyfob_core::id::UserId;
use keyfob_core::user::Status;

use super::sample::*;
use crate::{Changed, Made, PasswordChange, Reservation};

pub(crate) async fn a_made_user_is_found_by_id_and_by_name(store: Shared) {
    let mut new = new_user("alice");
    new.user.roles = roles(&["editor"]);
    assert_eq!(store.create_user(&new, &audit("user.created", START)).await.unwrap(), Made::Made);
    assert_eq!(store.user(new.user.id).await.unwrap(), Some(new.user.clone()));
    assert_eq!(store.user_by_name(&name("alice")).await.unwrap(), Some(new.user));
    assert_eq!(store.user_by_name(&name("alicia")).await.unwrap(), None);
    assert_eq!(store.user(UserId::from_bytes(unique())).await.unwrap(), None);
    assert_eq!(store.revision().await.unwrap(), Revision(0), "a new fact raises nothing");
}

pub(crate) async fn a_name_is_taken_once(store: Shared) {
    let first = made(&store, "alice").await;
    let again = store.create_user(&new_user("alice"), &audit("user.created", START)).await.unwrap();
    assert_eq!(again, Made::Exists);
    assert_eq!(store.user_by_name(&name("alice")).await.unwrap().unwrap().id, first.id);
    assert_eq!(store.counts().await.unwrap().users, 1);
    assert_eq!(store.audit(10).await.unwrap().len(), 1, "what did not happen is not in the audit");
}

pub(crate) async fn users_come_in_order_of_name_after_the_one_given(store: Shared) {
    for text in ["mallory", "alice", "zoë", "bob"] {
        made(&store, text).await;
    }
    let names = |users: Vec<keyfob_core::user::User>| {
        users.into_iter().map(|user| user.username.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(store.users(None).await.unwrap()), ["alice", "bob", "mallory", "zoë"]);
    assert_eq!(names(store.users(Some(&name("bob"))).await.unwrap()), ["mallory", "zoë"]);
    assert!(store.users(Some(&name("zoë"))).await.unwrap().is_empty());
}

pub(crate) async fn roles_are_kept_sorted_and_once(store: Shared) {
    let user = made(&store, "alice").await;
    store.set_roles(user.id, &roles(&["z", "a", "z"]), &audit("user.roles", START)).await.unwrap();
    assert_eq!(current(&store, &user).await.roles, roles(&["a", "z"]));
    store.set_roles(user.id, &[], &audit("user.roles", START)).await.unwrap();
    assert!(current(&store, &user).await.roles.is_empty());
}

pub(crate) async fn every_change_of_an_account_raises_its_version_and_the_revision(store: Shared) {
    let user = made(&store, "alice").await;
    let by = audit("user.changed", START);
    let changes = [
        store.set_roles(user.id, &roles(&["editor"]), &by).await.unwrap(),
        store.set_status(user.id, Status::Disabled, &by).await.unwrap(),
        store.set_status(user.id, Status::Active, &by).await.unwrap(),
        store.set_password(&password_change(&user), &by).await.unwrap(),
    ];
    assert_eq!(changes.map(revision_of), [Revision(1), Revision(2), Revision(3), Revision(4)]);
    assert_eq!(current(&store, &user).await.auth_version, user.auth_version + 4);
    let facts = store.changes_since(Revision(0)).await.unwrap();
    assert!(facts.iter().all(|change| change.fact == Fact::User(user.id)), "{facts:?}");
    assert_eq!(store.audit(10).await.unwrap().len(), 5, "one row each, and one for the making");
}

pub(crate) async fn a_change_that_changes_nothing_says_so_and_leaves_no_trace(store: Shared) {
    let user = made(&store, "alice").await;
    let by = audit("user.changed", START);
    store.set_roles(user.id, &roles(&["editor"]), &by).await.unwrap();
    let at = store.revision().await.unwrap();
    let rows = store.audit(10).await.unwrap().len();
    assert_eq!(store.set_roles(user.id, &roles(&["editor"]), &by).await.unwrap(), Changed::Already(at));
    assert_eq!(store.set_status(user.id, Status::Active, &by).await.unwrap(), Changed::Already(at));
    assert_eq!(store.end_sessions(user.id, None, &by).await.unwrap(), Changed::Already(at));
    assert_eq!(store.revision().await.unwrap(), at);
    assert_eq!(store.audit(10).await.unwrap().len(), rows);
}

pub(crate) async fn a_change_of_nobody_is_not_found(store: Shared) {
    let nobody = new_user("nobody").user;
    let by = audit("user.changed", START);
    assert_eq!(store.set_roles(nobody.id, &[], &by).await.unwrap(), Changed::NotFound);
    assert_eq!(store.set_status(nobody.id, Status::Disabled, &by).await.unwrap(), Changed::NotFound);
    assert_eq!(store.set_password(&password_change(&nobody), &by).await.unwrap(), Changed::NotFound);
    assert_eq!(store.delete_user(nobody.id, &by).await.unwrap(), Changed::NotFound);
    assert_eq!(store.end_sessions(nobody.id, None, &by).await.unwrap(), Changed::NotFound);
    assert!(store.audit(10).await.unwrap().is_empty());
}

pub(crate) async fn disabling_ends_every_session(store: Shared) {
    let user = made(&store, "alice").await;
    let other = made(&store, "bob").await;
    let sessions = [signed_in(&store, &user, START).await, signed_in(&store, &user, START).await];
    let bystander = signed_in(&store, &other, START).await;
    let changed = store.set_status(user.id, Status::Disabled, &audit("user.disabled", START)).await.unwrap();
    let facts = store.changes_since(Revision(0)).await.unwrap();
    for id in sessions {
        assert!(!is_live(&store, id).await);
        assert!(facts.iter().any(|change| change.fact == Fact::Session(id)), "{facts:?}");
    }
    assert_eq!(facts.last().unwrap().fact, Fact::User(user.id));
    assert_eq!(facts.last().unwrap().revision, revision_of(changed), "acknowledged when all of it is applied");
    assert!(is_live(&store, bystander).await);
}

pub(crate) async fn deleting_ends_every_session_and_keeps_the_audit(store: Shared) {
    let user = made(&store, "alice").await;
    let session = signed_in(&store, &user, START).await;
    store.delete_user(user.id, &audit("user.deleted", START)).await.unwrap();
    assert_eq!(store.user(user.id).await.unwrap(), None);
    assert!(!is_live(&store, session).await);
    let facts: Vec<_> = store.changes_since(Revision(0)).await.unwrap().iter().map(|change| change.fact).collect();
    assert_eq!(facts, [Fact::Session(session), Fact::User(user.id)]);
    let events: Vec<_> = store.audit(10).await.unwrap().into_iter().map(|row| row.event).collect();
    assert_eq!(events, ["user.deleted", "login", "user.created"]);
}

pub(crate) async fn a_password_of_an_administrator_ends_every_session(store: Shared) {
    let user = made(&store, "alice").await;
    let session = signed_in(&store, &user, START).await;
    store.set_password(&password_change(&user), &audit("user.password", START)).await.unwrap();
    assert!(!is_live(&store, session).await);
    match store.reserve_attempt(&attempt("alice", START)).await.unwrap() {
        Reservation::Reserved(Some(account)) => assert!(account.password.expose_phc().ends_with("new")),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn an_own_new_password_keeps_the_session_that_set_it(store: Shared) {
    let user = made(&store, "alice").await;
    let own = signed_in(&store, &user, START).await;
    let other = signed_in(&store, &user, START).await;
    let change = PasswordChange { keep: Some(own), auth_version: Some(user.auth_version), ..password_change(&user) };
    revision_of(store.set_password(&change, &audit("user.password", START)).await.unwrap());
    assert!(is_live(&store, own).await);
    assert!(!is_live(&store, other).await);
}

pub(crate) async fn a_password_judged_on_an_older_version_is_stale(store: Shared) {
    let user = made(&store, "alice").await;
    let by = audit("user.password", START);
    store.set_password(&password_change(&user), &by).await.unwrap();
    let session = signed_in(&store, &current(&store, &user).await, START).await;
    let late = PasswordChange { auth_version: Some(user.auth_version), ..password_change(&user) };
    assert_eq!(store.set_password(&late, &by).await.unwrap(), Changed::Stale);
    assert!(is_live(&store, session).await);
    assert_eq!(current(&store, &user).await.auth_version, user.auth_version + 1);
}

pub(crate) async fn new_roles_leave_sessions_alone(store: Shared) {
    let user = made(&store, "alice").await;
    let session = signed_in(&store, &user, START).await;
    store.set_roles(user.id, &roles(&["editor"]), &audit("user.roles", START)).await.unwrap();
    assert!(is_live(&store, session).await);
}

pub(crate) async fn a_name_made_again_is_another_user(store: Shared) {
    let first = made(&store, "alice").await;
    for _ in 0..10 {
        guess(&store, "alice", START).await;
    }
    store.delete_user(first.id, &audit("user.deleted", START)).await.unwrap();
    let second = made(&store, "alice").await;
    assert_ne!(first.id, second.id);
    assert_eq!(store.user(first.id).await.unwrap(), None);
    signed_in(&store, &second, START).await;
}
