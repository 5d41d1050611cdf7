//! The `X-Auth-*` request headers that name the caller to the API behind: removed in every spelling, then always set.

use http::{HeaderMap, HeaderName};
use keyfob_core::policy::Caller;

/// `X-Auth-User`, `X-Auth-Subject`, `X-Auth-Roles`, `X-Auth-Scope`.
pub const NAMES: [HeaderName; 4] = [
    HeaderName::from_static("x-auth-user"),
    HeaderName::from_static("x-auth-subject"),
    HeaderName::from_static("x-auth-roles"),
    HeaderName::from_static("x-auth-scope"),
];

/// Remove every header whose name, with `-`, `_` and `.` folded, is an identity name, whoever sent it.
pub fn strip(headers: &mut HeaderMap) {
    let _ = headers;
    todo!()
}

/// Set all four, empty where there is no value.
pub fn set(headers: &mut HeaderMap, caller: Option<&Caller>) {
    let _ = (headers, caller);
    todo!()
}
