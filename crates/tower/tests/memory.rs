//! What a remembered session costs, and that a warm decision allocates nothing but what was asked. In a process of its
//! own, one test at a time, so that nothing else allocates meanwhile.

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::alloc::System;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use keyfob_core::access_token::Claims;
use keyfob_core::id::{Incarnation, SessionId, TokenId, UserId};
use keyfob_core::policy::{Ask, Decision, Evidence, Policy, Proof};
use keyfob_core::scope::Scope;
use keyfob_core::session::Session;
use keyfob_core::time::Timestamp;
use keyfob_core::user::{RoleName, Status, User, Username};
use keyfob_tower::cache::{FactCache, TokenHash};
use keyfob_tower::guard::{CannotTell, Verify, judge};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const LIFE: Duration = Duration::from_mins(15);
const INCARNATION: Incarnation = Incarnation([9; 16]);

/// Enough to leave the fixed costs behind, few enough for a debug build.
const SESSIONS: u32 = 65_536;
/// Room for an eighth more than that, since keys do not spread evenly over shards.
const CAPACITY: usize = 73_728;
/// Bytes asked of the allocator for one session and its token, index, marks and spare room included.
const SESSION_BYTES_MAX: usize = 224;

/// The verifier of a node whose every fact is in memory.
struct Warm {
    facts: FactCache,
    policy: Arc<Policy>,
}

impl Verify for Warm {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Evidence, CannotTell> {
        let Some(claims) = self.facts.claims(&TokenHash::of(token), now) else { return Ok(Evidence::Invalid) };
        let missing = async { Err(CannotTell) };
        let Some(session) = self.facts.session(claims.session, now, missing).await? else { return Err(CannotTell) };
        let missing = async { Err(CannotTell) };
        let Some(user) = self.facts.user(claims.subject, missing).await? else { return Err(CannotTell) };
        let leeway = Duration::from_secs(30);
        Ok(Evidence::Token(Proof { claims, session, user, incarnation: INCARNATION, leeway }))
    }

    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy)
    }

    fn now(&self) -> Timestamp {
        NOW
    }
}

impl Warm {
    fn new() -> Self {
        let policy = r#"
            default = "deny"
            [roles]
            analyst = ["reports:read"]
            [[routes]]
            path = "/reports/{id}"
            require = ["reports:read"]
        "#;
        let facts = FactCache::new(CAPACITY);
        Self { facts, policy: Arc::new(Policy::parse(policy, 1).unwrap()) }
    }

    async fn sign_in(&self, number: u32, token: &str) {
        let (session, user) = (session(number), user_id(number));
        let scope: Scope = ["reports:read".to_owned()].into_iter().collect();
        let claims = Arc::new(Claims {
            subject: user,
            session: session.id,
            token_id: TokenId::new(NOW, &random(number)),
            client_id: "keyfob".into(),
            scope: scope.into(),
            issued_at: NOW,
            expires_at: NOW + LIFE,
            incarnation: INCARNATION,
        });
        self.facts.remember_claims(TokenHash::of(token), claims, self.facts.ticket());
        let load = async { Ok::<_, CannotTell>(Some(session)) };
        assert_eq!(self.facts.session(session.id, NOW, load).await, Ok(Some(session)));
    }

    async fn know_user(&self, number: u32) {
        let user = User {
            id: user_id(number),
            username: Username::parse(&format!("user{number}")).unwrap(),
            status: Status::Active,
            roles: vec![RoleName::parse("analyst").unwrap()],
            auth_version: 1,
            created_at: NOW,
        };
        let known = Arc::new(self.policy.know(user));
        let load = async { Ok::<_, CannotTell>(Some(Arc::clone(&known))) };
        assert!(self.facts.user(known.user.id, load).await.is_ok());
    }
}

fn session(number: u32) -> Session {
    let id = SessionId::new(NOW, &random(number));
    Session { id, user: user_id(number), created_at: NOW, expires_at: NOW + LIFE, ended_at: None }
}

/// Ten sessions for each user.
fn user_id(number: u32) -> UserId {
    UserId::new(NOW, &random(number / 10))
}

/// Ten bytes that look random: the start of a hash.
fn random(number: u32) -> [u8; 10] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &number.to_be_bytes());
    std::array::from_fn(|at| digest.as_ref()[at])
}

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_remembered_session_with_its_token_stays_within_its_budget() {
    let _alone = alone();
    let warm = Warm::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let region = Region::new(ALLOCATOR);
    runtime.block_on(async {
        for number in 0..SESSIONS {
            warm.sign_in(number, &number.to_string()).await;
        }
    });
    let change = region.change();
    let count = usize::try_from(SESSIONS).unwrap();
    let each = (change.bytes_allocated - change.bytes_deallocated) / count;
    assert!(each <= SESSION_BYTES_MAX, "{each} bytes for a session");
    let held = (0..SESSIONS).filter(|number| warm.facts.session_hit(session(*number).id, NOW).is_some()).count();
    assert_eq!(held, count, "nothing was evicted below the bound");
}

#[test]
fn a_warm_decision_allocates_nothing() {
    let _alone = alone();
    let warm = Warm::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        warm.sign_in(1, "a.b.c").await;
        warm.know_user(1).await;
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer a.b.c"));
        let ask = || Ask::parse("GET", "api.example", b"/reports/7").unwrap();
        // Twice unmeasured: locks and shared bytes set themselves up at their first use.
        for _ in 0..2 {
            assert!(matches!(judge(&warm, ask(), &headers).await, Ok(Decision::Allow(_))));
        }
        let ask = ask();
        let region = Region::new(ALLOCATOR);
        let decision = black_box(judge(&warm, ask, &headers).await);
        let allocations = region.change().allocations;
        assert!(matches!(decision, Ok(Decision::Allow(_))));
        assert_eq!(allocations, 0);
    });
}
