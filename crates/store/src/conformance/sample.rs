//! Sample values of the suite: a small world that begins at [`START`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyfob_core::change::Revision;
use keyfob_core::id::{SessionId, UserId};
use keyfob_core::opaque::Digest;
use keyfob_core::password::PasswordHash;
use keyfob_core::session::Session;
use keyfob_core::throttle::Limits;
use keyfob_core::time::Timestamp;
use keyfob_core::user::{RoleName, Status, User, Username};

use crate::{Attempt, Audit, Changed, FailedAttempt, Login, Made, NewUser, PasswordChange, Reservation, Saved, Store};

/// When the tests begin.
pub(crate) const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// The hash every sample user starts with. No store looks inside.
pub(crate) const PHC: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";

/// A store, shared by the tasks of a race.
pub(crate) type Shared = Arc<dyn Store>;

/// Sixteen bytes that no other call gives.
pub(crate) fn unique() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

pub(crate) fn roles(names: &[&str]) -> Vec<RoleName> {
    names.iter().map(|name| RoleName::parse(name).unwrap()).collect()
}

pub(crate) fn audit(event: &'static str, at: Timestamp) -> Audit {
    Audit { at, event, actor: "cli".to_owned(), subject: "subject".to_owned(), detail: "detail".to_owned() }
}

pub(crate) fn new_user(text: &str) -> NewUser {
    let user = User {
        id: UserId::from_bytes(unique()),
        username: name(text),
        status: Status::Active,
        roles: Vec::new(),
        auth_version: 1,
        created_at: START,
    };
    NewUser { user, password: PasswordHash::from_phc(PHC.to_owned()) }
}

/// Make a user and return it as stored.
pub(crate) async fn made(store: &Shared, text: &str) -> User {
    let new = new_user(text);
    assert_eq!(store.create_user(&new, &audit("user.created", START)).await.unwrap(), Made::Made);
    new.user
}

/// The account digest of a name, as the program makes it.
pub(crate) fn account(text: &str) -> [u8; 32] {
    digest(text)
}

/// The address digest of a text.
pub(crate) fn digest(text: &str) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().try_into().unwrap()
}

/// An attempt at an account from an address of its own.
pub(crate) fn attempt(text: &str, at: Timestamp) -> Attempt {
    let id = unique();
    Attempt {
        id,
        account: account(text),
        address: digest(&format!("{id:?}")),
        username: Username::parse(text).ok(),
        at,
        limits: Limits::default(),
    }
}

/// Reserve an attempt that must be admitted.
pub(crate) async fn reserved(store: &Shared, text: &str, at: Timestamp) -> Attempt {
    let attempt = attempt(text, at);
    let reservation = store.reserve_attempt(&attempt).await.unwrap();
    assert!(matches!(reservation, Reservation::Reserved(_)), "{reservation:?}");
    attempt
}

pub(crate) fn failure(attempt: &Attempt, at: Timestamp) -> FailedAttempt {
    let Attempt { id, account, limits, .. } = *attempt;
    FailedAttempt { attempt: id, account, network: "192.0.2.0/24".to_owned(), at, limits }
}

/// One wrong guess, admitted and settled at once.
pub(crate) async fn guess(store: &Shared, text: &str, at: Timestamp) {
    let attempt = reserved(store, text, at).await;
    store.record_failed_attempt(&failure(&attempt, at)).await.unwrap();
}

/// Thirty-two bytes that no other call returns.
pub(crate) fn wide() -> [u8; 32] {
    let mut wide = [0; 32];
    wide[..16].copy_from_slice(&unique());
    wide
}

pub(crate) fn login(attempt: &Attempt, user: &User) -> Login {
    let session = Session {
        id: SessionId::from_bytes(unique()),
        user: user.id,
        created_at: attempt.at,
        expires_at: attempt.at + seconds(3600),
        ended_at: None,
    };
    Login {
        attempt: attempt.id,
        account: attempt.account,
        address: attempt.address,
        session,
        client_name: "curl".to_owned(),
        coarse_address: "192.0.2.0/24".to_owned(),
        refresh: Digest(wide()),
        scope: None,
        sessions_max: 1000,
        auth_version: user.auth_version,
        rehash: None,
        audit: audit("login", attempt.at),
    }
}

/// Sign in and return the session's id.
pub(crate) async fn signed_in(store: &Shared, user: &User, at: Timestamp) -> SessionId {
    let attempt = reserved(store, user.username.as_str(), at).await;
    let login = login(&attempt, user);
    assert_eq!(store.record_login(&login).await.unwrap(), Saved::Saved);
    login.session.id
}

pub(crate) async fn is_live(store: &Shared, id: SessionId) -> bool {
    store.session(id).await.unwrap().is_some_and(|session| session.ended_at.is_none())
}

/// The user as it is now.
pub(crate) async fn current(store: &Shared, user: &User) -> User {
    store.user(user.id).await.unwrap().unwrap()
}

pub(crate) fn password_change(user: &User) -> PasswordChange {
    let password = PasswordHash::from_phc(format!("{PHC}new"));
    PasswordChange { user: user.id, password, auth_version: None, keep: None, proof: None }
}

/// The revision of a change that must have taken place.
pub(crate) fn revision_of(changed: Changed) -> Revision {
    match changed {
        Changed::At(revision) => revision,
        other => panic!("{other:?}"),
    }
}
