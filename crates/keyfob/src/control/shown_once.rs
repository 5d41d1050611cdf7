//! A secret on its way to its owner, who sees it once: over the control socket of mode 0600, and to standard output.
//! Never in a log or an error: `Debug` shows the kind only.

use keyfob_core::opaque::Opaque;
use keyfob_core::secret::Secret;
use serde::{Deserialize, Serialize, Serializer};

/// The secret. This and [`super::Intention`] are the only values that serialise one.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct ShownOnce(Secret);

impl ShownOnce {
    /// The text, to be printed.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl From<&Opaque> for ShownOnce {
    fn from(secret: &Opaque) -> Self {
        Self(Secret::new(secret.expose().to_owned()))
    }
}

impl PartialEq for ShownOnce {
    fn eq(&self, other: &Self) -> bool {
        let (this, that) = (self.expose().as_bytes(), other.expose().as_bytes());
        aws_lc_rs::constant_time::verify_slices_are_equal(this, that).is_ok()
    }
}

impl Eq for ShownOnce {}

impl Serialize for ShownOnce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}
