//! `exp`, `iat` and `nbf` at each second around their edges (RFC 7519 §4.1.4 to §4.1.6).

use std::time::Duration;

use keyfob_core::access_token::{Claims, Flaw};
use keyfob_core::signing_key::Algorithm;
use keyfob_core::time::Timestamp;

use super::{Bench, LIFE, NOW};

const EXP: i64 = NOW + LIFE;

fn at(bench: &Bench, token: &str, micros: i64) -> Result<Claims, Flaw> {
    bench.profile.verify(token, &bench.keys, Timestamp::from_micros(micros))
}

#[test]
fn a_token_is_live_before_exp_and_leeway_and_dead_from_then_on() {
    let bench = Bench::new(Algorithm::Es256);
    let token = bench.token();
    for now in [EXP - 1, EXP, EXP + 29] {
        assert!(at(&bench, &token, now * 1_000_000).is_ok(), "{}", now - EXP);
    }
    for now in [EXP + 30, EXP + 31, EXP + 86_400, i64::MAX / 1_000_000] {
        assert_eq!(at(&bench, &token, now * 1_000_000), Err(Flaw::Expired), "{}", now - EXP);
    }
    let edge = (EXP + 30) * 1_000_000;
    assert!(at(&bench, &token, edge - 1).is_ok());
    assert_eq!(at(&bench, &token, edge), Err(Flaw::Expired));
}

#[test]
fn a_token_from_the_future_is_refused_beyond_the_leeway() {
    let bench = Bench::new(Algorithm::Es256);
    let token = bench.token();
    for now in [NOW, NOW - 29, NOW - 30] {
        assert!(at(&bench, &token, now * 1_000_000).is_ok(), "{}", now - NOW);
    }
    for now in [NOW - 31, 0, -1, i64::MIN / 1_000_000] {
        assert_eq!(at(&bench, &token, now * 1_000_000), Err(Flaw::NotYetValid), "{}", now - NOW);
    }
    assert_eq!(at(&bench, &token, (NOW - 30) * 1_000_000 - 1), Err(Flaw::NotYetValid));
}

#[test]
fn nbf_is_optional_and_obeyed() {
    let bench = Bench::new(Algorithm::Es256);
    let with = |nbf: i64| {
        let mut payload = bench.payload();
        payload["nbf"] = nbf.into();
        bench.verify(&bench.with_payload(&payload.to_string()))
    };
    for nbf in [0, NOW, NOW + 29, NOW + 30] {
        assert_eq!(with(nbf), Ok(Bench::claims()), "{}", nbf - NOW);
    }
    for nbf in [NOW + 31, NOW + LIFE, 1 << 53] {
        assert_eq!(with(nbf), Err(Flaw::NotYetValid), "{}", nbf - NOW);
    }
}

#[test]
fn without_leeway_a_token_is_dead_at_exp() {
    let mut bench = Bench::new(Algorithm::Es256);
    bench.profile.leeway = Duration::ZERO;
    let token = bench.token();
    assert!(at(&bench, &token, EXP * 1_000_000 - 1).is_ok());
    assert_eq!(at(&bench, &token, EXP * 1_000_000), Err(Flaw::Expired));
    assert_eq!(at(&bench, &token, NOW * 1_000_000 - 1), Err(Flaw::NotYetValid));
}

#[test]
fn a_leeway_of_more_than_a_minute_counts_as_a_minute() {
    let mut bench = Bench::new(Algorithm::Es256);
    bench.profile.leeway = Duration::MAX;
    let token = bench.token();
    assert!(at(&bench, &token, (EXP + 60) * 1_000_000 - 1).is_ok());
    assert_eq!(at(&bench, &token, (EXP + 60) * 1_000_000), Err(Flaw::Expired));
    assert_eq!(at(&bench, &token, (NOW - 61) * 1_000_000), Err(Flaw::NotYetValid));
}

#[test]
fn the_largest_time_is_read_and_the_next_is_not() {
    let bench = Bench::new(Algorithm::Es256);
    let with = |exp: u64| {
        let mut payload = bench.payload();
        payload["exp"] = exp.into();
        bench.verify(&bench.with_payload(&payload.to_string()))
    };
    assert!(with(1 << 53).is_ok());
    assert_eq!(with((1 << 53) + 1), Err(Flaw::Claims));
    assert_eq!(with(0), Err(Flaw::Expired));
}

#[test]
fn fractions_of_a_second_are_cut_off_not_rounded_up() {
    let bench = Bench::new(Algorithm::Es256);
    let mut claims = Bench::claims();
    claims.expires_at = Timestamp::from_micros(EXP * 1_000_000 + 999_999);
    let token = bench.profile.sign(&claims, &bench.key, &super::rng()).unwrap();
    assert_eq!(bench.verify(&token).unwrap().expires_at, Timestamp::from_seconds(EXP));
}
