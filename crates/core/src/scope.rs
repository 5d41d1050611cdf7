//! RFC 6749 §3.3 scope: a set of scope-tokens, with the subset order.

use std::fmt;

/// Longest scope that is read, in bytes: no more than the longest token that could carry one.
pub const SCOPE_BYTES_MAX: usize = 8 * 1024;

/// A set of permission names, sorted, without duplicates.
///
/// ```
/// use keyfob_core::scope::Scope;
///
/// let granted = Scope::parse("reports:write reports:read")?;
/// let asked = Scope::parse("reports:read users:read")?;
/// assert!(!asked.is_subset_of(&granted));
/// assert_eq!(asked.intersection(&granted).to_string(), "reports:read");
/// # Ok::<(), keyfob_core::scope::NotAScope>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope(Vec<Box<str>>);

/// A text that is no RFC 6749 scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is a list of visible ASCII names separated by single spaces, without quotes or backslashes")]
pub struct NotAScope;

impl Scope {
    /// Read a space-separated list. The empty text is the empty scope.
    ///
    /// # Errors
    /// [`NotAScope`] for anything else than `scope-token *( SP scope-token )`, or more than [`SCOPE_BYTES_MAX`] of it.
    pub fn parse(text: &str) -> Result<Self, NotAScope> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        if text.len() > SCOPE_BYTES_MAX {
            return Err(NotAScope);
        }
        // Counted first: a list that grows by doubling would hold twice what a hostile scope needs.
        let count = 1 + text.bytes().filter(|&byte| byte == b' ').count();
        let mut names = Vec::with_capacity(count);
        for name in text.split(' ') {
            if !is_scope_token(name) {
                return Err(NotAScope);
            }
            names.push(Box::from(name));
        }
        names.sort_unstable();
        names.dedup();
        Ok(Self(names))
    }

    /// The names, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether `name` is in the set.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.binary_search_by(|have| have.as_ref().cmp(name)).is_ok()
    }

    /// Whether every name of this scope is in `other`.
    #[must_use]
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.iter().all(|name| other.contains(name))
    }

    /// What both have.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|name| other.contains(name)).cloned().collect())
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<String> for Scope {
    /// Collects names that are known to be scope-tokens.
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        let mut names: Vec<Box<str>> = names.into_iter().map(String::into_boxed_str).collect();
        names.sort_unstable();
        names.dedup();
        Self(names)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// Whether `text` is one RFC 6749 scope-token: `1*( %x21 / %x23-5B / %x5D-7E )`.
#[must_use]
pub fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_scope_is_read_sorted_and_without_duplicates() {
        let scope = Scope::parse("users:read reports:read users:read").unwrap();
        assert_eq!(scope.iter().collect::<Vec<_>>(), ["reports:read", "users:read"]);
        assert_eq!(scope.to_string(), "reports:read users:read");
        assert!(Scope::parse("").unwrap().is_empty());
    }

    #[test]
    fn anything_but_names_between_single_spaces_is_no_scope() {
        for text in [" ", " a", "a ", "a  b", "a\tb", "a\nb", "a\u{a0}b", "\"a\"", "a\\b", "é", "a\0", "a\u{7f}"] {
            assert_eq!(Scope::parse(text), Err(NotAScope), "{text:?}");
        }
    }

    #[test]
    fn a_scope_of_exactly_the_cap_is_read_and_one_byte_more_is_not() {
        assert!(Scope::parse(&"a".repeat(SCOPE_BYTES_MAX)).is_ok());
        assert_eq!(Scope::parse(&"a".repeat(SCOPE_BYTES_MAX + 1)), Err(NotAScope));
        assert_eq!(Scope::parse(&"a ".repeat(SCOPE_BYTES_MAX)), Err(NotAScope));
    }

    #[test]
    fn collecting_names_and_parsing_them_give_the_same_scope() {
        let names = ["b", "a", "b"].map(str::to_owned);
        assert_eq!(names.into_iter().collect::<Scope>(), Scope::parse("a b").unwrap());
    }

    /// Few names, so that random scopes often overlap.
    fn scopes() -> impl Strategy<Value = Scope> {
        proptest::collection::vec("[a-d]", 0..5).prop_map(Scope::from_iter)
    }

    proptest! {
        #[test]
        fn parsing_accepts_exactly_the_grammar(text in "[ !\"#\\\\a~\x00-\x20\u{7f}é]{0,6}") {
            let expected = text.is_empty()
                || text.split(' ').all(|name| {
                    !name.is_empty()
                        && name.chars().all(|c| matches!(c, '\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E'))
                });
            prop_assert_eq!(Scope::parse(&text).is_ok(), expected);
        }

        #[test]
        fn a_printed_scope_reads_back(scope in scopes()) {
            prop_assert_eq!(Scope::parse(&scope.to_string()), Ok(scope));
        }

        #[test]
        fn the_subset_relation_is_a_partial_order(a in scopes(), b in scopes(), c in scopes()) {
            prop_assert!(a.is_subset_of(&a));
            prop_assert_eq!(a.is_subset_of(&b) && b.is_subset_of(&a), a == b);
            prop_assert!(!(a.is_subset_of(&b) && b.is_subset_of(&c)) || a.is_subset_of(&c));
            prop_assert!(Scope::default().is_subset_of(&a));
        }

        #[test]
        fn the_intersection_is_the_greatest_common_subset(a in scopes(), b in scopes(), c in scopes()) {
            let both = a.intersection(&b);
            prop_assert!(both.is_subset_of(&a) && both.is_subset_of(&b));
            prop_assert_eq!(&both, &b.intersection(&a));
            prop_assert_eq!(c.is_subset_of(&a) && c.is_subset_of(&b), c.is_subset_of(&both));
            prop_assert_eq!(a.is_subset_of(&b), both == a);
        }
    }
}
