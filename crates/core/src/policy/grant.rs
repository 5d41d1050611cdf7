//! What a user's roles grant under one policy, and how a user is named to the API behind. Roles the policy does not know
//! grant nothing.

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::scope::Scope;
use crate::user::{KnownUser, RoleName, User, Username};

use super::Policy;

// RFC 3986 §2.3 unreserved characters stay readable; all others cannot break a header or be mistaken for a delimiter.
const NOT_UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The scopes that a list of roles grants under the policy of that version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which policy this was computed from ([`super::Policy::version`]).
    pub policy_version: u64,
    /// The scopes.
    pub scope: Scope,
    /// The scopes as text, for `X-Auth-Scope` and for the login answer.
    pub text: Bytes,
}

impl Policy {
    /// What these roles grant.
    #[must_use]
    pub fn grant(&self, roles: &[RoleName]) -> Grant {
        let known = roles.iter().filter_map(|role| self.roles.get(role));
        let scope: Scope = known.flat_map(Scope::iter).map(str::to_owned).collect();
        let text = Bytes::from(scope.to_string());
        Grant { policy_version: self.version, scope, text }
    }

    /// A user with its grant and header values.
    #[must_use]
    pub fn know(&self, user: User) -> KnownUser {
        let roles = user.roles.iter().map(RoleName::as_str).collect::<Vec<_>>().join(" ");
        KnownUser {
            grant: self.grant(&user.roles),
            name_header: name_header(&user.username),
            subject_header: user.id.to_string().into(),
            roles_header: roles.into(),
            user,
        }
    }
}

/// `X-Auth-User`: percent-encoded UTF-8.
pub(super) fn name_header(username: &Username) -> Bytes {
    utf8_percent_encode(username.as_str(), NOT_UNRESERVED).to_string().into()
}
