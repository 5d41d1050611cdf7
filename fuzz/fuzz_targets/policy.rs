//! A policy file is refused with a place inside it, or decides every path without a panic. Up to the first NUL the input
//! is the file, after it a path.

#![no_main]

use keyfob_core::policy::{Ask, Decision, Evidence, Policy, decide};
use keyfob_core::time::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (file, path) = match input.iter().position(|byte| *byte == 0) {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &b"/"[..]),
    };
    let Ok(file) = std::str::from_utf8(file) else { return };
    match Policy::parse(file, 1) {
        Err(problem) => assert!(problem.line >= 1 && problem.column >= 1 && problem.line <= file.lines().count() + 1),
        Ok(policy) => {
            let Ok(ask) = Ask::parse("GET", "", path) else { return };
            // Without a token only a public route lets anything through, and then nobody is named.
            if let Decision::Allow(permit) = decide(&policy, ask, &Evidence::Nothing, Timestamp::from_seconds(0)) {
                assert!(permit.caller().is_none() && file.contains("public"));
            }
        }
    }
});
