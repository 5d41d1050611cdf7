//! The `X-Auth-*` request headers that name the caller to the API behind: removed in every spelling, then always set.
//! Servers that pass headers on as variables (CGI, WSGI, PHP) fold punctuation, so `X_Auth.User` would arrive as
//! `X-Auth-User`. Also removes the headers that make frameworks take another method or path than the one that was judged.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use keyfob_core::policy::Caller;

/// `X-Auth-User`, `X-Auth-Subject`, `X-Auth-Roles`, `X-Auth-Scope`.
pub const NAMES: [HeaderName; 4] = [
    HeaderName::from_static("x-auth-user"),
    HeaderName::from_static("x-auth-subject"),
    HeaderName::from_static("x-auth-roles"),
    HeaderName::from_static("x-auth-scope"),
];

/// `X-Auth-Assertion`: the caller as a signed assertion ([`keyfob_core::assertion`]), where a gateway's route asks for one.
pub const ASSERTION: HeaderName = HeaderName::from_static("x-auth-assertion");

// Some frameworks obey these instead of the request line, which was judged.
const OVERRIDES: [HeaderName; 5] = [
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];

/// Remove every header whose name, with `-`, `_`, `.` and all other punctuation folded, is an identity name or overrides
/// the method or path (`X-HTTP-Method`, `X-HTTP-Method-Override`, `X-Method-Override`, `X-Original-URL`, `X-Rewrite-URL`),
/// whoever sent it.
///
/// ```
/// use http::HeaderMap;
/// use keyfob_tower::identity;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x_auth.user", "root".parse()?);
/// headers.insert("accept", "*/*".parse()?);
/// identity::strip(&mut headers);
/// assert_eq!(headers.keys().collect::<Vec<_>>(), ["accept"]);
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
pub fn strip(headers: &mut HeaderMap) {
    let forged = |name: &&HeaderName| {
        NAMES.iter().chain([&ASSERTION]).chain(&OVERRIDES).any(|reserved| folds_to(name, reserved))
    };
    // Empty for nearly every request, and an empty list costs no allocation.
    let found: Vec<HeaderName> = headers.keys().filter(forged).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// Set all four, empty where there is no value: a service account has a subject and scopes, but no user and no roles.
pub fn set(headers: &mut HeaderMap, caller: Option<&Caller>) {
    let [user, subject, roles, scope] = NAMES;
    headers.insert(user, value(caller.and_then(Caller::name_header)));
    headers.insert(subject, value(caller.map(Caller::subject)));
    headers.insert(roles, value(caller.and_then(Caller::user).map(|known| &known.roles_header)));
    headers.insert(scope, value(caller.map(Caller::scope)));
}

/// The same bytes as a header value, shared and not copied. What no header can carry becomes the empty value: it
/// names nobody.
fn value(bytes: Option<&Bytes>) -> HeaderValue {
    let value = bytes.and_then(|bytes| HeaderValue::from_maybe_shared(bytes.clone()).ok());
    value.unwrap_or_else(|| HeaderValue::from_static(""))
}

/// Whether `name` is `reserved` once its punctuation is folded to `-`. Header names are lower case already.
fn folds_to(name: &HeaderName, reserved: &HeaderName) -> bool {
    let (name, reserved) = (name.as_str(), reserved.as_str());
    let folded = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    name.len() == reserved.len() && name.bytes().map(folded).eq(reserved.bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(name: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("api"));
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("root"));
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("admin"));
        headers
    }

    #[test]
    fn an_identity_header_is_removed_in_every_spelling() {
        for name in [
            "X-Auth-Assertion",
            "x_auth.assertion",
            "X-Auth-User",
            "x_auth_user",
            "X.Auth.User",
            "X-Auth_Roles",
            "x~auth!scope",
            "X-AUTH.SUBJECT",
        ] {
            let mut headers = with(name);
            strip(&mut headers);
            assert_eq!(headers.keys().collect::<Vec<_>>(), ["host"], "{name}");
        }
    }

    #[test]
    fn other_headers_stay() {
        for name in ["x-auth-users", "x-auth-use", "xauth-user", "x-authx-user", "authorization", "x-auth"] {
            let mut headers = with(name);
            strip(&mut headers);
            assert_eq!(headers.get_all(name).iter().count(), 2, "{name}");
        }
    }

    #[test]
    fn overrides_of_method_and_path_are_removed_in_every_spelling() {
        for name in ["X-HTTP-Method-Override", "x_http_method", "X.Method-Override", "X-Original-URL", "x_rewrite.url"]
        {
            let mut headers = with(name);
            strip(&mut headers);
            assert_eq!(headers.keys().collect::<Vec<_>>(), ["host"], "{name}");
        }
    }

    #[test]
    fn without_a_caller_all_four_are_set_and_empty() {
        let mut headers = with("x-auth-user");
        set(&mut headers, None);
        for name in &NAMES {
            assert_eq!(headers.get_all(name).iter().collect::<Vec<_>>(), [""], "{name}");
        }
    }

    proptest! {
        #[test]
        fn punctuation_and_case_never_hide_an_identity_header(
            at in 0..4_usize,
            marks in prop::collection::vec(prop::sample::select(b"!#$%&'*+-.^_`|~".to_vec()), 2),
            upper in any::<bool>(),
        ) {
            let mut marks = marks.into_iter();
            let name = &NAMES[at];
            let spelled = name.as_str().bytes().map(|byte| match byte {
                b'-' => marks.next().unwrap(),
                letter if upper => letter.to_ascii_uppercase(),
                letter => letter,
            });
            let mut headers = with(&String::from_utf8(spelled.collect()).unwrap());
            strip(&mut headers);
            prop_assert_eq!(headers.len(), 1);
        }
    }
}
