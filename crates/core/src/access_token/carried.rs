//! What a token carries of its holder's rights: RFC 9068 §2.2.3 `scope`, and keyfob's own claim `narrowed`. Never says
//! what its holder may do: that is what is granted now, and this only narrows it.

use std::ops::Deref;
use std::sync::Arc;

use crate::scope::Scope;

/// A scope, and whether it was asked for. One shared value for both, because a guard remembers a million tokens of a few
/// scopes, and a flag beside each would cost a million times the eight bytes that it is aligned to.
///
/// ```
/// use std::sync::Arc;
///
/// use keyfob_core::access_token::Carried;
/// use keyfob_core::scope::Scope;
///
/// let scope = Scope::parse("reports:read")?;
/// let whole: Arc<Carried> = scope.clone().into();
/// let asked = Carried { scope, narrowed: true };
/// assert!(asked.contains("reports:read") && !whole.narrowed && *whole != asked);
/// # Ok::<(), keyfob_core::scope::NotAScope>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Carried {
    /// `scope`.
    pub scope: Scope,
    /// `narrowed`: somebody asked for certain scopes, so the token manages no account, whatever its user may do by now.
    /// Absent in a token for whatever the user may do.
    pub narrowed: bool,
}

impl From<Scope> for Arc<Carried> {
    /// Whatever its holder may do: nobody asked for less.
    fn from(scope: Scope) -> Self {
        Self::new(Carried { scope, narrowed: false })
    }
}

impl Deref for Carried {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        &self.scope
    }
}
