//! Forged signatures: the algorithm and key confusions of RFC 8725 §2, and every single changed bit.

use aws_lc_rs::hmac;
use keyfob_core::access_token::Flaw;
use keyfob_core::signing_key::{Algorithm, KeySet, SigningKey};
use keyfob_core::time::Timestamp;
use serde_json::json;

use super::{ALL, Bench, NOW, base64url, rng};

/// The names of RFC 7518 §3.1, RFC 8037, RFC 8812, RFC 9864, the JWE ones, and misspellings.
const NAMES: [&str; 29] = [
    "none",
    "None",
    "NONE",
    "nOnE",
    "",
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "ES256K",
    "EdDSA",
    "Ed25519",
    "Ed448",
    "ML-DSA-44",
    "dir",
    "RSA-OAEP",
    "A128KW",
    "es256",
    "eddsa",
    "rs256",
    "ES256\0",
];

fn signing_input(bench: &Bench, alg: &str) -> String {
    let mut header = bench.header();
    header["alg"] = alg.into();
    format!("{}.{}", base64url(header.to_string()), base64url(bench.payload().to_string()))
}

#[test]
fn only_the_one_algorithm_of_the_key_is_accepted() {
    for algorithm in ALL {
        let bench = Bench::new(algorithm);
        for alg in NAMES.into_iter().filter(|&alg| alg != algorithm.name()) {
            // Signed by the right key: the name alone is what is wrong.
            let input = signing_input(&bench, alg);
            let signature = base64url(bench.key.sign(input.as_bytes(), &rng()).unwrap());
            bench.refused(&format!("{input}.{signature}"), Flaw::Key);
            bench.refused(&format!("{input}.{}", base64url("x")), Flaw::Key);
            bench.refused(&format!("{input}."), Flaw::Shape);
        }
    }
}

#[test]
fn a_mac_keyed_with_the_public_key_is_refused() {
    for algorithm in ALL {
        let bench = Bench::new(algorithm);
        let jwk = bench.key.verifying_key().to_jwk();
        let secrets = [
            jwk.to_string(),
            jwk.get("x").or(jwk.get("n")).unwrap().as_str().unwrap().to_owned(),
            bench.kid().to_owned(),
            String::new(),
        ];
        for secret in secrets {
            for (alg, flaw) in [("HS256", Flaw::Key), (algorithm.name(), Flaw::Signature)] {
                let input = signing_input(&bench, alg);
                let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), input.as_bytes());
                bench.refused(&format!("{input}.{}", base64url(mac)), flaw);
            }
        }
    }
}

#[test]
fn a_key_id_is_looked_up_exactly_and_leads_nowhere_else() {
    let bench = Bench::new(Algorithm::Es256);
    let kid = bench.kid().to_owned();
    let strange = [
        "",
        " ",
        "0",
        "../../../../dev/null",
        "/proc/self/environ",
        "file:///dev/null",
        "https://evil.example/key",
        "' OR '1'='1",
        "x' UNION SELECT 'key';--",
        "$(id)",
        "| id",
        "*",
        "%",
        "\0",
        "\u{feff}",
        &kid[..42],
        &format!("{kid}\0"),
        &format!("{kid} "),
        &format!("{kid}="),
        &kid.to_uppercase(),
        &"k".repeat(4_000),
    ];
    for other in strange {
        let mut header = bench.header();
        header["kid"] = other.into();
        bench.refused(&bench.with_header(&header.to_string()), Flaw::Key);
    }
    let mut header = bench.header();
    header["kid"] = "k".repeat(1_000_000).into();
    bench.refused(&bench.with_header(&header.to_string()), Flaw::Shape);
}

#[test]
fn a_token_of_another_key_is_refused() {
    for algorithm in ALL {
        let (bench, stranger) = (Bench::new(algorithm), Bench::new(algorithm));
        bench.refused(&stranger.token(), Flaw::Key);
        // The stranger's signature under the right key id.
        let input = signing_input(&bench, algorithm.name());
        let signature = stranger.key.sign(input.as_bytes(), &rng()).unwrap();
        bench.refused(&format!("{input}.{}", base64url(signature)), Flaw::Signature);
    }
}

#[test]
fn among_several_keys_only_the_named_one_counts() {
    let bench = Bench::new(Algorithm::Es256);
    let others: Vec<SigningKey> =
        ALL.iter().map(|&algorithm| SigningKey::generate(algorithm, &rng()).unwrap()).collect();
    let now = Timestamp::from_seconds(NOW);
    let all = others.iter().chain([&bench.key]).map(|key| key.verifying_key().clone()).collect();
    let all = KeySet::new(all);
    assert_eq!(bench.profile.verify(&bench.token(), &all, now), Ok(Bench::claims()));
    for other in &others {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": other.verifying_key().kid() });
        let refusal = bench.profile.verify(&bench.with_header(&header.to_string()), &all, now).unwrap_err();
        assert!(matches!(refusal, Flaw::Key | Flaw::Signature), "{refusal:?}");
    }
    assert_eq!(bench.profile.verify(&bench.token(), &KeySet::default(), now), Err(Flaw::Key));
}

#[test]
fn every_changed_bit_and_every_missing_byte_is_refused() {
    for algorithm in ALL {
        let bench = Bench::new(algorithm);
        let token = bench.token();
        for at in 0..token.len() {
            for bit in 0..8 {
                let mut changed = token.clone().into_bytes();
                changed[at] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(changed) else { continue };
                assert!(bench.verify(&changed).is_err(), "{algorithm:?}: bit {bit} of byte {at} of {token}");
            }
            let shorter = format!("{}{}", &token[..at], &token[at + 1..]);
            assert!(bench.verify(&shorter).is_err(), "{algorithm:?}: without byte {at} of {token}");
            assert!(bench.verify(&token[..at]).is_err(), "{algorithm:?}: the first {at} bytes of {token}");
        }
    }
}

#[test]
fn the_signature_of_one_token_does_not_fit_another() {
    for algorithm in ALL {
        let bench = Bench::new(algorithm);
        let mut payload = bench.payload();
        payload["scope"] = "keyfob:admin".into();
        let input = format!("{}.{}", base64url(bench.header().to_string()), base64url(payload.to_string()));
        let token = bench.token();
        let (_, signature) = token.rsplit_once('.').unwrap();
        bench.refused(&format!("{input}.{signature}"), Flaw::Signature);
        for empty in [base64url([0; 64]), base64url([0xff; 64]), base64url([0]), base64url([0; 256])] {
            bench.refused(&format!("{input}.{empty}"), Flaw::Signature);
        }
    }
}
