//! API keys over the wire: made, used, listed, revoked, and closed out of what is not theirs.

use serde_json::{Value, json};

use crate::support::house::{House, PASSWORD};
use crate::support::http::{Answer, Request};
use crate::support::keyfob::must;
use crate::support::recorder::Recorder;

fn make(house: &House, token: &str, wanted: &Value) -> Answer {
    house.ask(&Request::new("POST", "/auth/keys").bearer(token).json(wanted))
}

/// A key that was made: its id and itself.
fn made(house: &House, token: &str, wanted: &Value) -> (String, String) {
    let answer = make(house, token, wanted);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let text = |name: &str| answer.json()[name].as_str().expect("a text").to_owned();
    (text("id"), text("key"))
}

fn call(house: &House, credential: &str) -> u16 {
    house.ask(&Request::new("GET", "/things/1").bearer(credential)).status
}

fn keys(house: &House, token: &str) -> Vec<Value> {
    let answer = house.ask(&Request::new("GET", "/auth/keys").bearer(token));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains("fob_key_"), "shown once");
    answer.json()["keys"].as_array().expect("a list").clone()
}

#[test]
fn a_key_is_made_used_at_every_door_listed_and_revoked() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let token = house.token("ada");
    let (id, key) = made(&house, &token, &json!({ "name": "nightly", "expires_in": 3600 }));
    assert_eq!(keys(&house, &token)[0]["last_used_at"], Value::Null);
    assert_eq!(call(&house, &key), 200);
    let seen = api.take();
    assert!(!format!("{seen:?}").contains(&key), "the API behind does not see the key");
    for check in [
        Request::new("GET", "/auth/check/nginx")
            .header("X-Original-Method", "GET")
            .header("X-Original-URI", "/things/1"),
        Request::new("GET", "/auth/check/forward")
            .header("X-Forwarded-Method", "GET")
            .header("X-Forwarded-Uri", "/things/1"),
        Request::new("GET", "/auth/check/envoy/things/1"),
    ] {
        let answer = house.ask(&check.clone().bearer(&key));
        assert_eq!(
            (answer.status, answer.header("x-auth-user"), answer.header("x-auth-scope")),
            (200, Some("ada"), Some("api:use"))
        );
        assert_eq!(house.ask(&check.bearer(&format!("{key}A"))).status, 401);
    }
    let listed = keys(&house, &token);
    assert_eq!((listed.len(), &listed[0]["id"], &listed[0]["name"]), (1, &json!(id), &json!("nightly")));
    assert!(listed[0]["last_used_at"].as_str().is_some_and(|at| at.starts_with("20")), "{listed:?}");
    let bob = house.token("bob");
    let revoke = |token: &str| house.ask(&Request::new("DELETE", &format!("/auth/keys/{id}")).bearer(token)).status;
    assert_eq!(revoke(&bob), 404, "somebody else's");
    assert_eq!(call(&house, &key), 200);
    assert_eq!(revoke(&token), 204);
    assert_eq!(call(&house, &key), 401);
    assert!(keys(&house, &token).is_empty());
}

#[test]
fn a_key_looks_after_nobodys_account() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let token = house.token("ada");
    let (id, key) = made(&house, &token, &json!({ "name": "script" }));
    let me = house.me(&key);
    assert_eq!((&me["username"], &me["key_id"], &me["session_id"]), (&json!("ada"), &json!(id), &Value::Null));
    let password = json!({ "current_password": PASSWORD, "new_password": "another seven violet kettles" });
    for request in [
        Request::new("GET", "/auth/keys"),
        Request::new("POST", "/auth/keys").json(&json!({ "name": "more" })),
        Request::new("DELETE", &format!("/auth/keys/{id}")),
        Request::new("GET", "/auth/sessions"),
        Request::new("DELETE", "/auth/sessions"),
        Request::new("POST", "/auth/logout"),
        Request::new("POST", "/auth/password").json(&password),
    ] {
        let answer = house.ask(&request.clone().bearer(&key));
        assert_eq!(answer.status, 401, "{request:?}");
        assert!(answer.challenge().contains("insufficient_scope"), "{request:?}: {}", answer.challenge());
    }
    assert_eq!((call(&house, &token), call(&house, &key)), (200, 200), "nothing came of it");
}

#[test]
fn a_key_never_has_more_than_its_user() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let token = house.token("ada");
    let answer = make(&house, &token, &json!({ "name": "more", "scope": "api:use lobby:see" }));
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("`lobby:see`"), "{}", answer.text());
    for wrong in [
        json!({ "name": "long", "expires_in": 90 * 86_400 + 1 }),
        json!({ "name": "no time", "expires_in": 0 }),
        json!({ "name": "two\nlines" }),
        json!({ "name": "x", "scope": "a  b" }),
        json!({ "scope": "api:use" }),
        json!({ "name": "x", "user": "bob" }),
    ] {
        assert_eq!(make(&house, &token, &wrong).status, 422, "{wrong}");
    }
    let login = json!({ "username": "ada", "password": PASSWORD, "scope": "" });
    let narrow = house.ask(&Request::new("POST", "/auth/login").json(&login)).json();
    let narrow = narrow["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(make(&house, &narrow, &json!({ "name": "narrow" })).status, 401, "a narrowed token makes no keys");
    let (_, full) = made(&house, &token, &json!({ "name": "full" }));
    let (_, nothing) = made(&house, &token, &json!({ "name": "nothing", "scope": "" }));
    assert_eq!((call(&house, &full), call(&house, &nothing)), (200, 401));
    house.run(&["user", "role", "ada", "--remove", "caller"]);
    assert_eq!(call(&house, &full), 401, "what its user has now");
    house.run(&["user", "role", "ada", "--add", "caller"]);
    assert_eq!(call(&house, &full), 200);
}

#[test]
fn each_change_of_an_account_does_to_its_keys_what_was_promised() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let token = house.token("ada");
    let (id, key) = made(&house, &token, &json!({ "name": "script" }));
    let password = json!({ "current_password": PASSWORD, "new_password": "another seven violet kettles" });
    let answer = house.ask(&Request::new("POST", "/auth/password").bearer(&token).json(&password));
    assert_eq!((answer.status, &answer.json()["keys"][0]["id"]), (200, &json!(id)), "kept, and listed in the answer");
    assert_eq!(call(&house, &key), 200);
    must(&house.data(), &["user", "passwd", "ada", "--password-stdin"], "yet another seven violet kettles\n");
    assert_eq!((call(&house, &token), call(&house, &key)), (401, 200), "the session ends, the key stays");
    house.run(&["user", "disable", "ada"]);
    assert_eq!(call(&house, &key), 401);
    house.run(&["user", "enable", "ada"]);
    assert_eq!(call(&house, &key), 401, "dead for good");
    let bob = house.token("bob");
    let (_, key) = made(&house, &bob, &json!({ "name": "script" }));
    assert_eq!(house.me(&key)["username"], "bob");
    house.run(&["user", "delete", "bob"]);
    assert_eq!(call(&house, &key), 401);
}

#[test]
fn the_last_use_outlives_a_restart() {
    let api = Recorder::start();
    let mut house = House::open(&api.origin());
    let token = house.token("ada");
    let (_, key) = made(&house, &token, &json!({ "name": "script" }));
    assert_eq!(call(&house, &key), 200);
    let keyfob = house.release();
    keyfob.terminate();
    assert!(keyfob.wait().success());
    house.start();
    let list = house.run(&["key", "list", "ada"]);
    assert!(list.contains("script") && !list.contains("never"), "{list}");
    assert_eq!(call(&house, &key), 200, "and so does the key");
}

#[test]
fn whoever_finds_a_key_can_revoke_it_and_it_is_introspected_like_a_token() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let token = house.token("ada");
    let (id, key) = made(&house, &token, &json!({ "name": "script" }));
    let client: Value = serde_json::from_str(&house.run(&["--json", "client", "add", "asks"])).expect("JSON");
    let member = |name: &str| client[name].as_str().expect("a text");
    let introspect = |secret: &str| {
        let form = format!("token={secret}&client_id={}&client_secret={}", member("id"), member("secret"));
        let request =
            Request::new("POST", "/auth/introspect").header("Content-Type", "application/x-www-form-urlencoded");
        house.ask(&request.body(form))
    };
    let told = introspect(&key).json();
    assert_eq!((&told["active"], &told["username"], &told["jti"]), (&json!(true), &json!("ada"), &json!(id)), "{told}");
    assert_eq!((&told["scope"], &told["client_id"], &told["sid"]), (&json!("api:use"), &Value::Null, &Value::Null));
    let request = Request::new("POST", "/auth/revoke").header("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(house.ask(&request.body(format!("token={key}"))).status, 200);
    assert_eq!((call(&house, &key), call(&house, &token)), (401, 200));
    assert_eq!(introspect(&key).text(), "{\"active\":false}");
}
