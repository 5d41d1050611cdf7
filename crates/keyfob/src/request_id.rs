//! Request ids: what a log line, an API's own log and a complaint have in common. Made here for every request; one that
//! a trusted proxy made is kept. Unique per process and process start, not secret, never a credential.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderName, HeaderValue};

use crate::clock;

/// The header that carries it to the API behind.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id of a trusted proxy that is kept, in bytes.
const KEPT_BYTES_MAX: usize = 64;

/// A request's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(u64);

impl RequestId {
    /// The next one.
    pub(crate) fn next() -> Self {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        Self(COUNTER.fetch_add(1, Ordering::Relaxed))
    }

    /// As a header value.
    pub(crate) fn header(self) -> HeaderValue {
        // What `Display` writes, without its machinery: every request to the API has one.
        let mut text = [b'0'; 8 + 1 + 16];
        let digits = (u64::BITS - self.0.leading_zeros()).div_ceil(4).max(1) as usize;
        hex(&mut text[..8], u64::from(process()));
        text[8] = b'-';
        hex(&mut text[9..9 + digits], self.0);
        HeaderValue::from_bytes(&text[..9 + digits]).unwrap_or(HeaderValue::from_static("0"))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:x}", process(), self.0)
    }
}

/// What tells this process's ids from those of any other.
fn process() -> u32 {
    static PROCESS: LazyLock<u32> = LazyLock::new(|| u32::from_be_bytes(clock::random()));
    *PROCESS
}

/// The low digits of `number`, as many as fit.
fn hex(text: &mut [u8], mut number: u64) {
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
}

/// Whether an id that a trusted proxy made can be kept: short and visible ASCII.
pub(crate) fn can_be_kept(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    !bytes.is_empty() && bytes.len() <= KEPT_BYTES_MAX && bytes.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_only_short_visible_ones_are_kept() {
        for number in [0, 1, 15, 16, 0x1234, u64::from(u32::MAX) + 1, u64::MAX] {
            let id = RequestId(number);
            assert_eq!(id.header(), id.to_string());
        }
        assert_ne!(RequestId::next().to_string(), RequestId::next().to_string());
        assert!(can_be_kept(&RequestId::next().header()));
        for bad in ["", "a b", &"x".repeat(65)] {
            assert!(!can_be_kept(&HeaderValue::try_from(bad).unwrap()), "{bad}");
        }
    }
}
