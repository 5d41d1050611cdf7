//! Keys: documents, JWKs, thumbprints.

use aws_lc_rs::rand::SystemRandom;
use serde_json::{Value, json};

use super::*;

const ALL: [Algorithm; 3] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];

#[expect(clippy::disallowed_methods, reason = "a test is its own source of randomness")]
fn rng() -> SystemRandom {
    SystemRandom::new()
}

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm, &rng()).unwrap()
}

/// RFC 7515 A.3.
fn p256() -> Value {
    json!({ "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" })
}

/// RFC 8037 A.2.
fn ed25519() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

/// RFC 7638 §3.1.
fn rsa_2048() -> Value {
    json!({ "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29", "n": concat!(
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3",
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA",
        "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-",
        "kEgU8awapJzKnqDKgw") })
}

/// `jwk` with one member set, or removed if `value` is null.
fn with(mut jwk: Value, name: &str, value: Value) -> Value {
    let members = jwk.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name)
    } else {
        members.insert(name.to_owned(), value)
    };
    jwk
}

fn refused(jwk: &Value) {
    assert_eq!(VerifyingKey::from_jwk(jwk).map(|key| key.kid().to_owned()), Err(KeyError), "{jwk}");
}

#[test]
fn the_thumbprints_of_rfc_7638_and_rfc_8037_are_reproduced() {
    let thumbprint = |jwk: &Value| VerifyingKey::from_jwk(jwk).unwrap().kid().to_owned();
    assert_eq!(thumbprint(&rsa_2048()), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(thumbprint(&ed25519()), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    // RFC 7515 A.3's key; the value is SHA-256 of its three-member form as other libraries give it.
    assert_eq!(thumbprint(&p256()), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
}

#[test]
fn a_key_survives_its_document_and_its_jwk() {
    for algorithm in ALL {
        let made = key(algorithm);
        let read = SigningKey::from_pkcs8(algorithm, made.to_pkcs8()).unwrap();
        assert_eq!(read.verifying_key().kid(), made.verifying_key().kid());
        let published = VerifyingKey::from_jwk(&made.verifying_key().to_jwk()).unwrap();
        assert_eq!((published.kid(), published.algorithm()), (made.verifying_key().kid(), algorithm));
        let signature = read.sign(b"message", &rng()).unwrap();
        assert!(published.verifies(b"message", &signature));
        assert!(!published.verifies(b"massage", &signature));
    }
}

#[test]
fn a_published_jwk_has_its_id_algorithm_and_use_and_nothing_private() {
    for algorithm in ALL {
        let jwk = key(algorithm).verifying_key().to_jwk();
        assert_eq!(jwk["alg"], algorithm.name());
        assert_eq!(jwk["use"], "sig");
        assert_eq!(jwk["kid"].as_str().unwrap().len(), 43);
        assert!(["d", "p", "q", "dp", "dq", "qi", "k"].iter().all(|&name| jwk.get(name).is_none()), "{jwk}");
    }
}

#[test]
fn a_key_of_one_algorithm_is_refused_as_another() {
    for made in ALL {
        let document = key(made).to_pkcs8().clone();
        for read in ALL.into_iter().filter(|&read| read != made) {
            assert_eq!(SigningKey::from_pkcs8(read, &document).unwrap_err(), KeyError, "{made:?} as {read:?}");
        }
    }
}

#[test]
fn a_damaged_document_is_refused() {
    for algorithm in ALL {
        let document = key(algorithm).to_pkcs8().clone();
        for damaged in [&[][..], &document[1..], &document[..document.len() - 1]] {
            assert_eq!(SigningKey::from_pkcs8(algorithm, damaged).unwrap_err(), KeyError, "{algorithm:?}");
        }
    }
}

#[test]
fn a_private_jwk_is_refused() {
    for jwk in [p256(), ed25519(), rsa_2048()] {
        for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            refused(&with(jwk.clone(), name, json!("AQAB")));
            refused(&with(jwk.clone(), name, json!([])));
        }
    }
}

#[test]
fn a_jwk_whose_algorithm_contradicts_its_type_is_refused() {
    for (jwk, own) in [(p256(), "ES256"), (ed25519(), "EdDSA"), (rsa_2048(), "RS256")] {
        for alg in ["ES256", "EdDSA", "RS256", "HS256", "none", "ES384", "RS512", "PS256", ""] {
            assert_eq!(VerifyingKey::from_jwk(&with(jwk.clone(), "alg", json!(alg))).is_ok(), alg == own, "{alg}");
        }
        refused(&with(jwk, "alg", json!(["ES256", "EdDSA", "RS256"])));
    }
}

#[test]
fn a_jwk_that_is_not_for_signatures_is_refused() {
    for jwk in [p256(), ed25519(), rsa_2048()] {
        refused(&with(jwk.clone(), "use", json!("enc")));
        refused(&with(jwk.clone(), "key_ops", json!(["encrypt"])));
        refused(&with(jwk.clone(), "key_ops", json!("verify")));
        assert!(VerifyingKey::from_jwk(&with(jwk.clone(), "use", json!("sig"))).is_ok());
        assert!(VerifyingKey::from_jwk(&with(jwk, "key_ops", json!(["verify"]))).is_ok());
    }
}

#[test]
fn an_elliptic_curve_point_off_its_curve_is_refused() {
    let (x, y) = (p256()["x"].clone(), p256()["y"].clone());
    refused(&with(p256(), "y", x.clone()));
    refused(&with(with(p256(), "x", y), "y", x));
    let zero = json!("A".repeat(43));
    refused(&with(with(p256(), "x", zero.clone()), "y", zero));
    // p itself, which is 0 written in a way RFC 7518 does not know.
    refused(&with(p256(), "x", json!("_____wAAAAEAAAAAAAAAAAAAAAD_______________8")));
}

#[test]
fn a_jwk_of_another_kind_or_with_a_missing_or_misspelt_member_is_refused() {
    for (jwk, names) in [(p256(), ["kty", "crv", "x", "y"].as_slice()), (ed25519(), &["kty", "crv", "x"])] {
        for &name in names {
            refused(&with(jwk.clone(), name, Value::Null));
            refused(&with(jwk.clone(), name, json!(1)));
        }
        refused(&with(jwk.clone(), "crv", json!("P-384")));
        refused(&with(jwk.clone(), "kty", json!("oct")));
        refused(&with(jwk.clone(), "x", json!(format!("{}=", jwk["x"].as_str().unwrap()))));
        refused(&with(jwk.clone(), "x", json!("AAAA")));
    }
    refused(&json!({ "kty": "oct", "alg": "HS256" }));
    refused(&json!([]));
    refused(&json!("key"));
}

#[test]
fn an_rsa_key_that_is_short_or_malformed_is_refused() {
    let modulus = rsa_2048()["n"].as_str().unwrap().to_owned();
    refused(&with(rsa_2048(), "n", json!(&modulus[..172])));
    // A leading zero byte would give one key two thumbprints.
    refused(&with(rsa_2048(), "n", json!(format!("AAAA{modulus}"))));
    refused(&with(rsa_2048(), "n", json!(format!("{}A", "_".repeat(1366)))));
    for exponent in ["", "AA", "AQ", "Ag", "AAEAAQ", "_____________w"] {
        refused(&with(rsa_2048(), "e", json!(exponent)));
    }
}

#[test]
fn the_numbers_of_an_rsa_key_are_those_of_its_der() {
    let signing = key(Algorithm::Rs256);
    let Pair::Rs256(pair) = &signing.pair else { panic!("an RSA key was asked for") };
    let der = pair.public_key().as_ref();
    let PublicKey::Rs256 { n, e } = PublicKey::rs256_from_der(der).unwrap() else { panic!("an RSA key was read") };
    assert_eq!((n.len(), &*e), (256, [1, 0, 1].as_slice()));
    assert!(der.windows(256).any(|window| window == &*n));
    for cut in 0..der.len() {
        assert!(PublicKey::rs256_from_der(&der[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn a_modulus_of_2047_bits_is_refused() {
    let mut n = vec![0xff; 256];
    assert!(PublicKey::rs256(&n, &[1, 0, 1]).is_ok());
    n[0] = 0x7f;
    assert!(PublicKey::rs256(&n, &[1, 0, 1]).is_err());
}

#[test]
fn an_ed25519_key_of_small_order_is_refused() {
    // The neutral element: with it, R = [S]B verifies over every message.
    refused(&with(ed25519(), "x", json!("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")));
    refused(&with(ed25519(), "x", json!("A".repeat(43))));
    // A point of order 8, and its negative.
    refused(&with(ed25519(), "x", json!("xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o")));
    for negative in [0x00, 0x80] {
        let mut x = [0xff; 32];
        (x[0], x[31]) = (0xec, 0x7f | negative);
        assert!(PublicKey::eddsa(&x).is_err());
    }
}

#[test]
fn an_ed25519_signature_is_not_malleable() {
    // RFC 8032 §5.1.7: S + L is S again, and must be refused. L, little-endian:
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let key = key(Algorithm::EdDsa);
    let mut signature = key.sign(b"message", &rng()).unwrap();
    assert!(key.verifying_key().verifies(b"message", &signature));
    let mut carry = 0;
    for (byte, l) in signature[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(l) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    assert!(!key.verifying_key().verifies(b"message", &signature));
}

#[test]
fn a_signature_of_the_wrong_length_or_in_der_is_refused() {
    for algorithm in ALL {
        let key = key(algorithm);
        let signature = key.sign(b"message", &rng()).unwrap();
        for wrong in [&[][..], &signature[1..], &signature[..signature.len() - 1], &[&signature[..], &[0]].concat()] {
            assert!(!key.verifying_key().verifies(b"message", wrong), "{algorithm:?}");
        }
    }
    let zeros = [0; 64];
    assert!(!key(Algorithm::Es256).verifying_key().verifies(b"message", &zeros));
}

#[test]
fn a_set_finds_keys_by_their_exact_id_only() {
    let (one, two) = (key(Algorithm::Es256), key(Algorithm::EdDsa));
    let kid = one.verifying_key().kid().to_owned();
    let set = KeySet::new(vec![one.verifying_key().clone(), two.verifying_key().clone()]);
    assert_eq!(set.key(&kid).unwrap().algorithm(), Algorithm::Es256);
    for near in [&kid[..42], &format!("{kid}="), &format!(" {kid}"), &kid.to_lowercase(), "", "0"] {
        assert!(set.key(near).is_none(), "{near}");
    }
    assert_eq!(set.to_json()["keys"].as_array().unwrap().len(), 2);
}

#[test]
fn debug_output_holds_no_private_byte() {
    for algorithm in ALL {
        let key = key(algorithm);
        let shown = format!("{key:?}");
        assert_eq!(shown, format!("SigningKey({} {})", algorithm.name(), key.verifying_key().kid()));
    }
}
