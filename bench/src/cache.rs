//! What a million remembered sessions weigh: each with its token's claims, spread over 100,000 users.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use keyfob::clock;
use keyfob_core::access_token::{Carried, Claims};
use keyfob_core::id::{Incarnation, SessionId, TokenId, UserId};
use keyfob_core::policy::Policy;
use keyfob_core::scope::Scope;
use keyfob_core::session::Session;
use keyfob_core::user::{RoleName, Status, User, Username};
use keyfob_tower::cache::{FactCache, TokenHash};

use crate::Outcome;
use crate::figure::{Figure, Target};
use crate::{house, process};

const SESSIONS: usize = 1_000_000;
const USERS: usize = 100_000;

/// Fill a cache and weigh it.
///
/// # Errors
/// If a fill does not succeed at once.
pub fn run() -> Outcome<Vec<Figure>> {
    let resident = || process::status_mib(std::process::id(), "VmRSS:");
    let before = resident()?;
    let cache = FactCache::new(SESSIONS);
    let empty = resident()?;
    let policy = Policy::parse(house::POLICY, 1)?;
    let scope: Arc<Carried> = Scope::parse("reports:read")?.into();
    let now = clock::now();
    let users = (0..USERS).map(|_| UserId::new(now, &clock::random())).collect::<Vec<_>>();
    let ids = resident()? - empty;
    for index in 0..SESSIONS {
        remember(&cache, users[index % USERS], &scope, index)?;
    }
    let without_users = resident()?;
    for (index, id) in users.iter().enumerate() {
        let user = User {
            id: *id,
            username: Username::parse(&format!("user{index}"))?,
            status: Status::Active,
            roles: vec![RoleName::parse("analyst")?],
            auth_version: 1,
            created_at: now,
        };
        let known = Arc::new(policy.know(user));
        at_once(cache.user(*id, async { Ok::<_, ()>(Some(known)) }))?;
    }
    let full = resident()? - before - ids;
    Ok(vec![Figure::absolute("1,000,000 cached sessions of 100,000 users", full, "MiB", Target::AtMost(200.0)).with(
        &format!("{:.1} of it the users; an empty cache: {:.2}", full + before + ids - without_users, empty - before),
    )])
}

fn remember(cache: &FactCache, user: UserId, scope: &Arc<Carried>, index: usize) -> Outcome {
    let now = clock::now();
    let claims = Claims {
        subject: user,
        session: SessionId::new(now, &clock::random()),
        token_id: TokenId::new(now, &clock::random()),
        client_id: "keyfob".into(),
        scope: Arc::clone(scope),
        issued_at: now,
        expires_at: now + Duration::from_mins(15),
        incarnation: Incarnation([7; 16]),
    };
    let session = Session { id: claims.session, user, created_at: now, expires_at: claims.expires_at, ended_at: None };
    at_once(cache.session(session.id, now, async { Ok::<_, ()>(Some(session)) }))?;
    let ticket = cache.ticket();
    cache.remember_claims(TokenHash::of(&index.to_string()), Arc::new(claims), ticket);
    Ok(())
}

fn at_once<T>(filled: impl Future<Output = Result<T, ()>>) -> Outcome<T> {
    match pin!(filled).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(value)) => Ok(value),
        Poll::Ready(Err(())) | Poll::Pending => Err("a fill that is ready waited".into()),
    }
}
