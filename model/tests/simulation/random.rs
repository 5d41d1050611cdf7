//! Random numbers from a seed: `SplitMix64`, the same on every machine and for ever.

use std::ops::Range;
use std::time::Duration;

/// What a seed brings.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// One of a range; the first if the range is empty.
    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % range.end.saturating_sub(range.start).max(1)
    }

    /// One of `0..below`.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        usize::try_from(self.within(0..below as u64)).unwrap_or(0)
    }

    /// Whether something happens that does so `times` times in a thousand.
    pub(crate) fn happens(&mut self, times: u64) -> bool {
        self.within(0..1000) < times
    }

    pub(crate) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let micros = |length: Duration| u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.within(micros(from)..micros(to)))
    }
}
