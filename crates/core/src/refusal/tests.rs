//! The table of DESIGN §4, row by row, and what a refusal must never do.

use std::time::Duration;

use serde_json::Value;

use super::{Profile, Reason, Refusal};

fn insufficient() -> Reason {
    Reason::Insufficient { scope: Some("reports:read reports:write".into()) }
}

fn every_reason() -> Vec<Reason> {
    vec![
        Reason::NoCredentials,
        Reason::Malformed,
        Reason::InvalidToken,
        insufficient(),
        Reason::Insufficient { scope: None },
        Reason::AmbiguousTarget,
        Reason::NoCredentialsYet,
        Reason::BasicFailed,
        Reason::BasicEnded,
        Reason::TooManyAttempts { retry_after: Duration::from_secs(7) },
    ]
}

#[test]
fn the_table_of_the_design_holds() {
    let bare = r#"Bearer realm="keyfob""#;
    let scoped = r#"Bearer realm="keyfob", error="insufficient_scope", scope="reports:read reports:write""#;
    let rows: [(Reason, u16, u16, Option<String>, &str); 6] = [
        (Reason::NoCredentials, 401, 401, Some(bare.to_owned()), "no-credentials"),
        (Reason::Malformed, 401, 400, Some(format!(r#"{bare}, error="invalid_request""#)), "malformed-credentials"),
        (Reason::InvalidToken, 401, 401, Some(format!(r#"{bare}, error="invalid_token""#)), "invalid-token"),
        (insufficient(), 401, 403, Some(scoped.to_owned()), "insufficient-scope"),
        (
            Reason::Insufficient { scope: None },
            401,
            403,
            Some(format!(r#"{bare}, error="insufficient_scope""#)),
            "insufficient-scope",
        ),
        (Reason::AmbiguousTarget, 400, 400, None, "ambiguous-path"),
    ];
    for (reason, uniform, rfc6750, challenge, kind) in rows {
        let refusal = Refusal::of(reason);
        assert_eq!(refusal.status(Profile::Uniform), uniform, "{refusal:?}");
        assert_eq!(refusal.status(Profile::Rfc6750), rfc6750, "{refusal:?}");
        assert_eq!(refusal.challenge("keyfob"), challenge, "{refusal:?}");
        assert_eq!(refusal.kind(), kind);
        assert_eq!(refusal.reason.slug(), kind);
    }
}

#[test]
fn basic_is_offered_only_while_it_is_taken() {
    let bearer = r#"Bearer realm="keyfob""#;
    let both = r#"Bearer realm="keyfob", Basic realm="keyfob", charset="UTF-8""#;
    let rows = [
        (Reason::NoCredentialsYet, 401, Some(both), "no-credentials"),
        (Reason::BasicFailed, 401, Some(both), "basic-failed"),
        (Reason::BasicEnded, 401, Some(bearer), "basic-ended"),
        (Reason::TooManyAttempts { retry_after: Duration::from_secs(7) }, 429, None, "too-many-attempts"),
    ];
    for (reason, status, challenge, kind) in rows {
        let refusal = Refusal::of(reason);
        assert_eq!(refusal.status(Profile::Uniform), status, "{refusal:?}");
        assert_eq!(refusal.status(Profile::Rfc6750), status, "{refusal:?}");
        assert_eq!(refusal.challenge("keyfob").as_deref(), challenge);
        assert_eq!(refusal.kind(), kind);
        let offers = refusal.clone().without_basic().challenge("keyfob").is_some_and(|text| text.contains("Basic"));
        assert!(!offers, "a guard that knows no passwords offers it");
    }
    let named = Refusal::of(Reason::NoCredentialsYet).challenge_naming("keyfob", "https://a");
    let expected = format!(r#"{bearer}, resource_metadata="https://a", Basic realm="keyfob", charset="UTF-8""#);
    assert_eq!(named, Some(expected), "a parameter belongs to the challenge before it");
}

#[test]
fn a_hidden_route_looks_like_nothing_at_all() {
    for reason in every_reason().into_iter().filter(|reason| *reason != Reason::AmbiguousTarget) {
        for profile in [Profile::Uniform, Profile::Rfc6750] {
            let refusal = Refusal { reason: reason.clone(), deny: Some(404) };
            assert_eq!(refusal.status(profile), 404, "{refusal:?}");
            assert_eq!(refusal.challenge("keyfob"), None);
            assert_eq!(refusal.kind(), "not-found");
            let nothing = Refusal { reason: Reason::NoCredentials, deny: Some(404) };
            assert_eq!(refusal.problem(profile), nothing.problem(profile));
        }
    }
}

#[test]
fn an_ambiguous_path_is_400_whatever_the_route_says() {
    for deny in [None, Some(401), Some(403), Some(404)] {
        let refusal = Refusal { reason: Reason::AmbiguousTarget, deny };
        assert_eq!(refusal.status(Profile::Uniform), 400);
        assert_eq!(refusal.challenge("keyfob"), None);
        assert_eq!(refusal.kind(), "ambiguous-path");
    }
}

#[test]
fn a_route_may_choose_401_or_403_in_either_profile() {
    let forbidden = Refusal { reason: insufficient(), deny: Some(403) };
    assert_eq!(forbidden.status(Profile::Uniform), 403);
    let unauthorized = Refusal { reason: insufficient(), deny: Some(401) };
    assert_eq!(unauthorized.status(Profile::Rfc6750), 401);
    let malformed = Refusal { reason: Reason::Malformed, deny: Some(403) };
    assert_eq!(malformed.status(Profile::Rfc6750), 400);
    assert_eq!(malformed.status(Profile::Uniform), 403);
}

#[test]
fn every_401_carries_a_challenge() {
    for reason in every_reason() {
        for deny in [None, Some(401), Some(403), Some(404)] {
            for profile in [Profile::Uniform, Profile::Rfc6750] {
                let refusal = Refusal { reason: reason.clone(), deny };
                if refusal.status(profile) == 401 {
                    assert!(refusal.challenge("keyfob").is_some(), "{refusal:?}");
                }
            }
        }
    }
}

#[test]
fn a_realm_cannot_break_out_of_its_quotes() {
    let refusal = Refusal::of(Reason::NoCredentials);
    let challenge = refusal.challenge("a\"b\\c\r\nX-Evil: 1\u{e9}\0");
    assert_eq!(challenge.as_deref(), Some("Bearer realm=\"a\\\"b\\\\c??X-Evil: 1??\""));
}

#[test]
fn every_problem_document_is_json_that_agrees_with_its_refusal() {
    for reason in every_reason() {
        for deny in [None, Some(401), Some(403), Some(404)] {
            for profile in [Profile::Uniform, Profile::Rfc6750] {
                let refusal = Refusal { reason: reason.clone(), deny };
                let document: Value = serde_json::from_str(refusal.problem(profile)).expect("JSON");
                assert_eq!(document["type"], format!("urn:keyfob:problem:{}", refusal.kind()));
                assert_eq!(document["status"], refusal.status(profile));
                assert_eq!(document["detail"], refusal.detail());
                assert!(document["title"].as_str().is_some_and(|title| !title.is_empty()));
            }
        }
    }
}

#[test]
fn the_two_profiles_have_the_names_of_the_setting() {
    assert_eq!(serde_json::to_string(&Profile::Uniform).unwrap(), r#""uniform""#);
    assert_eq!(serde_json::from_str::<Profile>(r#""rfc6750""#).unwrap(), Profile::Rfc6750);
}
