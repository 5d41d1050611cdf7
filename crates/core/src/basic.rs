//! RFC 7617: the user-id and password of a Basic credential, for routes that still take it ([`crate::policy`], `basic`). Reads
//! the field and nothing else. What is not UTF-8 is none: the challenge says `charset="UTF-8"` (§2.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::bearer::TOKEN_BYTES_MAX;

/// A Basic credential as it came, wiped when dropped. Nothing of it is checked. No `Display`; `Debug` prints the kind.
pub struct Credential {
    text: Zeroizing<String>,
    colon: usize,
}

/// Whether the `Authorization` field is of this scheme, whatever else is in it.
///
/// ```
/// use keyfob_core::basic;
///
/// assert!(basic::is_scheme(b"BASIC YWxpY2U6aHVudGVyMg=="));
/// assert!(!basic::is_scheme(b"Basically"));
/// ```
#[must_use]
pub fn is_scheme(value: &[u8]) -> bool {
    let (scheme, rest) = value.split_at(value.len().min(5));
    scheme.eq_ignore_ascii_case(b"Basic") && rest.first().is_none_or(|byte| *byte == b' ')
}

impl Credential {
    /// Read the one `Authorization` field line of a request; `None` if there is no credential in it that anybody could have.
    ///
    /// ```
    /// use keyfob_core::basic::Credential;
    ///
    /// let read = Credential::read(b"Basic YWxpY2U6aHVudGVyOjI=").unwrap();
    /// assert_eq!((read.user(), read.password()), ("alice", "hunter:2"));
    /// assert!(Credential::read(b"Basic alice:hunter2").is_none());
    /// ```
    #[must_use]
    pub fn read(value: &[u8]) -> Option<Self> {
        if !is_scheme(value) || value.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let token = value[5..].trim_ascii_start();
        // Room for all of it from the start: what grows leaves copies behind that nobody wipes.
        let mut bytes = Zeroizing::new(vec![0; token.len()]);
        let length = STANDARD.decode_slice(token, &mut bytes).ok()?;
        bytes.truncate(length);
        let text = Zeroizing::new(String::from_utf8(std::mem::take(&mut *bytes)).ok()?);
        // §2: neither part has control characters. The user-id has no colon, so the first one ends it.
        let colon = text.find(':').filter(|_| !text.contains(char::is_control))?;
        Some(Self { text, colon })
    }

    /// The user-id.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.text[..self.colon]
    }

    /// The password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.text[self.colon + 1..]
    }

    /// Both, as they came: `user-id ":" password`. One text for each pair.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(bytes: &[u8]) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(bytes)).into_bytes()
    }

    #[test]
    fn what_rfc_7617_forbids_is_no_credential() {
        for bytes in [&b"no colon"[..], b"a\0b:c", b"a:b\n", b"a:\x7f", b"\xe4:b", b""] {
            assert!(Credential::read(&header(bytes)).is_none(), "{bytes:?}");
        }
        for value in [
            "Basic",
            "Basic ",
            "Basic  ",
            "Basic YTpi YTpi",
            "Basic YTpi,YTpj",
            "Basic YTpi=",
            "Bearer YTpi",
            "Basic\tYTpi",
        ] {
            assert!(Credential::read(value.as_bytes()).is_none(), "{value:?}");
        }
        let long = [vec![b'a'; TOKEN_BYTES_MAX], b":b".to_vec()].concat();
        assert!(Credential::read(&header(&long)).is_none());
    }

    #[test]
    fn both_parts_may_be_empty_and_spaces_before_the_credential_are_skipped() {
        let read = Credential::read(b"basic   Og==").unwrap();
        assert_eq!((read.user(), read.password()), ("", ""));
    }

    proptest! {
        #[test]
        fn each_pair_is_read_as_it_was_written(user in "[^:\\pC]{0,20}", password in "\\PC{0,40}") {
            let read = Credential::read(&header(format!("{user}:{password}").as_bytes())).unwrap();
            prop_assert_eq!((read.user(), read.password()), (user.as_str(), password.as_str()));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Credential::read(&bytes);
            let _ = Credential::read(&[b"Basic ", &bytes[..]].concat());
        }
    }
}
