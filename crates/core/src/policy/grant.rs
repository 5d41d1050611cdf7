//! What a user's roles grant under one policy.

use bytes::Bytes;

use crate::scope::Scope;

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
