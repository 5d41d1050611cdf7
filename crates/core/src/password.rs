//! Passwords (SP 800-63B-4 §3.1.1): NFC, at least 15 code points, a blocklist, no composition rules, no truncation;
//! stored as Argon2id PHC strings. Never knows a user's other secrets, never sleeps, never allocates per hash.

mod blocklist;
mod hasher;
mod legacy;
mod pattern;
#[cfg(test)]
mod tests;

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

pub use self::hasher::{Cost, HashError, Hasher, PasswordHash, Verdict, dummy_hash};
pub use self::legacy::{LegacyForm, LegacyHash, LegacyProblem, Scheme};
use crate::user::Username;

/// Longest password, in code points of its NFC form. Checked before any user is looked up.
pub const CODE_POINTS_MAX: usize = 256;

/// Shortest new password unless configured otherwise, in code points (SP 800-63B-4, single factor).
pub const CODE_POINTS_MIN: usize = 15;

/// Longest text that is looked at, in bytes: four bytes a code point, and four code points (a letter with three
/// marks) are the most that NFC makes one of. More than that is too long whatever it says, and costs nothing.
const TYPED_BYTES_MAX: usize = CODE_POINTS_MAX * 4 * 4;

/// A password as it is hashed: NFC, at most [`CODE_POINTS_MAX`] code points, wiped when dropped.
///
/// ```
/// use keyfob_core::password::Password;
///
/// // The accent may be typed as one character or as two.
/// let composed = Password::parse("caf\u{e9} au lait")?;
/// let decomposed = Password::parse("cafe\u{301} au lait")?;
/// assert_eq!(composed.expose(), decomposed.expose());
/// # Ok::<(), keyfob_core::password::PasswordProblem>(())
/// ```
pub struct Password(Zeroizing<String>);

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
    /// On the blocklist, a repetition, a walk over the keyboard, or made of this user's name or this service's words.
    #[error("this password is too common, too regular, or little more than the username: choose another")]
    Blocked,
}

impl Password {
    /// Normalise what was typed. Only the upper bound is checked: sign-in must accept what was once accepted.
    ///
    /// # Errors
    /// [`PasswordProblem::TooLong`].
    pub fn parse(typed: &str) -> Result<Self, PasswordProblem> {
        if typed.len() > TYPED_BYTES_MAX {
            return Err(PasswordProblem::TooLong);
        }
        // Room for the longest password, so that growing leaves no copies behind that nobody wipes.
        let mut normal = Zeroizing::new(String::with_capacity(CODE_POINTS_MAX * 4));
        for (at, letter) in typed.nfc().enumerate() {
            if at == CODE_POINTS_MAX {
                return Err(PasswordProblem::TooLong);
            }
            normal.push(letter);
        }
        Ok(Self(normal))
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

impl Default for Rules {
    fn default() -> Self {
        Self { min: CODE_POINTS_MIN }
    }
}

impl Rules {
    /// Judge a new password for `username`.
    ///
    /// Length and blocklist only: SP 800-63B-4 §3.1.1.2 forbids composition rules. The blocklist judges the whole
    /// password, case folded; besides the list itself it refuses what is one short unit repeated, what is nothing but
    /// keyboard walks and the commonest words, and what leaves little once the username and the service's name are
    /// taken out.
    ///
    /// # Errors
    /// The [`PasswordProblem`] to tell the user.
    ///
    /// ```
    /// use keyfob_core::password::{Password, PasswordProblem, Rules};
    /// use keyfob_core::user::Username;
    ///
    /// let rules = Rules::default();
    /// let alice = Username::parse("alice").unwrap();
    /// assert_eq!(rules.check(&Password::parse("cobalt teapot fjord")?, &alice), Ok(()));
    /// assert_eq!(rules.check(&Password::parse("AliceAliceAlice")?, &alice), Err(PasswordProblem::Blocked));
    /// assert_eq!(rules.check(&Password::parse("tea")?, &alice), Err(PasswordProblem::TooShort { min: 15 }));
    /// # Ok::<(), PasswordProblem>(())
    /// ```
    pub fn check(&self, password: &Password, username: &Username) -> Result<(), PasswordProblem> {
        if password.0.chars().count() < self.min {
            return Err(PasswordProblem::TooShort { min: self.min });
        }
        let folded = fold_case(&password.0);
        let letters: Zeroizing<Vec<char>> = Zeroizing::new(folded.chars().collect());
        let own_words = pattern::own_words(username.as_str());
        let blocked = blocklist::contains(&folded)
            || pattern::repeats_a_unit_below(self.min, &letters)
            || pattern::is_common_pieces(&letters, &own_words)
            || pattern::leaves_little_without(&own_words, &letters);
        if blocked { Err(PasswordProblem::Blocked) } else { Ok(()) }
    }
}

/// Lower case, letter by letter, in a buffer that is wiped. Twice the room: no lower case is longer than that.
fn fold_case(text: &str) -> Zeroizing<String> {
    let mut folded = Zeroizing::new(String::with_capacity(text.len() * 2));
    folded.extend(text.chars().flat_map(char::to_lowercase));
    folded
}
