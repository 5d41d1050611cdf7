//! What an API key costs the store, and when one is believed.

use std::time::Duration;

use arc_swap::ArcSwap;
use keyfob_core::access_token::{Profile, SessionTagger};
use keyfob_core::api_key::Mint;
use keyfob_core::change::Fact;
use keyfob_core::opaque::Kind;
use keyfob_core::password::PasswordHash;
use keyfob_core::policy::Policy;
use keyfob_core::signing_key::KeySet;
use keyfob_core::user::{Status, User, Username};
use keyfob_store::root_key::RootKey;
use keyfob_store::{Audit, Changed, KeyMade, Made, NewUser, sqlite};
use keyfob_tower::cache::FactCache;
use keyfob_tower::guard::Verify as _;
use tempfile::TempDir;

use super::*;
use crate::failed_signatures::FailedSignatures;
use crate::new_key::{Wanted, new_key};

/// A verifier over a store with one user, `ada`, and one key of hers.
struct Place {
    verifier: StoreVerifier,
    secret: Opaque,
    key: ApiKey,
    _folder: TempDir,
}

const DAY: Duration = Duration::from_hours(24);

fn by(event: &'static str) -> Audit {
    Audit { at: clock::now(), event, actor: String::new(), subject: String::new(), detail: String::new() }
}

async fn place() -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    let root_key = RootKey::from_bytes([1; 32]);
    let options = sqlite::Options { root_key, fresh_incarnation: [2; 16], mark: None, rng: clock::rng() };
    let store = sqlite::open(&folder.path().join("keyfob.db"), options).expect("opened");
    let issuer = "https://api.example.org";
    let verifier = StoreVerifier {
        store: Arc::from(store),
        facts: FactCache::new(100),
        profile: Profile {
            issuer: issuer.into(),
            audience: issuer.into(),
            leeway: Duration::ZERO,
            tagger: SessionTagger::new(&[3; 32]),
        },
        keys: ArcSwap::from_pointee(KeySet::new(Vec::new())),
        policy: ArcSwap::from_pointee(Policy::signed_in(0)),
        failed_signatures: FailedSignatures::default(),
        mint: Mint::new(&[4; 32]),
        key_uses: Arc::default(),
        dead_keys: FailedSignatures::default(),
        retirements: crate::verify::Retirements::seen_at_start(None),
    };
    let user = User {
        id: UserId::new(clock::now(), &clock::random()),
        username: Username::parse("ada").expect("a name"),
        status: Status::Active,
        roles: Vec::new(),
        auth_version: 1,
        created_at: clock::now(),
    };
    let password = PasswordHash::from_phc("none".to_owned());
    let new = NewUser { user: user.clone(), password };
    assert_eq!(verifier.store.create_user(&new, &by("user.created")).await.expect("made"), Made::Made);
    let wanted = Wanted { name: "script", scope: None, life: None, session: None };
    let known = verifier.policy.load().know(user);
    let (new, secret) =
        new_key(&verifier.mint, verifier.store.incarnation(), &known, DAY, &wanted).expect("a key may be made");
    assert_eq!(verifier.store.create_key(&new, &by("api-key.created")).await.expect("made"), KeyMade::Made);
    Place { verifier, secret, key: new.key, _folder: folder }
}

impl Place {
    /// How many operations of the store it takes to verify `text`, and whether it was believed; `None`: 503.
    async fn cost(&self, text: &str, now: Timestamp) -> (u64, Option<bool>) {
        let before = self.verifier.store.operations();
        let believed = match self.verifier.verify(text, now).await {
            Ok(Evidence::Key(proof)) => Some(proof.holds(now)),
            Ok(Evidence::Invalid) => Some(false),
            Ok(other) => panic!("{other:?}"),
            Err(CannotTell) => None,
        };
        (self.verifier.store.operations() - before, believed)
    }
}

#[tokio::test]
async fn a_key_in_use_reads_the_store_at_first_sight_and_never_writes() {
    let place = place().await;
    let now = clock::now();
    assert_eq!(place.cost(place.secret.expose(), now).await, (3, Some(true)), "by digest, by id, and its user");
    for second in 0..1000 {
        let later = now + Duration::from_secs(second);
        assert_eq!(place.cost(place.secret.expose(), later).await, (0, Some(true)));
    }
    assert_eq!(place.verifier.key_uses.last(place.key.id), Some(now + Duration::from_secs(999)));
}

#[tokio::test]
async fn a_mistyped_or_invented_key_touches_no_store() {
    let place = place().await;
    let good = place.secret.expose().to_owned();
    let mut mistyped = good.clone();
    mistyped.replace_range(20..21, if &good[20..21] == "A" { "B" } else { "A" });
    let invented = (0..100).map(|byte| Opaque::new(Kind::ApiKey, &[byte; 24]).expose().to_owned());
    let wrong = ["fob_key_", "fob_key_AAAA", &mistyped, &good[..40], &format!("{good}A")].map(str::to_owned);
    for text in invented.chain(wrong) {
        assert_eq!(place.cost(&text, clock::now()).await, (0, Some(false)), "{text}");
    }
}

#[tokio::test]
async fn a_revoked_key_dies_when_that_is_applied_and_costs_one_read() {
    let place = place().await;
    let now = clock::now();
    assert_eq!(place.cost(place.secret.expose(), now).await.1, Some(true));
    let changed = place.verifier.store.revoke_key(place.key.id, None, &by("api-key.revoked")).await;
    assert!(matches!(changed, Ok(Changed::At(_))));
    place.verifier.facts.forget(Fact::Key(place.key.id));
    assert_eq!(place.cost(place.secret.expose(), now).await, (1, Some(false)));
    for _ in 0..100 {
        assert_eq!(place.cost(place.secret.expose(), now).await, (0, Some(false)), "that it ended is remembered");
    }
}

#[tokio::test]
async fn a_key_that_was_deleted_with_its_user_costs_one_read() {
    let place = place().await;
    let now = clock::now();
    assert_eq!(place.cost(place.secret.expose(), now).await.1, Some(true));
    place.verifier.store.delete_user(place.key.user, &by("user.deleted")).await.expect("deleted");
    place.verifier.facts.forget(Fact::Key(place.key.id));
    place.verifier.facts.forget(Fact::User(place.key.user));
    assert_eq!(place.cost(place.secret.expose(), now).await, (1, Some(false)));
    for _ in 0..100 {
        assert_eq!(place.cost(place.secret.expose(), now).await, (0, Some(false)));
    }
}

#[tokio::test]
async fn a_key_that_is_gone_buys_a_few_reads_a_minute_and_no_more() {
    let place = place().await;
    // Genuine, and of no row: as after a deletion.
    let gone = place.verifier.mint.make(&[9; 20]);
    let now = clock::now();
    let mut reads = 0;
    for _ in 0..100 {
        reads += place.cost(gone.expose(), now).await.0;
    }
    assert_eq!(reads, 20);
    assert_eq!(place.cost(gone.expose(), now).await, (0, None), "not told apart from the good any more");
    assert_eq!(place.cost(gone.expose(), now + Duration::from_mins(1)).await, (1, Some(false)));
    assert_eq!(place.cost(place.secret.expose(), now).await.1, Some(true), "another key is not held back");
}

#[tokio::test]
async fn an_expired_key_is_refused_at_that_instant_and_buys_a_few_reads_a_minute() {
    let place = place().await;
    let expiry = place.key.expires_at;
    assert_eq!(place.cost(place.secret.expose(), expiry - Duration::from_micros(1)).await.1, Some(true));
    let mut reads = 0;
    for number in 0..100 {
        let (cost, believed) = place.cost(place.secret.expose(), expiry).await;
        reads += cost;
        assert_eq!(believed, (number < 20).then_some(false), "the {number}th");
    }
    assert_eq!(reads, 20);
}

#[tokio::test]
async fn a_tunnel_of_a_key_lives_as_long_as_the_key() {
    let place = place().await;
    let Place { verifier, key, .. } = &place;
    assert_eq!(verifier.key_is_live_in_memory(key.id, clock::now()), None);
    assert_eq!(verifier.key_is_live(key.id).await, Ok(true));
    assert_eq!(verifier.key_is_live_in_memory(key.id, clock::now()), Some(true));
    assert_eq!(verifier.key_is_live_in_memory(key.id, key.expires_at), None, "to be asked again");
    assert_eq!(verifier.key_is_live(key.id).await, Ok(true));
    verifier.store.revoke_key(key.id, None, &by("api-key.revoked")).await.expect("revoked");
    verifier.facts.forget(Fact::Key(key.id));
    assert_eq!(verifier.key_is_live(key.id).await, Ok(false));
    assert_eq!(verifier.key_is_live_in_memory(key.id, clock::now()), Some(false));
}
