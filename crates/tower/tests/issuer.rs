//! Verifiers against an issuer that answers what a test wants: what they must not believe, and what becomes of requests
//! while there is no answer. The real issuer is in the program's own tests.

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use axum::Router;
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, StatusCode};
use keyfob_core::access_token::{Claims, Profile, SessionTagger};
use keyfob_core::change::Revision;
use keyfob_core::id::{Incarnation, SessionId, TokenId, UserId};
use keyfob_core::policy::{Ask, Decision};
use keyfob_core::refusal::Reason;
use keyfob_core::scope::Scope;
use keyfob_core::signing_key::{Algorithm, KeySet, SigningKey};
use keyfob_core::time::Timestamp;
use keyfob_tower::follow::Follow;
use keyfob_tower::guard::{CannotTell, Verify, judge};
use keyfob_tower::issuer::{Issuer, SetupProblem};
use serde_json::{Value, json};

const LIFE: Incarnation = Incarnation([1; 16]);
const LIFE_TEXT: &str = "AQEBAQEBAQEBAQEBAQEBAQ";
const FOLLOWER: &str = "0193a1f0-0000-7000-8000-000000000001";

/// An issuer: what it answers next, and what it was asked.
#[derive(Clone)]
struct Fake {
    address: SocketAddr,
    says: Arc<Mutex<(u16, Value)>>,
    asked: Arc<Mutex<Vec<String>>>,
    key: Arc<SigningKey>,
}

impl Fake {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let key = SigningKey::generate(Algorithm::Es256, &rng()).unwrap();
        let fake = Self {
            address: listener.local_addr().unwrap(),
            says: Arc::new(Mutex::new((500, Value::Null))),
            asked: Arc::default(),
            key: Arc::new(key),
        };
        let answer = |fake: Fake| {
            async move |body: String| {
                fake.asked.lock().unwrap().push(body);
                // The real one holds what brings nothing new.
                tokio::time::sleep(Duration::from_millis(5)).await;
                let (status, document) = fake.says.lock().unwrap().clone();
                (StatusCode::from_u16(status).unwrap(), document.to_string())
            }
        };
        let app = Router::new()
            .route("/auth/introspect", post(answer(fake.clone())))
            .route("/auth/follow", post(answer(fake.clone())))
            .route("/auth/jwks.json", get(answer(fake.clone())));
        tokio::spawn(async move { axum::serve(listener, app).await });
        fake
    }

    fn issuer(&self) -> Issuer {
        Issuer::at(&format!("http://{}", self.address)).unwrap().patience(Duration::from_millis(300)).client("a", "b")
    }

    fn name(&self) -> String {
        format!("http://{}", self.address)
    }

    fn say(&self, status: u16, document: Value) {
        *self.says.lock().unwrap() = (status, document);
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn jwks(&self) -> Value {
        KeySet::new(vec![self.key.verifying_key().clone()]).to_json()
    }

    fn token(&self, revision: u64) -> String {
        let now = now();
        let issuer: Box<str> = self.name().into();
        let profile = Profile {
            audience: issuer.clone(),
            issuer,
            leeway: Duration::from_secs(30),
            tagger: SessionTagger::new(&[9; 32]),
        };
        let claims = Claims {
            subject: UserId::from_bytes([2; 16]),
            session: SessionId::from_bytes([3; 16]),
            token_id: TokenId::from_bytes([4; 16]),
            client_id: "keyfob".into(),
            scope: Scope::parse("things:read").unwrap().into(),
            issued_at: now,
            expires_at: now + Duration::from_mins(15),
            incarnation: LIFE,
        };
        profile.sign_at(Revision(revision), &claims, &self.key, &rng()).unwrap()
    }

    /// An answer of `/auth/follow` without changes.
    fn told(revision: u64, lease: u64) -> Value {
        json!({
            "follower": FOLLOWER, "snapshot": false, "incarnation": LIFE_TEXT, "revision": revision, "changes": [],
            "lease": lease, "keep": 900, "now": now().micros(),
        })
    }

    fn snapshot(&self, revision: u64, lease: u64) -> Value {
        let mut told = Self::told(revision, lease);
        told["snapshot"] = true.into();
        told["jwks"] = self.jwks();
        told
    }

    /// Wait until it was asked once more after it had answered what it says now.
    async fn heard(&self) {
        let before = self.asked();
        while self.asked() < before + 3 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is its own source of randomness")]
fn rng() -> SystemRandom {
    SystemRandom::new()
}

#[expect(clippy::disallowed_methods, reason = "the verifiers read the same clock")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}

/// 200, 401, or 503.
async fn status<V: Verify>(verifier: &V, token: &str) -> u16 {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    match judge(verifier, Ask::parse("GET", "api", b"/").unwrap(), &headers).await {
        Ok(Decision::Allow(_)) => 200,
        Ok(Decision::Refuse(refusal)) => {
            assert_eq!(refusal.reason, Reason::InvalidToken);
            401
        }
        Err(CannotTell) => 503,
    }
}

#[tokio::test]
async fn introspection_believes_only_an_active_bearer_token_of_this_issuer_for_this_audience() {
    let fake = Fake::start().await;
    let guard = fake.issuer().introspect().unwrap();
    let good = json!({
        "active": true, "token_type": "Bearer", "iss": fake.name(), "aud": fake.name(),
        "sub": UserId::from_bytes([2; 16]).to_string(), "exp": now().seconds() + 60, "scope": "things:read",
    });
    let with = |name: &str, value: Value| {
        let mut document = good.clone();
        document[name] = value;
        document
    };
    for (document, expected) in [
        (good.clone(), 200),
        (with("aud", json!(["http://other.example", fake.name()])), 200),
        (json!({ "active": false }), 401),
        (with("active", json!(false)), 401),
        // What the issuer says of a refresh token: active, and no bearer token.
        (with("token_type", Value::Null), 401),
        (with("token_type", json!("N_A")), 401),
        (with("iss", json!("http://other.example")), 401),
        (with("aud", json!("http://other.example")), 401),
        (with("aud", Value::Null), 401),
        (with("exp", json!(now().seconds() - 3600)), 401),
        (with("exp", Value::Null), 503),
        (with("sub", json!("alice")), 503),
        (with("active", json!("yes")), 503),
        (json!([]), 503),
    ] {
        fake.say(200, document.clone());
        assert_eq!(status(&**guard.verifier(), "whatever").await, expected, "{document}");
    }
    for code in [204, 302, 401, 500] {
        fake.say(code, good.clone());
        assert_eq!(status(&**guard.verifier(), "whatever").await, 503, "{code}");
    }
    let before = fake.asked();
    assert_eq!(status(&**guard.verifier(), "fob_ref_whatever").await, 401);
    assert_eq!(fake.asked(), before, "a refresh token is not even sent");
}

#[tokio::test]
async fn a_key_set_goes_on_without_its_issuer_and_unknown_keys_do_not_make_it_ask_for_ever() {
    let fake = Fake::start().await;
    fake.say(200, json!({ "keys": [] }));
    assert!(matches!(fake.issuer().jwks().await, Err(SetupProblem::Issuer(_))));
    fake.say(200, fake.jwks());
    let guard = fake.issuer().jwks().await.unwrap();
    let token = fake.token(0);
    assert_eq!(status(&**guard.verifier(), &token).await, 200);
    fake.say(500, Value::Null);
    let before = fake.asked();
    let other = Fake { key: Arc::new(SigningKey::generate(Algorithm::Es256, &rng()).unwrap()), ..fake.clone() };
    for _ in 0..3 {
        assert_eq!(status(&**guard.verifier(), &other.token(0)).await, 401);
        assert_eq!(status(&**guard.verifier(), &token).await, 200);
    }
    assert_eq!(fake.asked(), before, "the keys were read a moment ago");
}

#[tokio::test]
async fn a_follower_believes_what_it_knows_for_its_lease_and_no_longer() {
    let fake = Fake::start().await;
    fake.say(200, fake.snapshot(5, 2_000_000));
    let guard = fake.issuer().follow().await.unwrap();
    let follow: &Follow = guard.verifier();
    let (old, token) = (fake.token(4), fake.token(5));
    assert_eq!((status(follow, &old).await, status(follow, &token).await), (200, 200));

    let mut told = Fake::told(6, 300_000);
    told["changes"] = json!([[5, { "user": UserId::from_bytes([2; 16]).to_string() }]]);
    fake.say(200, told);
    fake.heard().await;
    assert_eq!((status(follow, &old).await, status(follow, &token).await), (401, 200), "made before the change");
    assert_eq!(follow.denials(), 1);
    let asked = fake.asked.lock().unwrap().last().cloned().unwrap();
    assert_eq!(asked, format!("follower={FOLLOWER}&applied=6&incarnation={LIFE_TEXT}"), "what it knows is confirmed");

    fake.say(500, Value::Null);
    fake.heard().await;
    tokio::time::sleep(Duration::from_millis(320)).await;
    assert_eq!(status(follow, &token).await, 503, "the lease has run out");
    fake.say(200, Fake::told(6, 2_000_000));
    fake.heard().await;
    assert_eq!(status(follow, &token).await, 200);
    // The node has no lease of its own.
    fake.say(200, Fake::told(6, 0));
    fake.heard().await;
    assert_eq!(status(follow, &token).await, 503);
}

#[tokio::test]
async fn a_follower_does_not_go_back_nor_believe_what_does_not_belong_to_it() {
    let fake = Fake::start().await;
    let mut first = fake.snapshot(9, 300_000);
    first["changes"] = json!([[9, { "session": SessionId::from_bytes([3; 16]).to_string() }]]);
    fake.say(200, first);
    let guard = fake.issuer().follow().await.unwrap();
    let follow: &Follow = guard.verifier();
    let token = fake.token(9);
    assert_eq!(status(follow, &token).await, 401);

    let mut other = Fake::told(9, 2_000_000);
    other["follower"] = "0193a1f0-0000-7000-8000-000000000002".into();
    let mut keyless = Fake::told(10, 2_000_000);
    keyless["changes"] = json!([[10, "signing-keys"]]);
    let mut late = Fake::told(9, 2_000_000);
    late["now"] = (now().micros() - 3_600_000_000).into();
    // Another node that lags behind: what was known here is known to be so.
    for wrong in [fake.snapshot(8, 2_000_000), other, keyless, late, json!({}), json!("x")] {
        fake.say(200, wrong.clone());
        fake.heard().await;
        tokio::time::sleep(Duration::from_millis(320)).await;
        assert_eq!(status(follow, &token).await, 503, "{wrong}");
        fake.say(200, Fake::told(9, 300_000));
        fake.heard().await;
        assert_eq!(status(follow, &token).await, 401, "and what was known is known still, after {wrong}");
    }
}

#[tokio::test]
async fn new_keys_put_an_end_to_what_was_verified_by_the_old_ones() {
    let fake = Fake::start().await;
    fake.say(200, fake.snapshot(5, 2_000_000));
    let guard = fake.issuer().follow().await.unwrap();
    let token = fake.token(5);
    assert_eq!(status(&**guard.verifier(), &token).await, 200);
    let other = Fake { key: Arc::new(SigningKey::generate(Algorithm::Es256, &rng()).unwrap()), ..fake.clone() };
    let mut told = Fake::told(6, 2_000_000);
    told["changes"] = json!([[6, "signing-keys"]]);
    told["jwks"] = other.jwks();
    fake.say(200, told);
    fake.heard().await;
    assert_eq!(status(&**guard.verifier(), &token).await, 401);
    assert_eq!(status(&**guard.verifier(), &other.token(5)).await, 200);
}

#[tokio::test]
async fn a_secret_does_not_cross_a_network_in_the_clear_and_a_setup_that_cannot_work_says_why() {
    let far = || Issuer::at("http://192.0.2.1:8080").unwrap().client("a", "b");
    assert!(matches!(far().introspect(), Err(SetupProblem::Plaintext)));
    assert!(matches!(far().follow().await, Err(SetupProblem::Plaintext)));
    assert!(far().allow_plaintext().introspect().is_ok());
    for wrong in ["", "auth.example", "ftp://auth.example", "https://auth.example/auth", "https://a@b", "https://"] {
        assert!(matches!(Issuer::at(wrong), Err(SetupProblem::Origin(_))), "{wrong}");
    }
    let nobody = Issuer::at("https://auth.example").unwrap();
    assert!(matches!(nobody.introspect(), Err(SetupProblem::NoClient)));
    let fake = Fake::start().await;
    fake.say(403, Value::Null);
    assert!(matches!(fake.issuer().follow().await, Err(SetupProblem::Refused(403))));
    fake.say(503, Value::Null);
    assert!(matches!(fake.issuer().follow().await, Err(SetupProblem::Issuer(_))));
}
