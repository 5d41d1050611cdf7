//! RFC 9068 and RFC 7515 §7.1: no input is accepted, because none is signed; and what passes every check but the
//! signature says the same to an ordinary JSON reader as to ours.
//!
//! The first byte chooses: `t` and a whole token, `h` and a header, anything else and a payload.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyfob_core::access_token::{Flaw, Profile, SessionTagger};
use keyfob_core::signing_key::{KeySet, VerifyingKey};
use keyfob_core::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const NOW: i64 = 1_700_000_000;

struct Guard {
    profile: Profile,
    keys: KeySet,
    header: String,
}

static GUARD: LazyLock<Guard> = LazyLock::new(|| {
    // RFC 8037 A.2; nothing here knows its private half.
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let key = VerifyingKey::from_jwk(&jwk).expect("the example key is read");
    let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": key.kid() }).to_string();
    let profile = Profile {
        issuer: "i".into(),
        audience: "a".into(),
        leeway: Duration::from_secs(30),
        tagger: SessionTagger::new(&[0; 32]),
    };
    Guard { profile, keys: KeySet::new(vec![key]), header: URL_SAFE_NO_PAD.encode(header) }
});

fuzz_target!(|input: &[u8]| {
    let (kind, rest) = input.split_first().unwrap_or((&0, &[]));
    let token = match kind {
        b't' => String::from_utf8_lossy(rest).into_owned(),
        b'h' => format!("{}.e30.{}", URL_SAFE_NO_PAD.encode(rest), URL_SAFE_NO_PAD.encode([0; 64])),
        _ => format!("{}.{}.{}", GUARD.header, URL_SAFE_NO_PAD.encode(rest), URL_SAFE_NO_PAD.encode([0; 64])),
    };
    match GUARD.profile.screen(&token, &GUARD.keys, Timestamp::from_seconds(NOW)) {
        Err(_) => {}
        Ok(screened) => {
            let session = screened.claimed_session();
            let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
            agrees(&serde_json::from_slice(&payload.expect("a payload was screened")).expect("JSON was screened"));
            assert_eq!(screened.verify(), Err(Flaw::Signature));
            assert_eq!(GUARD.profile.tagger.open(&GUARD.profile.tagger.seal(session)), Some(session));
        }
    }
});

/// What an ordinary reader makes of a screened payload.
fn agrees(payload: &Value) {
    assert_eq!(payload["iss"], "i");
    assert!(payload["aud"] == "a" || payload["aud"].as_array().is_some_and(|list| list.iter().any(|one| one == "a")));
    let seconds = |name: &str| payload[name].as_u64().expect("a whole number of seconds");
    assert!(seconds("exp") > 1_699_999_970 && seconds("iat") <= 1_700_000_030);
    assert!(payload.get("nbf").is_none_or(|nbf| nbf.as_u64().is_some_and(|nbf| nbf <= 1_700_000_030)));
    for name in ["sub", "jti", "sid", "client_id", "scope", "inc"] {
        assert!(payload[name].is_string(), "{name}");
    }
}
