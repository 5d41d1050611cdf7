//! Sessions: how they start, how they end.

use keyfob_core::change::{Fact, Revision};
use keyfob_core::id::{SessionId, UserId};
use keyfob_core::password::PasswordHash;
use keyfob_core::session::SessionListing;
use keyfob_core::time::Timestamp;
use keyfob_core::user::Status;

use super::refresh_tokens::used;
use super::sample::*;
use crate::{Changed, Login, Reservation, Saved};

pub(crate) async fn a_login_starts_a_session(store: Shared) {
    let user = made(&store, "alice").await;
    let attempt = reserved(&store, "alice", START).await;
    let login = login(&attempt, &user);
    assert_eq!(store.record_login(&login).await.unwrap(), Saved::Saved);
    assert_eq!(store.session(login.session.id).await.unwrap(), Some(login.session));
    assert_eq!(store.revision().await.unwrap(), Revision(0), "a new fact raises nothing");
    assert_eq!(store.audit(1).await.unwrap()[0].event, "login");
    assert_eq!(store.session(SessionId::from_bytes(unique())).await.unwrap(), None);
}

pub(crate) async fn a_login_judged_on_an_older_version_is_stale(store: Shared) {
    let user = made(&store, "alice").await;
    let attempt = reserved(&store, "alice", START).await;
    store.set_password(&password_change(&user), &audit("user.password", START)).await.unwrap();
    let login = login(&attempt, &user);
    assert_eq!(store.record_login(&login).await.unwrap(), Saved::Stale);
    assert_eq!(store.session(login.session.id).await.unwrap(), None);
    for _ in 0..9 {
        guess(&store, "alice", START).await;
    }
    let next = store.reserve_attempt(&super::sample::attempt("alice", START)).await.unwrap();
    assert!(matches!(next, Reservation::Refused { .. }), "the stale one counts as a failure: {next:?}");
}

pub(crate) async fn a_login_of_a_disabled_or_deleted_user_is_stale(store: Shared) {
    let user = made(&store, "alice").await;
    let by = audit("user.changed", START);
    store.set_status(user.id, Status::Disabled, &by).await.unwrap();
    let disabled = current(&store, &user).await;
    let attempt = reserved(&store, "alice", START).await;
    assert_eq!(store.record_login(&login(&attempt, &disabled)).await.unwrap(), Saved::Stale);
    store.delete_user(user.id, &by).await.unwrap();
    let attempt = reserved(&store, "alice", START).await;
    assert_eq!(store.record_login(&login(&attempt, &disabled)).await.unwrap(), Saved::Stale);
    assert_eq!(store.counts().await.unwrap().sessions, 0);
}

pub(crate) async fn a_rehash_leaves_the_version_alone(store: Shared) {
    let user = made(&store, "alice").await;
    let first = signed_in(&store, &user, START).await;
    let attempt = reserved(&store, "alice", START).await;
    let dearer = PasswordHash::from_phc(format!("{PHC}dearer"));
    let login = Login { rehash: Some(dearer), ..login(&attempt, &user) };
    assert_eq!(store.record_login(&login).await.unwrap(), Saved::Saved);
    assert_eq!(current(&store, &user).await, user);
    assert!(is_live(&store, first).await);
    match store.reserve_attempt(&super::sample::attempt("alice", START)).await.unwrap() {
        Reservation::Reserved(Some(account)) => assert!(account.password.expose_phc().ends_with("dearer")),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_session_and_a_user_come_in_one_read(store: Shared) {
    let (alice, bob) = (made(&store, "alice").await, made(&store, "bob").await);
    let id = signed_in(&store, &alice, START).await;
    let before = store.operations();
    let (session, user) = store.session_and_user(id, alice.id).await.unwrap();
    assert_eq!(store.operations(), before + 1);
    assert_eq!((session, user), (store.session(id).await.unwrap(), Some(alice)));
    let nobody = (SessionId::from_bytes(unique()), UserId::from_bytes(unique()));
    let ended = audit("session.ended", START);
    store.end_session(id, None, &ended).await.unwrap();
    let (session, user) = store.session_and_user(id, bob.id).await.unwrap();
    assert_eq!((session.unwrap().ended_at, user), (Some(START), Some(bob.clone())), "each by its own id");
    assert_eq!(store.session_and_user(nobody.0, bob.id).await.unwrap(), (None, Some(bob)));
    assert!(matches!(store.session_and_user(id, nobody.1).await.unwrap(), (Some(_), None)));
    assert_eq!(store.session_and_user(nobody.0, nobody.1).await.unwrap(), (None, None));
}

pub(crate) async fn ending_a_session_twice_changes_it_once(store: Shared) {
    let user = made(&store, "alice").await;
    let id = signed_in(&store, &user, START).await;
    let by = audit("session.ended", START + seconds(5));
    assert_eq!(store.end_session(id, None, &by).await.unwrap(), Changed::At(Revision(1)));
    assert_eq!(store.session(id).await.unwrap().unwrap().ended_at, Some(by.at));
    let later = audit("session.ended", START + seconds(9));
    assert_eq!(store.end_session(id, None, &later).await.unwrap(), Changed::Already(Revision(1)));
    assert_eq!(store.session(id).await.unwrap().unwrap().ended_at, Some(by.at), "it ended when it first ended");
    let facts = store.changes_since(Revision(0)).await.unwrap();
    assert_eq!(facts.iter().map(|change| change.fact).collect::<Vec<_>>(), [Fact::Session(id)]);
    let unknown = SessionId::from_bytes(unique());
    assert_eq!(store.end_session(unknown, None, &by).await.unwrap(), Changed::NotFound);
}

pub(crate) async fn a_session_of_somebody_else_is_not_found(store: Shared) {
    let alice = made(&store, "alice").await;
    let mallory = made(&store, "mallory").await;
    let id = signed_in(&store, &alice, START).await;
    let by = audit("session.ended", START);
    assert_eq!(store.end_session(id, Some(mallory.id), &by).await.unwrap(), Changed::NotFound);
    assert!(is_live(&store, id).await);
    revision_of(store.end_session(id, Some(alice.id), &by).await.unwrap());
    assert!(!is_live(&store, id).await);
}

pub(crate) async fn ending_all_sessions_spares_the_one_excepted(store: Shared) {
    let alice = made(&store, "alice").await;
    let bob = made(&store, "bob").await;
    let kept = signed_in(&store, &alice, START).await;
    let ended = [signed_in(&store, &alice, START).await, signed_in(&store, &alice, START).await];
    let bystander = signed_in(&store, &bob, START).await;
    let by = audit("sessions.ended", START);
    assert_eq!(store.end_sessions(alice.id, Some(kept), &by).await.unwrap(), Changed::At(Revision(2)));
    for id in ended {
        assert!(!is_live(&store, id).await);
    }
    assert!(is_live(&store, kept).await);
    assert!(is_live(&store, bystander).await);
    assert_eq!(store.end_sessions(alice.id, None, &by).await.unwrap(), Changed::At(Revision(3)));
    assert!(!is_live(&store, kept).await);
}

pub(crate) async fn live_sessions_are_listed_newest_first_until_the_instant_they_expire(store: Shared) {
    let user = made(&store, "alice").await;
    let first = signed_in(&store, &user, START).await;
    let second = signed_in(&store, &user, START + seconds(10)).await;
    let ended = signed_in(&store, &user, START + seconds(20)).await;
    store.end_session(ended, None, &audit("session.ended", START + seconds(30))).await.unwrap();
    let ids = |listings: Vec<SessionListing>| listings.iter().map(|listing| listing.session.id).collect::<Vec<_>>();
    let listed = store.sessions_of(user.id, START + seconds(40)).await.unwrap();
    assert_eq!((listed[0].client_name.as_str(), listed[0].address.as_str()), ("curl", "192.0.2.0/24"));
    assert_eq!(ids(listed), [second, first]);
    let expiry = START + seconds(3600);
    assert_eq!(
        ids(store.sessions_of(user.id, expiry - std::time::Duration::from_micros(1)).await.unwrap()),
        [second, first]
    );
    assert_eq!(ids(store.sessions_of(user.id, expiry).await.unwrap()), [second]);
}

pub(crate) async fn the_session_that_is_one_too_many_ends_the_least_recently_used(store: Shared) {
    let (alice, bob) = (made(&store, "alice").await, made(&store, "bob").await);
    let bystander = signed_in(&store, &bob, START).await;
    let limited = async |at: Timestamp| {
        let attempt = reserved(&store, "alice", at).await;
        let mut login = Login { sessions_max: 3, ..login(&attempt, &alice) };
        if at == START + seconds(1) {
            login.session.expires_at = START + seconds(100_000);
        }
        (store.record_login(&login).await.unwrap(), login)
    };
    let mut logins = Vec::new();
    for second in 0..3 {
        let (saved, login) = limited(START + seconds(second)).await;
        assert_eq!(saved, Saved::Saved, "there is room, and nothing to acknowledge");
        logins.push(login);
    }
    // The oldest is refreshed, so that the second is the least recently used, although it would live the longest.
    let renewed = used(logins[0].refresh, START + seconds(10), &alice);
    assert!(matches!(store.refresh(&renewed).await.unwrap(), crate::Refreshed::Rotated(_)));
    let (saved, fourth) = limited(START + seconds(20)).await;
    assert_eq!(saved, Saved::At(Revision(1)), "it ended another, and that is acknowledged");
    let live = |login: &Login| is_live(&store, login.session.id);
    assert!(live(&logins[0]).await && !live(&logins[1]).await && live(&logins[2]).await && live(&fourth).await);
    assert!(is_live(&store, bystander).await, "of another user");
    let row = store.audit(1).await.unwrap().remove(0);
    let ended = logins[1].session.id.to_string();
    assert_eq!((row.event.as_str(), row.actor, row.subject), ("session.displaced", alice.id.to_string(), ended));
    let change = store.changes_since(Revision(0)).await.unwrap();
    assert_eq!(change[0].fact, Fact::Session(logins[1].session.id));
    // What has expired takes no room.
    let (saved, _) = limited(START + seconds(5000)).await;
    assert_eq!(saved, Saved::Saved);
}

pub(crate) async fn a_lowered_limit_of_sessions_holds_from_the_next_sign_in_on(store: Shared) {
    let user = made(&store, "alice").await;
    for second in 0..20 {
        signed_in(&store, &user, START + seconds(second)).await;
    }
    let attempt = reserved(&store, "alice", START + seconds(60)).await;
    let one = Login { sessions_max: 1, ..login(&attempt, &user) };
    assert_eq!(store.record_login(&one).await.unwrap(), Saved::At(Revision(20)));
    let left = store.sessions_of(user.id, START + seconds(60)).await.unwrap();
    assert_eq!(left.iter().map(|listing| listing.session.id).collect::<Vec<_>>(), [one.session.id]);
}
