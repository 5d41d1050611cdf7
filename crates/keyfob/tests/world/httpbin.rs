//! keyfob in front of httpbin (from `PyPI`, under gunicorn), an API that nobody here wrote. A signed-in call gets the very answer
//! that httpbin gives when asked directly: body byte for byte, and every end-to-end header, with only
//! `Cache-Control: private` added where httpbin sent none. Everything else gets a refusal that httpbin never hears of.

mod bodies;
mod refusals;
mod streams;

use serde_json::Value;

use super::support::house::House;
use super::support::http::{Answer, Request, ask};
use super::support::upstream::httpbin;

/// A keyfob in front of httpbin, with ada signed in.
pub struct Front {
    pub house: House,
    token: String,
    subject: String,
}

impl Front {
    pub fn open() -> Self {
        let house = House::open(&httpbin().origin());
        let token = house.token("ada");
        let subject = house.me(&token)["sub"].as_str().expect("/auth/me names the subject").to_owned();
        Self { house, token, subject }
    }

    /// Ask through keyfob with ada's token.
    pub fn signed_in(&self, request: &Request) -> Answer {
        self.house.ask(&request.clone().bearer(&self.token))
    }

    /// Ask httpbin itself, with the headers that keyfob promises to set, so that even what echoes headers is equal.
    pub fn direct(&self, request: &Request) -> Answer {
        let told = request
            .clone()
            .header("X-Auth-User", "ada")
            .header("X-Auth-Subject", &self.subject)
            .header("X-Auth-Roles", "caller")
            .header("X-Auth-Scope", "api:use")
            .header("X-Forwarded-For", "127.0.0.1")
            .header("X-Forwarded-Proto", "http")
            .header("X-Forwarded-Host", "api.test");
        ask(httpbin().address, &told)
    }

    /// Ask both ways; the answers must be the same. Returned for further looks.
    pub fn same(&self, request: &Request) -> Answer {
        let direct = self.direct(request);
        let signed_in = self.signed_in(request);
        same(request, &direct, &signed_in);
        signed_in
    }
}

/// The rule of the issue, precisely: status, body, and end-to-end headers are equal, one `Date` each, and `Cache-Control:
/// private` is there where the API said nothing about caching.
fn same(request: &Request, direct: &Answer, signed_in: &Answer) {
    assert_eq!(signed_in.status, direct.status, "{request:?}: {}", signed_in.text());
    assert!(signed_in.body == direct.body, "{request:?}:\n{}\nis not\n{}", signed_in.text(), direct.text());
    let mut expected = direct.end_to_end();
    if direct.header("cache-control").is_none() {
        expected.push(("cache-control".to_owned(), "private".to_owned()));
        expected.sort();
    }
    let mut got = signed_in.end_to_end();
    got.sort();
    expected.sort();
    assert_eq!(got, expected, "{request:?}");
    let dates = |answer: &Answer| answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("date")).count();
    assert_eq!(dates(signed_in), dates(direct), "{request:?}");
}

#[test]
fn every_verb_gets_httpbins_own_answer() {
    let front = Front::open();
    for verb in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let plain = Request::new(verb, "/anything/some/where?name=value&name=second&empty=");
        let seen = front.same(&plain).json();
        assert_eq!(seen["method"], verb);
        assert_eq!(seen["args"]["name"], serde_json::json!(["value", "second"]));
        let own = Request::new(verb, &format!("/{}", verb.to_lowercase()));
        front.same(&own.header("X-Own", "kept").header("Content-Type", "text/plain").body("a body"));
    }
    let head = front.same(&Request::new("HEAD", "/get"));
    assert!(head.body.is_empty());
    let options = front.same(&Request::new("OPTIONS", "/get"));
    assert!(options.header("allow").is_some_and(|allow| allow.contains("GET")));
}

#[test]
fn every_status_code_passes_with_its_own_headers() {
    let front = Front::open();
    for status in
        [200, 201, 202, 204, 206, 301, 302, 304, 307, 400, 401, 402, 403, 404, 405, 406, 409, 418, 429, 500, 502, 503]
    {
        front.same(&Request::new("GET", &format!("/status/{status}")));
        front.same(&Request::new("POST", &format!("/status/{status}")).body("x"));
    }
    // The API's own challenge is the API's business.
    let own = front.same(&Request::new("GET", "/basic-auth/user/secret"));
    assert!(own.challenge().starts_with("Basic"));
}

#[test]
fn redirects_and_cookies_pass_untouched() {
    let front = Front::open();
    for target in [
        "/redirect/3",
        "/relative-redirect/2",
        "/absolute-redirect/2",
        "/redirect-to?url=http%3A%2F%2Felsewhere.test%2Fpath%3Fa%3Db&status_code=307",
        "/cookies/set?one=1&two=2",
        "/cookies/delete?one",
        "/response-headers?X-Many=first&X-Many=second&Cache-Control=max-age%3D60",
        "/etag/tag",
        "/cache/60",
    ] {
        front.same(&Request::new("GET", target));
    }
    let set = front.signed_in(&Request::new("GET", "/cookies/set?one=1&two=2"));
    assert_eq!(set.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).count(), 2);
    let echoed = front.same(&Request::new("GET", "/cookies").header("Cookie", "one=1; two=2"));
    assert_eq!(echoed.json()["cookies"], serde_json::json!({ "one": "1", "two": "2" }));
    let matching = Request::new("GET", "/etag/tag").header("If-None-Match", "\"tag\"");
    assert_eq!(front.same(&matching).status, 304);
    let part = Request::new("GET", "/range/1024").header("Range", "bytes=10-19");
    assert_eq!(front.same(&part).body.len(), 10);
}

#[test]
fn the_api_learns_who_calls_and_never_how_it_was_proved() {
    let front = Front::open();
    let asked = Request::new("GET", "/headers")
        .header("X-Auth-User", "root")
        .header("X_Auth_Roles", "admin")
        .header("x.auth.scope", "everything")
        .header("X-Auth-Subject", "somebody")
        .header("X-Kept", "yes");
    let seen = front.signed_in(&asked).json();
    let headers = seen["headers"].as_object().expect("httpbin shows the headers");
    let shown = |name: &str| headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    assert_eq!(shown("x-auth-user"), Some(&Value::from("ada")));
    assert_eq!(shown("x-auth-roles"), Some(&Value::from("caller")));
    assert_eq!(shown("x-auth-scope"), Some(&Value::from("api:use")));
    assert_eq!(shown("x-auth-subject"), Some(&Value::from(front.subject.as_str())));
    assert_eq!(shown("x-kept"), Some(&Value::from("yes")));
    assert_eq!(shown("authorization"), None);
    assert!(!seen.to_string().contains(&front.token), "the token reached the API");
    for forged in ["root", "admin", "everything", "somebody"] {
        assert!(!seen.to_string().contains(forged), "{forged} reached the API: {seen}");
    }
}
