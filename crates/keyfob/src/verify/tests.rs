//! What the first sight of a token costs the store: one read, and nothing after that.

use std::time::Duration;

use keyfob_core::access_token::SessionTagger;
use keyfob_core::id::TokenId;
use keyfob_core::opaque::Digest;
use keyfob_core::password::PasswordHash;
use keyfob_core::scope::Scope;
use keyfob_core::signing_key::{Algorithm, SigningKey};
use keyfob_core::throttle::Limits;
use keyfob_core::user::{User, Username};
use keyfob_store::root_key::RootKey;
use keyfob_store::{Attempt, Audit, Login, NewUser, Reservation, Saved, sqlite};
use tempfile::TempDir;

use super::*;

const LIFE: Duration = Duration::from_mins(15);

/// A verifier over a store with one user.
struct Place {
    verifier: StoreVerifier,
    key: SigningKey,
    user: User,
    _folder: TempDir,
}

fn by(event: &'static str) -> Audit {
    Audit { at: clock::now(), event, actor: String::new(), subject: String::new(), detail: String::new() }
}

async fn place() -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    let root_key = RootKey::from_bytes([1; 32]);
    let options = sqlite::Options { root_key, fresh_incarnation: [2; 16], mark: None, rng: clock::rng() };
    let store = sqlite::open(&folder.path().join("keyfob.db"), options).expect("opened");
    let key = SigningKey::generate(Algorithm::Es256, clock::rng()).expect("a key");
    let origin = "https://api.example.org";
    let tagger = SessionTagger::new(&[3; 32]);
    let verifier = StoreVerifier {
        store: Arc::from(store),
        facts: FactCache::new(100),
        profile: Profile { issuer: origin.into(), audience: origin.into(), leeway: Duration::ZERO, tagger },
        keys: ArcSwap::from_pointee(KeySet::new(vec![key.verifying_key().clone()])),
        policy: ArcSwap::from_pointee(Policy::signed_in(0)),
        failed_signatures: FailedSignatures::default(),
        mint: Mint::new(&[4; 32]),
        key_uses: Arc::default(),
        dead_keys: FailedSignatures::default(),
        retirements: Retirements::seen_at_start(None),
    };
    let user = User {
        id: UserId::new(clock::now(), &clock::random()),
        username: Username::parse("ada").expect("a name"),
        status: Status::Active,
        roles: Vec::new(),
        auth_version: 1,
        created_at: clock::now(),
    };
    let new = NewUser { user: user.clone(), password: PasswordHash::from_phc("none".to_owned()) };
    verifier.store.create_user(&new, &by("user.created")).await.expect("made");
    Place { verifier, key, user, _folder: folder }
}

impl Place {
    /// A token of a new session.
    async fn token(&self) -> String {
        let (now, store) = (clock::now(), &self.verifier.store);
        let attempt = Attempt {
            id: clock::random(),
            account: clock::random(),
            address: [1; 32],
            username: Some(self.user.username.clone()),
            at: now,
            limits: Limits::default(),
        };
        assert!(matches!(store.reserve_attempt(&attempt).await.expect("told"), Reservation::Reserved(_)));
        let id = SessionId::new(now, &clock::random());
        let login = Login {
            attempt: attempt.id,
            account: attempt.account,
            address: attempt.address,
            session: Session { id, user: self.user.id, created_at: now, expires_at: now + LIFE, ended_at: None },
            client_name: String::new(),
            coarse_address: String::new(),
            refresh: Digest(clock::random()),
            scope: None,
            sessions_max: 10,
            auth_version: 1,
            rehash: None,
            audit: by("session.started"),
        };
        assert_eq!(store.record_login(&login).await.expect("told"), Saved::Saved);
        let claims = Claims {
            subject: self.user.id,
            session: id,
            token_id: TokenId::new(now, &clock::random()),
            client_id: "keyfob".into(),
            scope: Scope::default().into(),
            issued_at: now,
            expires_at: now + LIFE,
            incarnation: store.incarnation(),
        };
        self.verifier.profile.sign(&claims, &self.key, clock::rng()).expect("signed")
    }

    /// How many operations of the store it takes to verify it.
    async fn cost(&self, token: &str) -> u64 {
        let before = self.verifier.store.operations();
        let evidence = self.verifier.verify(token, clock::now()).await.expect("told");
        assert!(matches!(evidence, Evidence::Token(_)), "{evidence:?}");
        self.verifier.store.operations() - before
    }
}

#[tokio::test]
async fn a_token_that_was_never_seen_takes_one_read_of_the_store_and_none_after_that() {
    let place = place().await;
    let (first, second) = (place.token().await, place.token().await);
    assert_eq!(place.cost(&first).await, 1, "its session and its user, in one");
    assert_eq!(place.cost(&first).await, 0);
    assert_eq!(place.cost(&second).await, 1, "another session of a user who is known");
    place.verifier.facts.forget(keyfob_core::change::Fact::User(place.user.id));
    assert_eq!(place.cost(&second).await, 1, "the user alone");
    place.verifier.facts.forget_all();
    assert_eq!((place.cost(&second).await, place.cost(&first).await), (1, 1));
    assert_eq!(place.cost(&first).await + place.cost(&second).await, 0);
}
