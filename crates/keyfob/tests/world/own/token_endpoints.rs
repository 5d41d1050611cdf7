//! What RFC 7009, 7662, 8707 and 9068 ask of the token, introspection and revocation endpoints alike: the shape of a
//! request, hints that may be wrong, one resource, and answers that no cache keeps.

use std::time::Duration;

use serde_json::{Value, json};

use super::oauth::{INACTIVE, Robot, ask, basic, call, form};
use crate::support::clock;
use crate::support::house::{House, PASSWORD, POLICY, login};
use crate::support::http::Request;
use crate::support::recorder::Recorder;

const ENDPOINTS: [&str; 3] = ["token", "introspect", "revoke"];

fn text(document: &Value, member: &str) -> String {
    document[member].as_str().expect(member).to_owned()
}

fn sign_in(house: &House) -> Value {
    login(house.public(), "ada", PASSWORD).json()
}

/// The claims of an access token, not verified.
fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).expect("a payload");
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&payload).expect("JSON")
}

#[test]
fn whatever_the_hint_says_every_kind_of_token_is_found() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let server = Robot::register(&house, "resource-server", &[]);
    for hint in ["access_token", "refresh_token", "api_key", "", "nonsense"] {
        let signed_in = sign_in(&house);
        let access = text(&signed_in, "access_token");
        let key = json!({ "name": format!("key-{hint}"), "scope": "api:use" });
        let key = house.ask(&Request::new("POST", "/auth/keys").bearer(&access).json(&key)).json();
        let own = Robot::register(&house, &format!("robot-{hint}"), &["api:use"]);
        let tokens = [
            (text(&key, "key"), None),
            (text(&signed_in, "refresh_token"), None),
            (text(&sign_in(&house), "access_token"), None),
            (own.token(&house), Some(own.basic())),
        ];
        for (token, client) in tokens {
            let body = format!("token={token}&token_type_hint={hint}");
            let look = || ask(&house, "introspect", Some(&server.basic()), &body);
            assert_eq!(look().json()["active"], true, "{hint}: {token}");
            assert_eq!(ask(&house, "revoke", client.as_deref(), &body).status, 200, "{hint}: {token}");
            assert_eq!(look().body, INACTIVE, "{hint}: {token}");
        }
        assert_eq!(call(&house, &access), 401, "it went with its refresh token");
    }
}

#[test]
fn these_endpoints_take_posted_forms_only_and_no_cache_keeps_an_answer() {
    let house = House::open("http://127.0.0.1:9");
    let robot = Robot::register(&house, "robot", &["api:use"]);
    let token = robot.token(&house);
    for endpoint in ENDPOINTS {
        let path = format!("/auth/{endpoint}");
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            let asked = Request::new(method, &format!("{path}?token={token}")).header("Authorization", &robot.basic());
            let answer = house.ask(&asked);
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST, OPTIONS")), "{method} {endpoint}");
        }
        let other = json!({ "token": token, "grant_type": "client_credentials" });
        let other = Request::new("POST", &path).header("Authorization", &robot.basic()).json(&other);
        let answer = house.ask(&other);
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("invalid_request")), "{endpoint}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{endpoint}");
        let in_the_uri = form(&format!("{endpoint}?token={token}"), Some(&robot.basic()), "grant_type=");
        assert_eq!(house.ask(&in_the_uri).json()["error"], "invalid_request", "{endpoint}: not from the URI");
    }
    // RFC 7009 §2.3 allows JSONP, and here is none: `callback` is one more parameter that nobody knows.
    for (endpoint, body) in [
        ("token", "grant_type=client_credentials&callback=f".to_owned()),
        ("introspect", format!("token={token}&callback=f")),
        ("revoke", format!("token={token}&callback=f")),
    ] {
        let answer = ask(&house, endpoint, Some(&robot.basic()), &body);
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{endpoint}");
        let json = (endpoint != "revoke").then_some("application/json");
        assert_eq!(answer.header("content-type"), json, "{endpoint}");
        assert_eq!(answer.body.first(), json.map(|_| &b'{'), "{endpoint}");
    }
}

#[test]
fn a_caller_that_may_not_introspect_is_401_under_either_profile() {
    const PROFILES: [(&str, &[(&str, &str)]); 2] =
        [("uniform", &[("KEYFOB_REFUSALS", "uniform")]), ("rfc6750", &[("KEYFOB_REFUSALS", "rfc6750")])];
    for (profile, settings) in PROFILES {
        let house = House::with("http://127.0.0.1:9", POLICY, settings);
        house.user("ada", &["caller"]);
        let robot = Robot::register(&house, "robot", &["api:use"]);
        let subject = text(&sign_in(&house), "access_token");
        for (header, error, challenge) in [
            (None, "invalid_client", "Basic"),
            (Some(basic(&robot.id, "fob_sec_AAAA")), "invalid_client", "Basic"),
            (Some("Bearer nonsense".to_owned()), "invalid_token", "Bearer"),
            (Some(format!("Bearer {}", robot.token(&house))), "insufficient_scope", "Bearer"),
        ] {
            let answer = ask(&house, "introspect", header.as_deref(), &format!("token={subject}"));
            assert_eq!((answer.status, &answer.json()["error"]), (401, &json!(error)), "{profile}");
            assert!(answer.challenge().starts_with(challenge), "{profile}: {error}: {}", answer.challenge());
            assert!(answer.json()["active"].is_null(), "{profile}: {error}");
        }
    }
}

#[test]
fn a_token_is_for_the_one_resource_there_is_and_is_asked_for_no_other() {
    let settings = &[("KEYFOB_PUBLIC_URL", "https://api.example")];
    let house = House::with("http://127.0.0.1:9", POLICY, settings);
    house.user("ada", &["caller"]);
    let robot = Robot::register(&house, "robot", &["api:use"]);
    let mut refresh = text(&sign_in(&house), "refresh_token");
    let ask_for = |grant: &str, resource: &str| {
        let basic = robot.basic();
        let client = grant.starts_with("grant_type=client").then_some(basic.as_str());
        ask(&house, "token", client, &format!("{grant}{resource}"))
    };
    for resource in ["", "&resource=", "&resource=https%3A%2F%2Fapi.example", "&resource=https%3A%2F%2Fapi.example%2F"]
    {
        let own = ask_for("grant_type=client_credentials", resource);
        let next = ask_for(&format!("grant_type=refresh_token&refresh_token={refresh}"), resource);
        for answer in [&own, &next] {
            assert_eq!(answer.status, 200, "{resource}: {}", answer.text());
            let claims = claims(&text(&answer.json(), "access_token"));
            assert_eq!(claims["aud"], "https://api.example", "{resource}");
            assert_eq!(claims["iss"], "https://api.example", "{resource}");
        }
        refresh = text(&next.json(), "refresh_token");
    }
    for (resource, error) in [
        ("&resource=https%3A%2F%2Fother.example", "invalid_target"),
        ("&resource=https%3A%2F%2Fapi.example%2Fthings", "invalid_target"),
        ("&resource=https%3A%2F%2Fapi.example%2F%23x", "invalid_target"),
        ("&resource=http%3A%2F%2Fapi.example", "invalid_target"),
        ("&resource=api.example", "invalid_target"),
        ("&resource=https%3A%2F%2Fapi.example&resource=https%3A%2F%2Fother.example", "invalid_request"),
    ] {
        for grant in
            ["grant_type=client_credentials".to_owned(), format!("grant_type=refresh_token&refresh_token={refresh}")]
        {
            let answer = ask_for(&grant, resource);
            assert_eq!((answer.status, &answer.json()["error"]), (400, &json!(error)), "{resource}");
        }
    }
    let next = ask_for(&format!("grant_type=refresh_token&refresh_token={refresh}"), "");
    assert_eq!(next.status, 200, "a refused request used nothing up");
}

#[test]
fn a_token_that_has_expired_is_inactive_and_says_no_more() {
    let settings = &[("KEYFOB_ACCESS_LIFE", "3s"), ("KEYFOB_REFRESH_IDLE", "3s"), ("KEYFOB_LEEWAY", "0s")];
    let house = House::with("http://127.0.0.1:9", POLICY, settings);
    house.user("ada", &["caller"]);
    let server = Robot::register(&house, "resource-server", &[]);
    let signed_in = sign_in(&house);
    for member in ["access_token", "refresh_token"] {
        let body = format!("token={}", text(&signed_in, member));
        let look = || ask(&house, "introspect", Some(&server.basic()), &body);
        if member == "access_token" {
            let seen = look().json();
            assert_eq!(
                (&seen["active"], seen["exp"].as_i64()),
                (&json!(true), seen["iat"].as_i64().map(|iat| iat + 3))
            );
        }
        let dead =
            clock::until(Duration::from_secs(30), || Some(look()).filter(|answer| answer.json()["active"] == false));
        let dead = dead.expect(member);
        assert_eq!((dead.status, dead.body.as_slice()), (200, INACTIVE), "{member}");
    }
}
