//! Passwords (SP 800-63B-4 §3.1.1): NFC, at least 15 code points, a blocklist, no composition rules, no truncation;
//! stored as Argon2id PHC strings. Never knows a user's other secrets, never sleeps, never allocates per hash.

use std::fmt;

use zeroize::Zeroizing;

use crate::user::Username;

/// A password as it is hashed: NFC, at most [`CODE_POINTS_MAX`] code points.
pub struct Password(Zeroizing<String>);

/// Longest password, in code points. Checked before any user is looked up.
pub const CODE_POINTS_MAX: usize = 256;

/// Shortest new password unless configured otherwise, in code points (SP 800-63B-4, single factor).
pub const CODE_POINTS_MIN: usize = 15;

/// Why a password is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordProblem {
    /// Fewer code points than the rules ask for.
    #[error("a password needs at least {min} characters; a few unrelated words make a good one")]
    TooShort {
        /// The configured minimum.
        min: usize,
    },
    /// More than [`CODE_POINTS_MAX`].
    #[error("a password has at most 256 characters")]
    TooLong,
    /// On the blocklist, or made of this user's name or this service's words.
    #[error("this password is too common or contains only the username: choose another")]
    Blocked,
}

impl Password {
    /// Normalise what was typed. Only the upper bound is checked: sign-in must accept what was once accepted.
    ///
    /// # Errors
    /// [`PasswordProblem::TooLong`].
    pub fn parse(typed: &str) -> Result<Self, PasswordProblem> {
        let _ = typed;
        todo!()
    }

    /// The normalised bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// What a new password must satisfy.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Fewest code points.
    pub min: usize,
}

impl Rules {
    /// Judge a new password for `username`.
    ///
    /// # Errors
    /// The [`PasswordProblem`] to tell the user.
    pub fn check(&self, password: &Password, username: &Username) -> Result<(), PasswordProblem> {
        let _ = (password, username);
        todo!()
    }
}

/// A stored password: an Argon2id PHC string. No `Display`; `Debug` prints the kind.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Zeroizing<String>);

impl PasswordHash {
    /// Wrap a PHC string read from a store.
    #[must_use]
    pub fn from_phc(phc: String) -> Self {
        Self(Zeroizing::new(phc))
    }

    /// The PHC string, for a store.
    #[must_use]
    pub fn expose_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// Argon2id cost: RFC 9106 parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// Memory in KiB (default 19,456; range 8 to 1,048,576).
    pub memory_kib: u32,
    /// Passes (default 2; range 1 to 64).
    pub passes: u32,
    /// Lanes (default 1; range 1 to 16).
    pub lanes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

/// The answer of [`Hasher::verify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is the password.
    pub matches: bool,
    /// Whether the stored hash is cheaper than today's cost and should be replaced after a match.
    pub rehash: bool,
}

/// The stored hash is damaged, or dearer than this process accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored password hash cannot be computed")]
pub struct HashError;

/// Hashes with memory of its own, reused from call to call. One per hashing thread.
pub struct Hasher {
    _todo: (),
}

impl Hasher {
    /// A hasher at this cost; allocates its memory once, at the first hash.
    #[must_use]
    pub fn new(cost: Cost) -> Self {
        let _ = cost;
        todo!()
    }

    /// Hash a new password with a random salt.
    ///
    /// # Errors
    /// [`HashError`] if the cost is out of range.
    pub fn hash(&mut self, password: &Password, salt: &[u8; 16]) -> Result<PasswordHash, HashError> {
        let _ = (password, salt);
        todo!()
    }

    /// Compare in constant time.
    ///
    /// # Errors
    /// [`HashError`] if the stored hash is damaged.
    pub fn verify(&mut self, password: &Password, stored: &PasswordHash) -> Result<Verdict, HashError> {
        let _ = (password, stored);
        todo!()
    }
}
