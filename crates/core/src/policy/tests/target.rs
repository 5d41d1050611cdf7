//! What has one reading passes as sent; everything else is refused (security requirements T1 to T3).

use proptest::prelude::*;

use crate::policy::{AmbiguousTarget, Ask, HOST_BYTES_MAX, METHOD_BYTES_MAX, TARGET_BYTES_MAX};

fn get(target: &str) -> Result<Ask, AmbiguousTarget> {
    Ask::parse("GET", "api.example.com", target.as_bytes())
}

#[test]
fn a_plain_target_is_kept_and_costs_no_copy_of_its_path() {
    for (target, path) in [
        ("/", "/"),
        ("/reports/7", "/reports/7"),
        ("/reports/7/", "/reports/7/"),
        ("/a?x=/../%2e%2e;\\", "/a"),
        ("/a?", "/a"),
        ("/.well-known/x", "/.well-known/x"),
        ("/.../a..b", "/.../a..b"),
        ("/a:b@c!$&'()*+,=~-_{}", "/a:b@c!$&'()*+,=~-_{}"),
    ] {
        let ask = get(target).expect(target);
        assert_eq!(ask.path(), path);
        assert_eq!(ask.target(), target);
        assert_eq!(ask.path().as_ptr(), ask.target().as_ptr(), "{target} was copied");
        assert!(!ask.keeps_escapes());
    }
}

#[test]
fn escapes_are_decoded_once_for_matching_and_forwarded_as_sent() {
    for (target, path) in [
        ("/adm%69n", "/admin"),
        ("/caf%C3%A9/%e2%82%ac", "/café/€"),
        ("/a%20b?c%20d", "/a b"),
        ("/%3F%23", "/?#"),
        ("/a%2eb", "/a.b"),
        ("/%7Euser/", "/~user/"),
    ] {
        let ask = get(target).expect(target);
        assert_eq!(ask.path(), path);
        assert_eq!(ask.target(), target);
        assert!(!ask.keeps_escapes());
    }
}

#[test]
fn an_encoded_slash_or_percent_is_kept_aside_and_never_separates() {
    for (target, path) in [
        ("/group%2fproject", "/group%2Fproject"),
        ("/100%25", "/100%25"),
        ("/%252F", "/%252F"),
        ("/https:%2F%2Fexample.com", "/https:%2F%2Fexample.com"),
    ] {
        let ask = get(target).expect(target);
        assert_eq!(ask.path(), path);
        assert!(ask.keeps_escapes(), "{target}");
    }
}

#[test]
fn a_path_with_two_readings_is_refused() {
    for target in [
        "",
        "a",
        "*",
        "//",
        "//admin",
        "/a//b",
        "/a//",
        "/.",
        "/..",
        "/a/.",
        "/a/..",
        "/a/../b",
        "/./a",
        "/%2e",
        "/%2E%2e/a",
        "/a/.%2e/b",
        "/a;b",
        "/a;/b",
        "/..;/a",
        "/a%3bb",
        "/a%3B",
        "/a\\b",
        "/a%5cb",
        "/a%5C",
        "/%00",
        "/a%0d%0ab",
        "/a%1f",
        "/a%7f",
        "/a%c2%80",
        "/%",
        "/%2",
        "/%zz",
        "/a%2",
        "/a%%32",
        "/%ff",
        "/%c0%af",
        "/%c3",
        "/%c3/%a9",
        "/%ed%a0%80",
        "/a#b",
        "/a?b#c",
        "/a b",
        "/a\tb",
        "/a\r\n",
        "/caf\u{e9}",
        "/a?\u{e9}",
        "/a\u{7f}",
        "http://host/a",
        "a/../b",
        "/x%2F..%2Fadmin",
        "/..%2fadmin",
        "/%2e%2e%2fadmin",
        "/x%2f%2e%2e",
        "/x%2f.",
        "?a",
        "*?a",
    ] {
        assert_eq!(get(target), Err(AmbiguousTarget), "{target:?}");
    }
    assert_eq!(Ask::parse("GET", "", b"/caf\xe9"), Err(AmbiguousTarget));
    assert_eq!(Ask::parse("GET", "", b"/a\0"), Err(AmbiguousTarget));
}

#[test]
fn the_asterisk_is_a_target_of_options_only() {
    assert_eq!(Ask::parse("OPTIONS", "", b"*").expect("RFC 9112 §3.2.4").path(), "*");
    for method in ["GET", "options", "OPTION"] {
        assert_eq!(Ask::parse(method, "", b"*"), Err(AmbiguousTarget));
    }
    for target in ["**", "*/a", "*?a"] {
        assert_eq!(Ask::parse("OPTIONS", "", target.as_bytes()), Err(AmbiguousTarget));
    }
}

#[test]
fn a_method_is_a_short_token_and_keeps_its_case() {
    for method in ["GET", "get", "PROPFIND", "M-SEARCH", "X!#$%&'*+-.^_`|~9"] {
        assert_eq!(Ask::parse(method, "", b"/").expect(method).method(), method);
    }
    let longest = "M".repeat(METHOD_BYTES_MAX);
    assert!(Ask::parse(&longest, "", b"/").is_ok());
    for method in ["", "G ET", "GET\r\n", "G\u{c9}T", "GET/", "GET:", &format!("{longest}M")] {
        assert_eq!(Ask::parse(method, "", b"/"), Err(AmbiguousTarget), "{method:?}");
    }
}

#[test]
fn a_host_is_a_host_and_a_port_and_nothing_more() {
    for host in ["", "api.example.com", "api.example.com:8080", "[::1]:8080", "localhost"] {
        assert_eq!(Ask::parse("GET", host, b"/").expect(host).host(), host);
    }
    for host in
        ["a/b", "a@b", "a b", "a\r\nb", "a?b", "a#b", "a\\b", "a,b", "h\u{f6}st", &"h".repeat(HOST_BYTES_MAX + 1)]
    {
        assert_eq!(Ask::parse("GET", host, b"/"), Err(AmbiguousTarget), "{host:?}");
    }
}

#[test]
fn a_target_of_8_kib_is_read_and_a_longer_one_is_not() {
    let longest = format!("/{}", "a".repeat(TARGET_BYTES_MAX - 1));
    assert!(get(&longest).is_ok());
    assert_eq!(get(&format!("{longest}a")), Err(AmbiguousTarget));
    assert_eq!(get(&format!("/?{longest}")), Err(AmbiguousTarget));
}

/// The canonical spelling of a path: everything but unreserved characters and kept escapes is encoded.
fn encode(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' | b'%' => text.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            _ => text.extend([format!("%{byte:02X}")]),
        }
    }
    text
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/", "a", "b", ".", "..", "%2e", "%2F", "%25", "%C3%A9", "%41", "%20", "~", ";", "%3b", "%5C", "?",
        "%3F", "%00", "%", "%4", "é", "#", "+", "*", "%ff",
    ]);
    prop::collection::vec(piece, 0..10).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn no_bytes_at_all_break_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(ask) = Ask::parse("GET", "", &bytes) {
            prop_assert_eq!(ask.target().as_bytes(), bytes.as_slice());
        }
    }

    #[test]
    fn an_accepted_path_encodes_to_a_spelling_of_the_same_path(target in pieces()) {
        if let Ok(ask) = get(&target) {
            prop_assert_eq!(ask.target(), target.as_str());
            let again = get(&encode(ask.path())).expect("the canonical spelling is accepted");
            prop_assert_eq!(again.path(), ask.path());
            prop_assert_eq!(again.keeps_escapes(), ask.keeps_escapes());
        }
    }

    #[test]
    fn an_accepted_path_has_no_segment_that_a_reader_would_drop(target in pieces()) {
        if let Ok(ask) = get(&target) {
            let inner = ask.path().strip_prefix('/').expect("origin form");
            let inner = inner.strip_suffix('/').unwrap_or(inner);
            for segment in inner.split('/') {
                prop_assert!(!matches!(segment, "." | ".."), "{}", ask.path());
                prop_assert!(!segment.is_empty() || inner.is_empty(), "{}", ask.path());
                prop_assert!(!segment.contains(['\\', ';']) && !segment.chars().any(char::is_control));
            }
        }
    }
}
