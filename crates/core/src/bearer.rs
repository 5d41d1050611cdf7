//! RFC 6750 §2.1 and RFC 9110 §11: reads the `Authorization` field, and nothing else. A token in a query or a body
//! is never a credential here.

/// Longest token that is looked at, in bytes. Real ones are near 600; anything longer is refused before any split.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// What the `Authorization` field lines of one request present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// No field line.
    Nothing,
    /// A scheme other than Bearer, such as Basic.
    OtherScheme,
    /// Two field lines, no token, an oversized one, or bytes that are not `b64token`.
    Malformed,
    /// A `b64token` of at most [`TOKEN_BYTES_MAX`] bytes.
    Bearer(&'a str),
}

/// Read the values of all `Authorization` field lines.
///
/// The scheme is compared without regard to case (RFC 9110 §11.1) and at least one space follows it (§11.4:
/// `auth-scheme 1*SP token68`). Two field lines are refused whatever they hold, because whoever is behind might read
/// the other one. What follows a scheme that is not Bearer is not judged.
///
/// ```
/// use keyfob_core::bearer::{Presented, read};
///
/// assert_eq!(read([b"Bearer mF_9.B5f-4.1JqM".as_slice()]), Presented::Bearer("mF_9.B5f-4.1JqM"));
/// assert_eq!(read([b"Basic YWxpY2U6aHVudGVyMg==".as_slice()]), Presented::OtherScheme);
/// assert_eq!(read([]), Presented::Nothing);
/// assert_eq!(read([b"Bearer one".as_slice(), b"Bearer one".as_slice()]), Presented::Malformed);
/// ```
pub fn read<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Presented<'a> {
    let mut values = values.into_iter();
    let Some(value) = values.next() else { return Presented::Nothing };
    if values.next().is_some() {
        return Presented::Malformed;
    }
    let (scheme, rest) = match value.iter().position(|&byte| byte == b' ') {
        Some(end) => value.split_at(end),
        None => (value, [].as_slice()),
    };
    if !is_token(scheme) {
        return Presented::Malformed;
    }
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Presented::OtherScheme;
    }
    let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
    b64token(&rest[spaces..]).map_or(Presented::Malformed, Presented::Bearer)
}

/// RFC 6750 §2.1 `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn b64token(bytes: &[u8]) -> Option<&str> {
    if bytes.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let padding = bytes.iter().rev().take_while(|&&byte| byte == b'=').count();
    let body = &bytes[..bytes.len() - padding];
    // A fold without an early exit becomes vector instructions; nearly every token is whole, so there is no loss.
    let valid = body.iter().fold(!body.is_empty(), |valid, &byte| {
        valid & (byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/'))
    });
    if valid { std::str::from_utf8(bytes).ok() } else { None }
}

/// RFC 9110 §5.6.2 `token`.
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bearer_scheme_is_read_in_any_case_and_after_any_number_of_spaces() {
        for value in ["Bearer tok", "bearer tok", "BEARER tok", "bEaReR   tok"] {
            assert_eq!(read([value.as_bytes()]), Presented::Bearer("tok"), "{value}");
        }
    }

    #[test]
    fn every_b64token_character_is_read_and_padding_only_at_the_end() {
        let all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/==";
        assert_eq!(read([format!("Bearer {all}").as_bytes()]), Presented::Bearer(all));
        for value in ["Bearer =", "Bearer ==", "Bearer a=b", "Bearer =a"] {
            assert_eq!(read([value.as_bytes()]), Presented::Malformed, "{value}");
        }
    }

    #[test]
    fn a_value_without_a_token_is_malformed() {
        for value in ["", " ", "Bearer", "Bearer ", "Bearer   ", "bearer", " Bearer tok"] {
            assert_eq!(read([value.as_bytes()]), Presented::Malformed, "{value:?}");
        }
    }

    #[test]
    fn every_byte_outside_the_grammar_is_malformed_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            if byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte) {
                continue;
            }
            let mut spots = vec![[b"Bearer a".as_slice(), &[byte], b"b"].concat()];
            if byte != b' ' {
                spots.push([b"Bearer ".as_slice(), &[byte], b"ab"].concat());
            }
            if byte != b'=' {
                spots.push([b"Bearer ab".as_slice(), &[byte]].concat());
            }
            for value in spots {
                assert_eq!(read([value.as_slice()]), Presented::Malformed, "{value:?}");
            }
        }
    }

    #[test]
    fn two_tokens_or_a_list_of_credentials_are_malformed() {
        for value in ["Bearer one two", "Bearer one,two", "Bearer one, Bearer two", "Bearer, one", "Basic, Bearer one"]
        {
            assert_eq!(read([value.as_bytes()]), Presented::Malformed, "{value}");
        }
    }

    #[test]
    fn two_field_lines_are_malformed_whatever_their_schemes() {
        for second in ["Bearer tok", "Basic dTpw", ""] {
            for first in ["Bearer tok", "Basic dTpw", ""] {
                assert_eq!(read([first.as_bytes(), second.as_bytes()]), Presented::Malformed, "{first:?} {second:?}");
            }
        }
    }

    #[test]
    fn a_separator_other_than_a_space_is_malformed() {
        for value in ["Bearer\ttok", "Bearer\x0btok", "Bearer\u{a0}tok", "Bearer:tok", "Bearer\ntok"] {
            assert_eq!(read([value.as_bytes()]), Presented::Malformed, "{value:?}");
        }
    }

    #[test]
    fn another_scheme_is_told_apart() {
        for value in ["Basic dTpw", "Digest username=\"x\", realm=\"y\"", "Negotiate", "Bearers tok", "DPoP tok"] {
            assert_eq!(read([value.as_bytes()]), Presented::OtherScheme, "{value}");
        }
    }

    #[test]
    fn a_token_of_exactly_the_cap_is_read_and_one_byte_more_is_not() {
        let longest = "a".repeat(TOKEN_BYTES_MAX);
        assert_eq!(read([format!("Bearer {longest}").as_bytes()]), Presented::Bearer(&longest));
        assert_eq!(read([format!("Bearer {longest}a").as_bytes()]), Presented::Malformed);
        assert_eq!(read([format!("Bearer {longest}=").as_bytes()]), Presented::Malformed);
    }

    proptest! {
        #[test]
        fn what_is_read_is_the_end_of_the_value_and_in_the_grammar(value in proptest::collection::vec(any::<u8>(), 0..64)) {
            let value = [b"Bearer ".as_slice(), &value].concat();
            if let Presented::Bearer(token) = read([value.as_slice()]) {
                prop_assert!(value.ends_with(token.as_bytes()));
                prop_assert!(token.trim_end_matches('=').bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b)));
                prop_assert!(!token.trim_end_matches('=').is_empty());
            }
        }

        #[test]
        fn every_b64token_is_read_whole(token in "[A-Za-z0-9._~+/-]{1,200}={0,3}", spaces in " {1,4}") {
            let value = format!("Bearer{spaces}{token}");
            prop_assert_eq!(read([value.as_bytes()]), Presented::Bearer(token.as_str()));
        }
    }
}
