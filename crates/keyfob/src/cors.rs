//! Cross-origin rules (the Fetch standard): exact origins, preflights answered by keyfob and never forwarded,
//! `WWW-Authenticate` exposed so that a page can tell "refresh" from "not allowed". Never `*`, never credentials: the
//! token travels in a header that the page sets itself.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CACHE_CONTROL, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::body::Body;

/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: &str = "600";

/// What the rules say of one request.
pub(crate) struct Answer {
    /// The request's origin, if it is one of those listed.
    origin: Option<HeaderValue>,
    /// Whether there are rules at all: then the answer varies by origin.
    ruled: bool,
    wanted_headers: Option<HeaderValue>,
}

impl Answer {
    pub(crate) fn of(headers: &HeaderMap, origins: &[String]) -> Self {
        let origin =
            headers.get(ORIGIN).filter(|origin| origins.iter().any(|ours| ours.as_bytes() == origin.as_bytes()));
        Self {
            origin: origin.cloned(),
            ruled: !origins.is_empty(),
            wanted_headers: headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned(),
        }
    }

    /// Mark a response for the page that asked. Replaces what an API behind said: one rule, one place.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        if !self.ruled {
            return;
        }
        headers.append(VARY, HeaderValue::from_static("Origin"));
        headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
        if let Some(origin) = &self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate, Retry-After"));
        }
    }

    /// The answer to `OPTIONS`: the methods there are and, for a listed origin, leave to use them.
    pub(crate) fn preflight(&self, methods: &str) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        let methods = HeaderValue::try_from(methods).ok();
        headers.extend(methods.clone().map(|methods| (ALLOW, methods)));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.mark(headers);
        if self.origin.is_some() {
            headers.extend(methods.map(|methods| (ACCESS_CONTROL_ALLOW_METHODS, methods)));
            let wanted = self.wanted_headers.clone();
            let wanted = wanted.unwrap_or(HeaderValue::from_static("authorization, content-type"));
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted);
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        }
        response
    }
}

/// Whether a request is a preflight: `OPTIONS` with an origin and a method it asks for.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_behind_cannot_loosen_the_rules() {
        let rules = ["https://app.example.com".to_owned()];
        for origin in ["https://app.example.com", "https://evil.example"] {
            let asked = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(origin))]);
            let mut headers = HeaderMap::from_iter([
                (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://evil.example")),
                (ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")),
            ]);
            Answer::of(&asked, &rules).mark(&mut headers);
            let allowed = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(HeaderValue::as_bytes);
            assert_eq!(allowed, (origin == rules[0]).then_some(origin.as_bytes()));
            assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS), "{origin}");
        }
    }
}
