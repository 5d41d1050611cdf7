//! What an access token verifier must refuse, tried from outside the crate as an attacker would: tokens are put
//! together from text, and signed by the right key wherever the signature is not the point.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod claims;
mod forged;
mod shape;
mod times;
mod vectors;

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyfob_core::access_token::{Claims, Flaw, Profile, SessionTagger};
use keyfob_core::id::{Incarnation, SessionId, TokenId, UserId};
use keyfob_core::scope::Scope;
use keyfob_core::signing_key::{Algorithm, KeySet, SigningKey};
use keyfob_core::time::Timestamp;
use serde_json::{Value, json};

const ALL: [Algorithm; 3] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];
const NOW: i64 = 1_700_000_000;
const LIFE: i64 = 900;

#[expect(clippy::disallowed_methods, reason = "a test is its own source of randomness")]
fn rng() -> SystemRandom {
    SystemRandom::new()
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An issuer, a guard that trusts it, and the token they agree on.
struct Bench {
    key: SigningKey,
    keys: KeySet,
    profile: Profile,
}

impl Bench {
    fn new(algorithm: Algorithm) -> Self {
        let key = SigningKey::generate(algorithm, &rng()).unwrap();
        let keys = KeySet::new(vec![key.verifying_key().clone()]);
        let profile = Profile {
            issuer: "https://api.example".into(),
            audience: "https://api.example/reports".into(),
            leeway: Duration::from_secs(30),
            tagger: SessionTagger::new(&[9; 32]),
        };
        Self { key, keys, profile }
    }

    fn kid(&self) -> &str {
        self.key.verifying_key().kid()
    }

    fn claims() -> Claims {
        let issued_at = Timestamp::from_seconds(NOW);
        Claims {
            subject: UserId::new(issued_at, &[1; 10]),
            session: SessionId::new(issued_at, &[2; 10]),
            token_id: TokenId::new(issued_at, &[3; 10]),
            client_id: "keyfob".into(),
            scope: Scope::parse("reports:read reports:write").unwrap().into(),
            issued_at,
            expires_at: Timestamp::from_seconds(NOW + LIFE),
            incarnation: Incarnation([4; 16]),
        }
    }

    fn token(&self) -> String {
        self.profile.sign(&Self::claims(), &self.key, &rng()).unwrap()
    }

    fn header(&self) -> Value {
        json!({ "alg": self.key.verifying_key().algorithm().name(), "typ": "at+jwt", "kid": self.kid() })
    }

    /// The claims of [`Bench::token`] as JSON.
    fn payload(&self) -> Value {
        let token = self.token();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
    }

    /// A token of these very texts, signed by the right key.
    fn seal(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", base64url(header), base64url(payload));
        let signature = self.key.sign(input.as_bytes(), &rng()).unwrap();
        format!("{input}.{}", base64url(signature))
    }

    fn with_header(&self, header: &str) -> String {
        self.seal(header, &self.payload().to_string())
    }

    fn with_payload(&self, payload: &str) -> String {
        self.seal(&self.header().to_string(), payload)
    }

    fn verify(&self, token: &str) -> Result<Claims, Flaw> {
        self.profile.verify(token, &self.keys, Timestamp::from_seconds(NOW))
    }

    #[track_caller]
    fn refused(&self, token: &str, flaw: Flaw) {
        assert_eq!(self.verify(token), Err(flaw), "{}", &token[..token.len().min(2000)]);
    }
}

#[test]
fn a_token_says_what_was_signed_under_every_algorithm() {
    for algorithm in ALL {
        let bench = Bench::new(algorithm);
        assert_eq!(bench.verify(&bench.token()), Ok(Bench::claims()), "{algorithm:?}");
        // The same by hand: so every refusal in the other files is for the reason its test names.
        let by_hand = bench.seal(&bench.header().to_string(), &bench.payload().to_string());
        assert_eq!(bench.verify(&by_hand), Ok(Bench::claims()), "{algorithm:?}");
    }
}

#[test]
fn a_token_carries_the_claims_of_rfc_9068_and_no_other() {
    let bench = Bench::new(Algorithm::Es256);
    let payload = bench.payload();
    let token = bench.token();
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&header).unwrap(), bench.header(), "typ is at+jwt, without its prefix");
    let names: Vec<&str> = payload.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names.len(), 10, "{names:?}");
    assert_eq!(payload["iss"], "https://api.example");
    assert_eq!(payload["aud"], "https://api.example/reports");
    assert_eq!(payload["sub"], Bench::claims().subject.to_string());
    assert_eq!(payload["jti"], Bench::claims().token_id.to_string());
    assert_eq!(payload["client_id"], "keyfob");
    assert_eq!(payload["scope"], "reports:read reports:write");
    assert_eq!(payload["iat"], NOW);
    assert_eq!(payload["exp"], NOW + LIFE);
    assert_eq!(payload["sid"].as_str().unwrap().len(), 32);
    assert_eq!(payload["inc"].as_str().unwrap().len(), 22);
}

#[test]
fn a_screened_token_names_its_session_before_its_signature_is_checked() {
    let bench = Bench::new(Algorithm::Es256);
    let (input, _) = bench.token().rsplit_once('.').map(|(input, s)| (input.to_owned(), s.to_owned())).unwrap();
    let forged = format!("{input}.{}", base64url([1; 64]));
    let screened = bench.profile.screen(&forged, &bench.keys, Timestamp::from_seconds(NOW)).unwrap();
    assert_eq!(screened.claimed_session(), Bench::claims().session);
    assert_eq!(screened.verify(), Err(Flaw::Signature));
}

#[test]
fn debug_output_never_holds_the_token() {
    let bench = Bench::new(Algorithm::Es256);
    let token = bench.token();
    let shown = format!("{:?}", bench.profile.screen(&token, &bench.keys, Timestamp::from_seconds(NOW)).unwrap());
    assert_eq!(shown, format!("Screened({})", Bench::claims().token_id));
    assert!(!format!("{:?}", bench.profile).contains('9'));
}
