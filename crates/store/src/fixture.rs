//! What the tests of this crate share.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use keyfob_core::SecureRandom;

/// The system's randomness.
#[expect(clippy::disallowed_methods, reason = "tests have no program that could pass it in")]
pub(crate) fn rng() -> &'static (dyn SecureRandom + Sync) {
    static RNG: OnceLock<SystemRandom> = OnceLock::new();
    RNG.get_or_init(SystemRandom::new)
}

/// The incarnation of every store the tests make.
pub(crate) const INCARNATION: [u8; 16] = *b"first life of it";
