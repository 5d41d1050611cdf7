//! Cross-origin calls: exact origins, preflights answered by keyfob, the challenge exposed.

use crate::support::house::{House, POLICY};
use crate::support::http::{Answer, Request};
use crate::support::recorder::Recorder;

const APP: &str = "https://app.example.com";

fn preflight(path: &str, origin: &str) -> Request {
    Request::new("OPTIONS", path)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "authorization")
}

fn allowed(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

#[test]
fn own_endpoints_and_routes_with_rules_answer_the_listed_origin_and_no_other() {
    let api = Recorder::start();
    let policy = POLICY.replace("path = \"/{*rest}\"\n", &format!("path = \"/{{*rest}}\"\ncors = [\"{APP}\"]\n"));
    let house = House::with(&api.origin(), &policy, &[("KEYFOB_CORS_ORIGINS", APP)]);
    house.user("ada", &["caller"]);
    for path in ["/auth/me", "/things"] {
        let answer = house.ask(&preflight(path, APP));
        assert_eq!((answer.status, allowed(&answer)), (204, Some(APP)), "{path}");
        assert_eq!(answer.header("access-control-allow-headers"), Some("authorization"));
        assert!(answer.header("access-control-allow-methods").unwrap().contains("GET"));
        let other = house.ask(&preflight(path, "https://app.example.com.evil.test"));
        assert_eq!((other.status, allowed(&other)), (204, None), "{path}");
        let call = house.ask(&Request::new("GET", path).header("Origin", APP));
        assert_eq!((call.status, allowed(&call)), (401, Some(APP)), "{path}");
        assert!(call.header("access-control-expose-headers").unwrap().contains("WWW-Authenticate"));
        assert!(call.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("vary") && value == "Origin"));
        let foreign = house.ask(&Request::new("GET", path).header("Origin", "null"));
        assert_eq!(allowed(&foreign), None);
    }
    assert!(api.take().is_empty(), "a preflight never reaches the API");
    let good = house.ask(&Request::new("GET", "/things").header("Origin", APP).bearer(&house.token("ada")));
    assert_eq!((good.status, allowed(&good)), (200, Some(APP)));
}

#[test]
fn without_rules_nothing_is_said_and_options_is_judged_like_any_method() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    assert_eq!(house.ask(&preflight("/things", APP)).status, 401);
    assert!(api.take().is_empty());
    let own = house.ask(&preflight("/auth/me", APP));
    assert_eq!((own.status, allowed(&own), own.header("allow")), (204, None, Some("GET, HEAD, OPTIONS")));
}
