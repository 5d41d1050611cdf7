//! What hostile input may cost in memory before its signature is checked (CVE-2025-30204 was a megabyte of dots that
//! became sixteen). One test in a process of its own, so that nothing else allocates meanwhile.

use std::alloc::System;
use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyfob_core::access_token::{Profile, SessionTagger};
use keyfob_core::bearer;
use keyfob_core::id::SessionId;
use keyfob_core::signing_key::{Algorithm, KeySet, SigningKey};
use keyfob_core::time::Timestamp;
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// All that is allocated while one token is judged, freed or not, in bytes.
const ALLOCATED_MAX: usize = 64 * 1024;
/// The scope of a token at the cap is thousands of one-letter names, each a small text of its own: what it may take
/// on top. It is read only once the session tag was right.
const SCOPE_ALLOCATED_MAX: usize = 64 * 1024;

const NOW: i64 = 1_700_000_000;

fn allocated(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    change.bytes_allocated
}

/// The largest payload that still fits into a token.
fn fill(head: &str, unit: &str, tail: &str) -> String {
    let room = 5_800 - head.len() - tail.len();
    format!("{head}{}{tail}", unit.repeat(room / unit.len()))
}

#[test]
fn no_token_costs_more_than_64_kib_of_memory() {
    #[expect(clippy::disallowed_methods, reason = "a test is its own source of randomness")]
    let key = SigningKey::generate(Algorithm::Es256, &SystemRandom::new()).unwrap();
    let keys = KeySet::new(vec![key.verifying_key().clone()]);
    let tagger = SessionTagger::new(&[9; 32]);
    let sid = tagger.seal(SessionId::from_bytes([1; 16]));
    let profile =
        Profile { issuer: "https://api.example".into(), audience: "a".into(), leeway: Duration::from_secs(30), tagger };
    let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": key.verifying_key().kid() }).to_string();
    let token = |payload: &str| format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(payload));
    let uuid = "00000000-0000-0000-0000-000000000000";
    let claims = format!(
        r#"{{"iss":"https://api.example","aud":"a","sub":"{uuid}","client_id":"","exp":{NOW},"iat":{NOW},"jti":"{uuid}","sid":"{sid}","inc":"AAAAAAAAAAAAAAAAAAAAAA","scope":""#
    );
    let now = Timestamp::from_seconds(NOW);
    // Once unmeasured: the library sets itself up.
    assert!(profile.screen(&token(&format!("{claims}\"}}")), &keys, now).is_ok());

    let hostile = [
        ".".repeat(1_000_000),
        "a".repeat(1_000_000),
        ".".repeat(bearer::TOKEN_BYTES_MAX),
        format!("{}.a.a", "a".repeat(bearer::TOKEN_BYTES_MAX - 4)),
        token(&fill("{\"x\":", "[", "")),
        token(&fill("{\"x\":[", "{\"\":[", "")),
        token(&fill("{\"aud\":[", "\"\",", "\"\"]}")),
        token(&fill("{\"aud\":\"", "\\n", "\"}")),
        token(&fill("{\"x\":\"", "\\u0000", "\"}")),
        token(&fill("{\"x\":", "9", "}")),
        token(&fill("{\"exp\":", "9", "}")),
        token(&fill("{", "\"\\u0061\":0,", "\"b\":0}")),
        token(&fill("{\"", "\\u0061", "\":0}")),
    ];
    for text in &hostile {
        assert!(profile.screen(text, &keys, now).is_err());
        let cost = allocated(|| drop(black_box(profile.screen(black_box(text), &keys, now))));
        assert!(cost <= ALLOCATED_MAX, "{cost} bytes for {}", &text[..text.len().min(200)]);
        let header = format!("Bearer {text}");
        assert_eq!(allocated(|| _ = black_box(bearer::read([header.as_bytes()]))), 0);
    }

    let names = token(&fill(&claims, "a ", "b\"}"));
    assert!(profile.screen(&names, &keys, now).is_ok());
    let cost = allocated(|| drop(black_box(profile.screen(black_box(&names), &keys, now))));
    assert!(cost <= ALLOCATED_MAX + SCOPE_ALLOCATED_MAX, "{cost} bytes for a scope of single letters");
}
