//! RFC 9112 §3.2: whatever the request target holds, what is accepted has one reading, and is forwarded byte for byte.

#![no_main]

use keyfob_core::policy::Ask;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|target: &[u8]| {
    let Ok(ask) = Ask::parse("GET", "api.test", target) else { return };
    assert_eq!(ask.target().as_bytes(), target);
    let path = ask.path();
    assert!(path.starts_with('/') && !path.contains("//"), "{path:?}");
    for segment in path.split('/') {
        assert!(segment != "." && segment != "..", "{path:?}");
        assert!(!segment.contains(['\\', ';']) && !segment.chars().any(char::is_control), "{path:?}");
    }
});
