//! What a user calls an API key: one line for people, never a secret, never used to find it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest name, in code points: one column of a terminal.
const NAME_CODE_POINTS_MAX: usize = 64;

/// The name of an API key: 1 to 64 characters, none of them a control character, no white space at either end.
///
/// ```
/// use keyfob_core::api_key::KeyName;
///
/// assert_eq!(KeyName::parse("nightly report")?.as_str(), "nightly report");
/// assert!(KeyName::parse("two\nlines").is_err());
/// # Ok::<(), keyfob_core::api_key::NotAKeyName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyName(String);

/// A text that is no name of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAKeyName {
    /// Empty, too long, or not one visible line.
    #[error("the name of a key has 1 to 64 characters on one line, without white space at either end")]
    Form,
    /// A secret was given for a name: it would be stored and shown.
    #[error("the name of a key must not be a key")]
    Secret,
}

impl KeyName {
    /// The name `raw`.
    ///
    /// # Errors
    /// [`NotAKeyName`] says what to change.
    pub fn parse(raw: &str) -> Result<Self, NotAKeyName> {
        if raw.contains("fob_key_") || raw.contains("fob_ref_") || raw.contains("fob_sec_") {
            return Err(NotAKeyName::Secret);
        }
        let length = raw.chars().take(NAME_CODE_POINTS_MAX + 1).count();
        let ok = (1..=NAME_CODE_POINTS_MAX).contains(&length) && raw.trim() == raw && raw.chars().all(is_plain);
        if ok { Ok(Self(raw.to_owned())) } else { Err(NotAKeyName::Form) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Neither a control character nor one that turns the writing direction of a whole line (Unicode UAX 9).
fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for KeyName {
    type Error = NotAKeyName;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        Self::parse(&raw)
    }
}

impl From<KeyName> for String {
    fn from(name: KeyName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_visible_line() {
        for name in ["a", "nightly report", "Zoë's laptop", &"é".repeat(64)] {
            assert_eq!(KeyName::parse(name).unwrap().to_string(), name);
        }
        for name in ["", " ", " a", "a ", "a\nb", "a\tb", "a\u{0}", "a\u{7f}", "\u{202e}abc", &"é".repeat(65)] {
            assert_eq!(KeyName::parse(name), Err(NotAKeyName::Form), "{name:?}");
        }
        assert_eq!(KeyName::parse("fob_key_abc"), Err(NotAKeyName::Secret));
    }
}
