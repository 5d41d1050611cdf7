//! What is no compact JWS, and what is no header of ours. Where a header is the point, the signature is right.

use keyfob_core::access_token::Flaw;
use keyfob_core::bearer::TOKEN_BYTES_MAX;
use keyfob_core::signing_key::Algorithm;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Bench, base64url};

#[test]
fn anything_but_three_parts_of_canonical_base64url_is_refused() {
    let bench = Bench::new(Algorithm::Es256);
    let token = bench.token();
    let parts: Vec<&str> = token.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    for other in [
        "",
        ".",
        "..",
        "...",
        "a",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",
        header,
        &format!("{header}.{payload}"),
        &format!("{header}.{payload}."),
        &format!("{header}..{signature}"),
        &format!(".{payload}.{signature}"),
        &format!("{token}."),
        &format!(".{token}"),
        &format!("{token}.{signature}"),
        &format!("{token}\n"),
        &format!("{token} "),
        &format!(" {token}"),
        &format!("{token}\0"),
        &format!("{token}="),
        &format!("{token}=="),
        &format!("{token}+"),
        &format!("{token}\u{e9}"),
        &token.replace('.', ".."),
        &token.replacen('.', " ", 1),
        &format!("{header}=.{payload}.{signature}"),
        &format!("{header}.{payload}=.{signature}"),
        &format!("{header}.\n{payload}.{signature}"),
        &format!("{header}\r\n.{payload}.{signature}"),
    ] {
        bench.refused(other, Flaw::Shape);
    }
}

#[test]
fn spare_bits_that_are_not_zero_are_refused() {
    let bench = Bench::new(Algorithm::Es256);
    let token = bench.token();
    // 64 bytes of signature end in a character with four spare bits: exactly one of sixteen spellings is canonical.
    let (body, last) = token.split_at(token.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let spelled = alphabet.find(last).unwrap();
    for spare in 1..16 {
        let at = spelled + spare;
        bench.refused(&format!("{body}{}", &alphabet[at..=at]), Flaw::Shape);
    }
    assert_eq!(bench.verify(&token), Ok(Bench::claims()));
}

#[test]
fn the_standard_alphabet_is_refused() {
    let bench = Bench::new(Algorithm::Es256);
    for at in 0..3 {
        let mut parts: Vec<String> = bench.token().split('.').map(str::to_owned).collect();
        parts[at].replace_range(1..2, "+");
        bench.refused(&parts.join("."), Flaw::Shape);
        parts[at].replace_range(1..2, "/");
        bench.refused(&parts.join("."), Flaw::Shape);
    }
}

#[test]
fn the_json_serialisations_and_encrypted_tokens_are_refused() {
    let bench = Bench::new(Algorithm::Es256);
    let token = bench.token();
    let parts: Vec<&str> = token.split('.').collect();
    let flattened = json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] });
    let general = json!({ "payload": parts[1], "signatures": [{ "protected": parts[0], "signature": parts[2] }] });
    bench.refused(&flattened.to_string(), Flaw::Shape);
    bench.refused(&general.to_string(), Flaw::Shape);
    bench.refused(&format!("{}.{}.{}.{}.{}", parts[0], parts[1], parts[2], parts[1], parts[2]), Flaw::Shape);
}

#[test]
fn a_token_beyond_the_cap_is_refused_and_one_at_the_cap_is_read() {
    let bench = Bench::new(Algorithm::Es256);
    let padded = |spaces: usize| bench.with_payload(&format!("{}{}", bench.payload(), " ".repeat(spaces)));
    // Three spaces are four characters: find the longest token below the cap.
    let spaces = (TOKEN_BYTES_MAX - padded(0).len()) / 4 * 3;
    let longest = padded(spaces);
    assert!((TOKEN_BYTES_MAX - 4..=TOKEN_BYTES_MAX).contains(&longest.len()), "{}", longest.len());
    assert_eq!(bench.verify(&longest), Ok(Bench::claims()));
    let longer = padded(spaces + 6);
    assert!(longer.len() > TOKEN_BYTES_MAX);
    bench.refused(&longer, Flaw::Shape);
    for byte in [".", "a", "="] {
        bench.refused(&byte.repeat(1_000_000), Flaw::Shape);
    }
}

#[test]
fn a_header_has_exactly_alg_typ_and_kid() {
    let bench = Bench::new(Algorithm::Es256);
    for name in ["alg", "typ", "kid"] {
        let mut header = bench.header();
        header.as_object_mut().unwrap().remove(name);
        bench.refused(&bench.with_header(&header.to_string()), Flaw::Header);
        for value in [Value::Null, json!(1), json!([bench.header()[name]]), json!({}), json!(true)] {
            let mut header = bench.header();
            header[name] = value;
            bench.refused(&bench.with_header(&header.to_string()), Flaw::Header);
        }
        let own = bench.header().to_string();
        let doubled = format!("{},\"{name}\":{}}}", own.trim_end_matches('}'), bench.header()[name]);
        bench.refused(&bench.with_header(&doubled), Flaw::Header);
    }
}

#[test]
fn a_header_that_asks_for_more_is_refused() {
    let bench = Bench::new(Algorithm::Es256);
    let jwk = bench.key.verifying_key().to_jwk();
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("jwk", jwk),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["AAAA"])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
        ("cty", json!("JWT")),
        ("nonce", json!("x")),
        ("ALG", json!("ES256")),
        ("", json!(1)),
    ] {
        let mut header = bench.header();
        header[name] = value;
        bench.refused(&bench.with_header(&header.to_string()), Flaw::Header);
    }
}

#[test]
fn only_the_type_of_an_access_token_is_accepted() {
    let bench = Bench::new(Algorithm::Es256);
    let with = |typ: &str| {
        let mut header = bench.header();
        header["typ"] = typ.into();
        bench.verify(&bench.with_header(&header.to_string()))
    };
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert_eq!(with(typ), Ok(Bench::claims()), "{typ}");
    }
    for typ in
        ["JWT", "jwt", "", "at", "at+jwt ", "dpop+jwt", "application/jwt", "text/at+jwt", "at+jwt;a=b", "at+JWT\0"]
    {
        assert_eq!(with(typ), Err(Flaw::Header), "{typ}");
    }
}

#[test]
fn a_header_that_is_not_one_json_object_is_refused() {
    let bench = Bench::new(Algorithm::Es256);
    let own = bench.header().to_string();
    let array = json!([bench.header()["alg"], bench.header()["typ"], bench.header()["kid"]]).to_string();
    for text in
        ["null", "{}", "[]", &array, "\"at+jwt\"", "1", &format!("{own}{own}"), &format!("{own},"), &format!("[{own}]")]
    {
        bench.refused(&bench.with_header(text), Flaw::Header);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_accepted_or_breaks_the_reader(text in "\\PC{0,300}", parts in "[A-Za-z0-9_-]{0,80}(\\.[A-Za-z0-9_-]{0,80}){1,3}") {
        let bench = Bench::new(Algorithm::EdDsa);
        prop_assert!(bench.verify(&text).is_err());
        prop_assert!(bench.verify(&parts).is_err());
    }

    #[test]
    fn no_unsigned_claims_are_accepted_or_break_the_reader(name in "[a-z]{1,9}|iss|aud|exp|nbf|scope", value in "\\PC{0,40}") {
        let bench = Bench::new(Algorithm::EdDsa);
        let own = bench.payload().to_string();
        let payload = format!("{},\"{name}\":{value}}}", own.trim_end_matches('}'));
        let token = format!("{}.{}.AAAA", base64url(bench.header().to_string()), base64url(payload));
        prop_assert!(bench.verify(&token).is_err());
    }
}
