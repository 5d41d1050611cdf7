//! What credentials look like: those of keyfob's own making, whoever sent them, and where a request carries others.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyfob_core::opaque::Kind;
use regex::bytes::Regex;

/// `Authorization: SCHEME CREDENTIALS`, a password in JSON, and the members of forms and queries that hold a secret.
static IN_REQUEST: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let patterns = [
        r"(?i)\r\nauthorization:[ \t]*[a-z]+[ \t]+([^\r\n]+)",
        r#""[a-z_]*password"\s*:\s*"([^"]+)"#,
        r"(?:^|[?&\n])(?:password|token|access_token|refresh_token|client_secret|api_key)=([^&\s]+)",
    ];
    patterns.iter().map(|pattern| Regex::new(pattern).expect("a pattern")).collect()
});

static OURS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"fob_[a-z]{3,4}_[A-Za-z0-9_-]{16,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
        .expect("a pattern")
});

/// The credentials in a request.
pub fn in_request(bytes: &[u8]) -> Vec<Vec<u8>> {
    let all = IN_REQUEST.iter().flat_map(|pattern| pattern.captures_iter(bytes));
    let texts = all.filter_map(|captures| captures.get(1)).map(|text| text.as_bytes().to_vec());
    texts.flat_map(|text| [decoded_form(&text), basic_password(&text), Some(text)].into_iter().flatten()).collect()
}

/// What a value of a form or a query stands for, where that differs.
fn decoded_form(text: &[u8]) -> Option<Vec<u8>> {
    let whole = [b"v=", text].concat();
    let (_, value) = form_urlencoded::parse(&whole).next()?;
    (value.as_bytes() != text).then(|| value.as_bytes().to_vec())
}

/// The password in `Basic` credentials (RFC 7617 §2).
fn basic_password(text: &[u8]) -> Option<Vec<u8>> {
    let decoded = STANDARD.decode(text).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(decoded[colon + 1..].to_vec())
}

/// Tokens, keys and secrets of keyfob's own.
pub fn ours(bytes: &[u8]) -> Vec<Vec<u8>> {
    OURS.find_iter(bytes).map(|found| found.as_bytes().to_vec()).collect()
}

/// Whether these bytes begin with a secret of keyfob's own, known to the test or not.
pub fn begins(bytes: &[u8]) -> Option<&'static str> {
    if bytes[0] == b'f' && bytes.starts_with(b"fob_") {
        let rest = &bytes[4..];
        // A kind, as in `OURS`: the program's own name ends in `fob`, and a key's id may begin with `_`.
        let kind = rest.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
        let secret = rest.get(kind..)?.strip_prefix(b"_")?;
        return ((3..=4).contains(&kind) && run(secret) >= 16).then_some("what looks like an opaque secret");
    }
    if bytes[0] == b'e' && bytes.starts_with(b"eyJ") {
        let first = run(bytes);
        let second = bytes.get(first).filter(|byte| **byte == b'.').map_or(0, |_| run(&bytes[first + 1..]));
        return (first >= 12 && second >= 12).then_some("what looks like a token");
    }
    None
}

/// How many base64url characters stand first.
fn run(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')).count()
}

#[test]
fn a_key_id_behind_the_name_of_the_program_is_no_secret_and_every_secret_is_one() {
    // An audit row, as a page of the database holds it: the actor, then a thumbprint that happens to begin with `_`.
    let row = b"signing-key.activatedkeyfob_8_bfgQhbdoJT6RfNiEMH4W-97Ln86kGNYY4NNjwiPQES256";
    assert_eq!((0..row.len()).find_map(|at| begins(&row[at..])), None);
    for kind in [Kind::Refresh, Kind::ApiKey, Kind::Client] {
        let secret = format!("{}bfgQhbdoJT6RfNiEMH4W", kind.prefix());
        assert_eq!(begins(secret.as_bytes()), Some("what looks like an opaque secret"));
    }
}
