//! What is asked: method, host and raw target, judged once on decoded segments. The bytes forwarded are the bytes
//! judged, so this value is built once and travels inside the [`super::Permit`].

/// One request to judge. Owns the exact method, host and target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    method: Box<str>,
    host: Box<str>,
    target: Box<str>,
    // Decoded path segments for matching; `None` when the raw path needs no decoding.
    decoded: Option<Box<str>>,
    path_len: usize,
}

/// A target that two readers could read in two ways: dot segments, empty inner segments, `;`, `\`, an encoded `/`,
/// `\`, `%` or NUL, a fragment, invalid UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request path is ambiguous")]
pub struct AmbiguousTarget;

impl Ask {
    /// Read a method token, the effective host (may be empty) and an origin-form target (`/path?query`).
    ///
    /// # Errors
    /// [`AmbiguousTarget`]. Encoded `/` and `%` are kept aside: only a route that opts in lets them pass.
    pub fn parse(method: &str, host: &str, target: &[u8]) -> Result<Self, AmbiguousTarget> {
        let _ = (method, host, target);
        todo!()
    }

    /// The method, as sent.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The host, as sent.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The raw target: path and query, byte for byte.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The decoded path that routes are matched on.
    #[must_use]
    pub fn path(&self) -> &str {
        self.decoded.as_deref().unwrap_or(&self.target[..self.path_len])
    }
}
