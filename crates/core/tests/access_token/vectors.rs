//! The published examples: RFC 7515 A.2, A.3 and A.5, RFC 8037 A.4.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyfob_core::access_token::Flaw;
use keyfob_core::signing_key::{Algorithm, VerifyingKey};
use serde_json::{Value, json};

use super::Bench;

/// Whether the compact JWS `token` is signed by `jwk`, as bare signatures: none of these is an access token.
fn verifies(jwk: &Value, token: &str) -> bool {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let key = VerifyingKey::from_jwk(jwk).unwrap();
    key.verifies(input.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
}

/// The example verifies, and fails with one bit of its input or of its signature changed.
fn check(jwk: &Value, token: &str) {
    assert!(verifies(jwk, token), "{token}");
    let changed = if token.starts_with('e') { "f" } else { "e" };
    assert!(!verifies(jwk, &format!("{changed}{}", &token[1..])));
    let middle = token.rfind('.').unwrap() + 10;
    let other = if &token[middle..=middle] == "A" { "B" } else { "A" };
    assert!(!verifies(jwk, &format!("{}{other}{}", &token[..middle], &token[middle + 1..])));
}

#[test]
fn rfc_7515_a_2_rs256() {
    let jwk = json!({ "kty": "RSA", "e": "AQAB", "n": concat!(
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ",
        "S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2",
        "R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcD",
        "TW9gb54h4FRWyuXpoQ") });
    check(
        &jwk,
        concat!(
            "eyJhbGciOiJSUzI1NiJ9",
            ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU",
            "Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d",
            "O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig",
            "cN_IoypGlUPQGe77Rw"
        ),
    );
}

#[test]
fn rfc_7515_a_3_es256() {
    let jwk = json!({ "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" });
    check(
        &jwk,
        concat!(
            "eyJhbGciOiJFUzI1NiJ9",
            ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
        ),
    );
}

#[test]
fn rfc_8037_a_4_eddsa() {
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    check(
        &jwk,
        concat!(
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        ),
    );
}

#[test]
fn rfc_7515_a_5_unsecured_is_refused() {
    let unsecured = concat!(
        "eyJhbGciOiJub25lIn0",
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    );
    let bench = Bench::new(Algorithm::Es256);
    bench.refused(unsecured, Flaw::Shape);
    bench.refused(&format!("{unsecured}AAAA"), Flaw::Header);
}
