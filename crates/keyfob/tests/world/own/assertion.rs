//! Identity assertions: an API that does not trust its network learns from a signature who calls, for itself alone, and
//! nobody can do anything else with what it gets.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::house::House;
use crate::support::http::{Request, ask};
use crate::support::recorder::Recorder;
use crate::support::{fixture, world};

const POLICY: &str = r#"
[roles]
caller = ["api:use"]

[[routes]]
path = "/reports/{*rest}"
require = ["api:use"]
assertion = "https://reports.internal"

[[routes]]
path = "/plain/{*rest}"
require = ["api:use"]

[[routes]]
path = "/news"
public = true
assertion = "https://reports.internal"
"#;

/// What an API that is called by that audience makes of it.
fn verified(house: &House, audience: &str, assertion: &str) -> Result<Value, String> {
    let mut python = Command::new(world().join("venv/bin/python"));
    python.arg(fixture("assertion.py")).arg(format!("http://{}", house.public())).arg(audience);
    python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = python.spawn().expect("python can be run");
    child.stdin.take().expect("a pipe").write_all(assertion.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).expect("JSON"));
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What the API was told.
fn told(api: &Recorder) -> Vec<String> {
    let folded = |name: &str| name.to_ascii_lowercase().replace(|mark: char| !mark.is_ascii_alphanumeric(), "-");
    let headers = api.take().into_iter().flat_map(|arrival| arrival.headers);
    headers.filter(|(name, _)| folded(name) == "x-auth-assertion").map(|(_, value)| value).collect()
}

#[test]
fn an_api_verifies_who_calls_with_the_published_keys() {
    let api = Recorder::start();
    let house = House::empty(&api.origin(), POLICY);
    house.user("ada", &["caller"]);
    let token = house.token("ada");
    let call = Request::new("GET", "/reports/7").bearer(&token);
    assert_eq!(house.ask(&call).status, 200);
    let [assertion] = &told(&api)[..] else { panic!("one assertion") };
    let claims = verified(&house, "https://reports.internal", assertion).expect("it is good");
    assert_eq!(claims["sub"], house.me(&token)["sub"]);
    assert_eq!((&claims["username"], &claims["roles"]), (&Value::from("ada"), &serde_json::json!(["caller"])));
    assert_eq!(claims["scope"], "api:use");
    let time = |name: &str| claims[name].as_i64().expect("a time");
    assert_eq!(time("exp") - time("iat"), 60);
    let other = verified(&house, "https://elsewhere.internal", assertion).expect_err("it is for another API");
    assert!(other.contains("InvalidAudienceError"), "{other}");
    assert_eq!(house.ask(&call).status, 200);
    assert_ne!(told(&api), std::slice::from_ref(assertion), "each has an id of its own");
}

#[test]
fn an_assertion_opens_no_door_of_keyfobs() {
    let api = Recorder::start();
    let house = House::empty(&api.origin(), POLICY);
    house.user("ada", &["caller"]);
    let token = house.token("ada");
    assert_eq!(house.ask(&Request::new("GET", "/reports/7").bearer(&token)).status, 200);
    let [assertion] = &told(&api)[..] else { panic!("one assertion") };
    for target in ["/reports/7", "/plain/7", "/news", "/auth/me", "/auth/sessions", "/auth/check/envoy/plain/7"] {
        let refused = house.ask(&Request::new("GET", target).bearer(assertion));
        assert_eq!(refused.status, 401, "{target}");
        assert!(refused.challenge().contains("invalid_token"), "{target}: {}", refused.challenge());
    }
    assert!(api.take().is_empty());
}

#[test]
fn nobody_but_keyfob_asserts_anything() {
    let api = Recorder::start();
    let house = House::empty(&api.origin(), POLICY);
    house.user("ada", &["caller"]);
    let token = house.token("ada");
    for name in ["X-Auth-Assertion", "x_auth_assertion", "X.Auth.Assertion", "X-Auth_Assertion"] {
        for (target, signed_in, expected) in
            [("/reports/7", true, 1), ("/plain/7", true, 0), ("/news", true, 1), ("/news", false, 0)]
        {
            let mut forged = Request::new("POST", target).header(name, "forged").body("x");
            if signed_in {
                forged = forged.bearer(&token);
            }
            assert_eq!(ask(house.public(), &forged).status, 200, "{name} {target}");
            let told = told(&api);
            assert_eq!(told.len(), expected, "{name} {target}: {told:?}");
            assert!(!told.iter().any(|told| told == "forged"), "{name} {target}");
            assert_eq!(ask(house.public(), &forged.header("Connection", "X-Auth-Assertion")).status, 200);
            assert_eq!(self::told(&api).len(), expected, "{name} {target}: named away");
        }
    }
}
