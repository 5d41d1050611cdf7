//! Reads a small message: JSON (unknown, doubled and missing members refused) or a form. Size-limited, and an error
//! never repeats what was sent, because what was sent may be a password. Time-limited as a whole: a client that dribbles
//! would otherwise keep its connection for ever, signed in or not.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::problem::HttpError;
use crate::config::HttpLimits;

/// The bytes of a body that is small and comes in time.
pub(super) async fn bytes(body: Incoming, limits: &HttpLimits) -> Result<Bytes, HttpError> {
    let max = limits.own_body_bytes;
    match tokio::time::timeout(limits.body_idle_timeout, Limited::new(body, max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(HttpError::TooLarge(max)),
        Ok(Err(_)) => Err(HttpError::BadRequest("broken-body", "the body broke off".to_owned())),
        Err(_late) => Err(HttpError::TooSlow),
    }
}

/// A media type that messages come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Form,
}

/// The media type of a request, parameters aside.
pub(super) fn media(headers: &HeaderMap) -> Result<Media, HttpError> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).ok_or(HttpError::MediaType)?;
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(Media::Json)
    } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(Media::Form)
    } else {
        Err(HttpError::MediaType)
    }
}

/// Refuse what is no form: the OAuth endpoints take nothing else (RFC 6749 §3.2).
pub(super) fn only_form(headers: &HeaderMap) -> Result<(), HttpError> {
    if media(headers)? == Media::Form { Ok(()) } else { Err(HttpError::MediaType) }
}

/// A JSON document.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, HttpError> {
    if body.is_empty() {
        return Err(HttpError::BadRequest("empty-body", "the body is empty: send a JSON object".to_owned()));
    }
    if std::str::from_utf8(body).is_err() {
        return Err(HttpError::BadRequest("not-utf-8", "the body is not UTF-8".to_owned()));
    }
    // serde would read an array as the members in order.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|first| matches!(first, b'[' | b'"')) {
        return Err(HttpError::Unprocessable("wrong-members", "send a JSON object".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        let text = error.to_string();
        if !error.is_data() {
            return HttpError::BadRequest("bad-json", format!("{place}: this is not valid JSON"));
        }
        if text.starts_with("duplicate field") {
            return HttpError::BadRequest("bad-json", format!("{place}: a member is there twice"));
        }
        // Only the names of our own members may be repeated.
        let what = match text.split('`').nth(1) {
            Some(name) if text.starts_with("missing field") => format!("the member {name} is missing"),
            _ if text.starts_with("unknown field") => "a member is not known here".to_owned(),
            _ => "a member has the wrong type".to_owned(),
        };
        HttpError::Unprocessable("wrong-members", format!("{place}: {what}"))
    })
}

/// The named parameters of a form; each at most once, others ignored (RFC 6749 §3.2).
pub(super) fn form<const N: usize>(body: &[u8], names: [&str; N]) -> Result<[Option<String>; N], HttpError> {
    if std::str::from_utf8(body).is_err() {
        return Err(HttpError::BadRequest("not-utf-8", "the body is not UTF-8".to_owned()));
    }
    let mut found = [const { None }; N];
    for (name, value) in form_urlencoded::parse(body) {
        let Some(at) = names.iter().position(|known| *known == name) else { continue };
        if value.contains('\u{FFFD}') {
            return Err(HttpError::BadRequest("not-utf-8", "a parameter is not UTF-8".to_owned()));
        }
        if found[at].replace(value.into_owned()).is_some() {
            return Err(HttpError::BadRequest(
                "doubled-parameter",
                format!("the parameter {} is there twice", names[at]),
            ));
        }
    }
    Ok(found)
}

/// A parameter that must be there.
pub(super) fn required(value: Option<String>, name: &str) -> Result<String, HttpError> {
    value.ok_or_else(|| HttpError::Unprocessable("wrong-members", format!("the parameter {name} is missing")))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only whether it can be read is tested")]
        password: String,
    }

    fn refused(body: &str) -> (u16, String) {
        match json::<Sample>(body.as_bytes()).unwrap_err() {
            HttpError::BadRequest(_, detail) => (400, detail),
            HttpError::Unprocessable(_, detail) => (422, detail),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn json_that_cannot_be_read_says_where_and_never_repeats_a_value() {
        assert_eq!(refused("").0, 400);
        assert_eq!(refused("{").0, 400);
        assert_eq!(refused(r#"{"password":"hunter2"} x"#).0, 400);
        assert_eq!(refused(r#"{"password":"a","password":"hunter2"}"#).0, 400);
        assert_eq!(refused("{}"), (422, "line 1, column 2: the member password is missing".to_owned()));
        for body in [r#"{"password":["hunter2"]}"#, r#"{"password":"a","hunter2":1}"#, r#"["hunter2"]"#, "\"hunter2\""]
        {
            let (status, detail) = refused(body);
            assert!(status == 422 && !detail.contains("hunter2"), "{body}: {detail}");
        }
    }

    #[test]
    fn a_doubled_parameter_is_refused_and_an_unknown_one_ignored() {
        let read = form(b"username=alice&grant_type=password&password=a+b%26c", ["username", "password"]).unwrap();
        assert_eq!(read, [Some("alice".to_owned()), Some("a b&c".to_owned())]);
        assert!(form(b"username=a&username=b", ["username"]).is_err());
        assert!(form(b"username=%ff", ["username"]).is_err());
    }
}
