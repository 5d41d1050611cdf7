//! Every claim against every JSON type it must not have (RFC 8725 §3.8 to §3.12; CVE-2026-25537 was a string `nbf`
//! taken for an absent one). All these tokens are rightly signed.

use std::sync::Arc;

use keyfob_core::access_token::{Carried, Claims, Flaw};
use keyfob_core::signing_key::Algorithm;
use serde_json::{Value, json};

use super::Bench;

const REQUIRED: [&str; 10] = ["iss", "sub", "aud", "client_id", "exp", "iat", "jti", "sid", "scope", "inc"];
const TIMES: [&str; 3] = ["exp", "iat", "nbf"];

/// The payload as JSON text in which `name` is `value`; `None` leaves it out.
fn payload_with(bench: &Bench, name: &str, value: Option<&str>) -> String {
    let payload = bench.payload();
    let mut members: Vec<String> = payload
        .as_object()
        .unwrap()
        .iter()
        .filter(|(have, _)| *have != name)
        .map(|(have, value)| format!("{}:{value}", json!(have)))
        .collect();
    members.extend(value.map(|value| format!("{}:{value}", json!(name))));
    format!("{{{}}}", members.join(","))
}

#[test]
fn a_claim_that_is_absent_null_or_of_another_type_is_refused() {
    let bench = Bench::new(Algorithm::Es256);
    let wrong = [
        "null",
        "[]",
        "[1]",
        "[null]",
        "[[\"a\"]]",
        "{}",
        "{\"a\":1}",
        "1.5",
        "1700000000.0",
        "1e400",
        "-1e400",
        "-1",
        "-0",
        "9223372036854775808",
        "18446744073709551616",
        "9007199254740993",
        "true",
        "false",
        "1E1",
    ];
    for name in REQUIRED {
        bench.refused(&bench.with_payload(&payload_with(&bench, name, None)), Flaw::Claims);
        for value in wrong {
            // An empty list of audiences is well formed, and names nobody.
            let flaw = if (name, value) == ("aud", "[]") { Flaw::Audience } else { Flaw::Claims };
            bench.refused(&bench.with_payload(&payload_with(&bench, name, Some(value))), flaw);
        }
        if !TIMES.contains(&name) {
            bench.refused(&bench.with_payload(&payload_with(&bench, name, Some("1700000000"))), Flaw::Claims);
        }
    }
    for name in TIMES {
        for value in wrong.into_iter().chain(["\"1700000000\"", "\"\"", "\"999\""]) {
            bench.refused(&bench.with_payload(&payload_with(&bench, name, Some(value))), Flaw::Claims);
        }
    }
}

#[test]
fn a_text_claim_that_is_not_what_it_stands_for_is_refused() {
    let bench = Bench::new(Algorithm::Es256);
    let own = |name: &str| bench.payload()[name].as_str().unwrap().to_owned();
    for name in ["sub", "jti"] {
        let uuid = own(name);
        let simple = uuid.replace('-', "");
        for value in ["", "alice", &simple, &format!("{{{uuid}}}"), &format!("urn:uuid:{uuid}"), &uuid[..35]] {
            let payload = payload_with(&bench, name, Some(&json!(value).to_string()));
            bench.refused(&bench.with_payload(&payload), Flaw::Claims);
        }
    }
    for value in [
        "",
        "BAQE",
        &own("inc")[..21],
        &format!("{}A", own("inc")),
        &format!("{}==", own("inc")),
        "BAQEBAQEBAQEBAQEBAQEBB",
    ] {
        let payload = payload_with(&bench, "inc", Some(&json!(value).to_string()));
        bench.refused(&bench.with_payload(&payload), Flaw::Claims);
    }
    for value in [" ", "a  b", "a\tb", "a\"b", "\u{e9}"] {
        let payload = payload_with(&bench, "scope", Some(&json!(value).to_string()));
        bench.refused(&bench.with_payload(&payload), Flaw::Claims);
    }
}

#[test]
fn a_doubled_claim_is_refused_known_or_not_escaped_or_not() {
    let bench = Bench::new(Algorithm::Es256);
    let payload = bench.payload();
    let body = payload.to_string();
    let body = body.trim_end_matches('}');
    for name in REQUIRED {
        let value = &payload[name];
        bench.refused(&bench.with_payload(&format!("{body},\"{name}\":{value}}}")), Flaw::Claims);
        let escaped = format!("\\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]);
        bench.refused(&bench.with_payload(&format!("{body},\"{escaped}\":{value}}}")), Flaw::Claims);
    }
    bench.refused(&bench.with_payload(&format!("{body},\"nbf\":1,\"nbf\":1}}")), Flaw::Claims);
    bench.refused(&bench.with_payload(&format!("{body},\"else\":1,\"els\\u0065\":2}}")), Flaw::Claims);
}

#[test]
fn a_narrowed_token_says_so_and_nothing_but_a_truth_is_read_as_one() {
    let bench = Bench::new(Algorithm::Es256);
    let whole = Bench::claims();
    let scope = Arc::new(Carried { scope: whole.scope.scope.clone(), narrowed: true });
    let narrowed = Claims { scope, ..whole };
    let token = bench.profile.sign(&narrowed, &bench.key, &super::rng()).unwrap();
    assert_eq!(bench.verify(&token), Ok(narrowed.clone()));
    let with = |value: &str| bench.with_payload(&payload_with(&bench, "narrowed", Some(value)));
    assert_eq!(bench.verify(&with("true")), Ok(narrowed));
    assert_eq!(bench.verify(&with("false")), Ok(Bench::claims()));
    for wrong in ["null", "0", "1", "\"true\"", "\"\"", "[]", "{}", "true,\"narrowed\":false"] {
        bench.refused(&with(wrong), Flaw::Claims);
    }
}

#[test]
fn unknown_claims_are_skipped_up_to_a_limit() {
    let bench = Bench::new(Algorithm::Es256);
    let with = |count: usize| {
        let mut payload = bench.payload();
        for at in 0..count {
            payload[format!("x{at}")] = json!({ "deep": [at, null, {}], "iss": "not this one" });
        }
        bench.verify(&bench.with_payload(&payload.to_string()))
    };
    assert_eq!(with(1), Ok(Bench::claims()));
    assert_eq!(with(32), Ok(Bench::claims()));
    assert_eq!(with(33), Err(Flaw::Claims));
}

#[test]
fn a_payload_that_is_not_one_json_object_in_utf_8_is_refused() {
    let bench = Bench::new(Algorithm::Es256);
    let own = bench.payload().to_string();
    let array = Value::Array(bench.payload().as_object().unwrap().values().cloned().collect()).to_string();
    let texts = [
        "x",
        "null",
        "[]",
        "\"{}\"",
        "{}",
        "{",
        &array,
        &format!("[{own}]"),
        &format!("{own}{own}"),
        &format!("{own}x"),
        &format!("\u{feff}{own}"),
        &own.replace(':', "="),
        &own.replace('}', ",}"),
        &own.replace('"', "'"),
        &format!("{own}\0"),
    ];
    for text in texts {
        bench.refused(&bench.with_payload(text), Flaw::Claims);
    }
    let not_utf8 = [own.trim_end_matches('}').as_bytes(), b",\"x\":\"\xff\"}"].concat();
    let input = format!("{}.{}", super::base64url(bench.header().to_string()), super::base64url(not_utf8));
    let signature = bench.key.sign(input.as_bytes(), &super::rng()).unwrap();
    bench.refused(&format!("{input}.{}", super::base64url(signature)), Flaw::Claims);
}

#[test]
fn white_space_and_escapes_are_still_json() {
    let bench = Bench::new(Algorithm::Es256);
    let spaced = format!(" \n{} \r\n", serde_json::to_string_pretty(&bench.payload()).unwrap());
    assert_eq!(bench.verify(&bench.with_payload(&spaced)), Ok(Bench::claims()));
    let escaped = bench.payload().to_string().replace("\"iss\"", "\"\\u0069ss\"").replace("https:", "http\\u0073:");
    assert_eq!(bench.verify(&bench.with_payload(&escaped)), Ok(Bench::claims()));
}

#[test]
fn another_issuer_is_refused_however_near() {
    let bench = Bench::new(Algorithm::Es256);
    for iss in [
        "",
        "https://api.example/",
        "https://API.example",
        "http://api.example",
        "https://api.example\0",
        " https://api.example",
    ] {
        let payload = payload_with(&bench, "iss", Some(&json!(iss).to_string()));
        bench.refused(&bench.with_payload(&payload), Flaw::Issuer);
    }
}

#[test]
fn the_audience_must_be_named_exactly_alone_or_in_a_list() {
    let bench = Bench::new(Algorithm::Es256);
    let own = "https://api.example/reports";
    let verify = |aud: Value| bench.verify(&bench.with_payload(&payload_with(&bench, "aud", Some(&aud.to_string()))));
    assert_eq!(verify(json!([own])), Ok(Bench::claims()));
    assert_eq!(verify(json!(["https://other.example", own])), Ok(Bench::claims()));
    for aud in [json!(""), json!("https://api.example"), json!([format!("{own}/")]), json!(["a", "b"])] {
        assert_eq!(verify(aud), Err(Flaw::Audience));
    }
    assert_eq!(verify(json!([own, 1])), Err(Flaw::Claims));
    assert_eq!(verify(json!([own, null])), Err(Flaw::Claims));
    assert_eq!(verify(json!({ own: true })), Err(Flaw::Claims));
    assert_eq!(verify(vec![own; 16].into()), Ok(Bench::claims()));
    assert_eq!(verify(vec![own; 17].into()), Err(Flaw::Claims));
}

#[test]
fn a_session_that_was_tagged_elsewhere_is_refused_before_the_signature() {
    let bench = Bench::new(Algorithm::Es256);
    let elsewhere = keyfob_core::access_token::SessionTagger::new(&[8; 32]).seal(Bench::claims().session);
    let own = bench.payload()["sid"].as_str().unwrap().to_owned();
    for sid in ["", "x", &elsewhere, &own[..31], &format!("{own}A"), &own.to_lowercase()] {
        let token = bench.with_payload(&payload_with(&bench, "sid", Some(&json!(sid).to_string())));
        bench.refused(&token, Flaw::SessionTag);
        let (input, _) = token.rsplit_once('.').unwrap();
        bench.refused(&format!("{input}.AAAA"), Flaw::SessionTag);
    }
}
