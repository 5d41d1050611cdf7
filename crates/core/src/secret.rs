//! Text that must never be shown: no `Display`, no `Serialize`, a `Debug` that prints the kind, wiped when dropped.

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

/// A secret string: a password as typed, a token as presented.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Take ownership of a secret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself. Every call is a place to check in review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
