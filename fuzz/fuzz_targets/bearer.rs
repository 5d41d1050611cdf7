//! RFC 6750 §2.1: whatever the `Authorization` field lines hold, what is read as a token is one, and was there.
//! Field lines are separated by line feeds in the input.

#![no_main]

use keyfob_core::bearer::{Presented, TOKEN_BYTES_MAX, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let lines: Vec<&[u8]> = if input.is_empty() { Vec::new() } else { input.split(|&byte| byte == b'\n').collect() };
    let presented = read(lines.iter().copied());
    assert_eq!(presented == Presented::Nothing, lines.is_empty());
    if lines.len() > 1 {
        assert_eq!(presented, Presented::Malformed);
    }
    if let Presented::Bearer(token) = presented {
        let line = lines[0];
        assert!(line[..6].eq_ignore_ascii_case(b"Bearer"));
        let spaces = &line[6..line.len() - token.len()];
        assert!(!spaces.is_empty() && spaces.iter().all(|&byte| byte == b' '));
        assert!(line.ends_with(token.as_bytes()));
        let body = token.trim_end_matches('=');
        assert!(!body.is_empty() && token.len() <= TOKEN_BYTES_MAX);
        assert!(body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte)));
    }
});
