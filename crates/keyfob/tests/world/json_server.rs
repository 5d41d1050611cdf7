//! keyfob in front of json-server (npm): a REST API whose data is made, read, changed and deleted through the gate.

use serde_json::json;

use super::support::house::House;
use super::support::http::{Request, ask};
use super::support::upstream::json_server;

#[test]
fn what_a_signed_in_caller_makes_can_be_read_changed_and_deleted() {
    let api = json_server();
    let house = House::open(&api.origin());
    let token = house.token("ada");
    let signed_in = |request: Request| house.ask(&request.bearer(&token));
    let direct = |target: &str| ask(api.address, &Request::new("GET", target));

    let list = signed_in(Request::new("GET", "/posts?_sort=id"));
    assert_eq!(list.json().as_array().map(Vec::len), Some(2));
    assert_eq!(list.body, direct("/posts?_sort=id").body);

    let made = signed_in(Request::new("POST", "/posts").json(&json!({ "title": "third", "author": "ada" })));
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json()["id"], 3);
    assert!(made.header("location").is_some_and(|location| location.ends_with("/posts/3")));
    assert_eq!(direct("/posts/3").json()["title"], "third");

    let replaced = signed_in(Request::new("PUT", "/posts/3").json(&json!({ "title": "changed" })));
    assert_eq!(replaced.json(), json!({ "id": 3, "title": "changed" }));
    let patched = signed_in(Request::new("PATCH", "/posts/3").json(&json!({ "author": "grace" })));
    assert_eq!(patched.json(), json!({ "id": 3, "title": "changed", "author": "grace" }));

    assert_eq!(signed_in(Request::new("DELETE", "/posts/3")).status, 200);
    assert_eq!(signed_in(Request::new("GET", "/posts/3")).status, 404);
    assert_eq!(direct("/posts/3").status, 404);
}

#[test]
fn answers_equal_json_servers_own() {
    let api = json_server();
    let house = House::open(&api.origin());
    let token = house.token("ada");
    for target in [
        "/posts",
        "/posts/1",
        "/posts?author=grace",
        "/posts/1/comments",
        "/profile",
        "/absent",
        "/posts?_page=1&_limit=1",
    ] {
        let request = Request::new("GET", target);
        let told = request.clone().header("X-Forwarded-Host", "api.test").header("X-Forwarded-Proto", "http");
        let direct = ask(api.address, &told.header("X-Forwarded-For", "127.0.0.1"));
        let passed = house.ask(&request.bearer(&token));
        assert_eq!(passed.status, direct.status, "{target}");
        assert_eq!(passed.body, direct.body, "{target}");
        // json-server speaks about caching itself, so keyfob adds nothing.
        assert_eq!(passed.end_to_end(), direct.end_to_end(), "{target}");
    }
}

#[test]
fn nobody_changes_anything_without_a_token_or_a_permission() {
    let api = json_server();
    let house = House::open(&api.origin());
    let before = ask(api.address, &Request::new("GET", "/posts")).body;
    let bob = house.token("bob");
    let calls = || {
        [
            Request::new("POST", "/posts").json(&json!({ "title": "no" })),
            Request::new("PUT", "/posts/1").json(&json!({ "title": "no" })),
            Request::new("PATCH", "/posts/1").json(&json!({ "title": "no" })),
            Request::new("DELETE", "/posts/1"),
            Request::new("GET", "/posts"),
        ]
    };
    for call in calls() {
        assert_eq!(house.ask(&call).status, 401);
    }
    for call in calls() {
        let refused = house.ask(&call.bearer(&bob));
        assert_eq!(refused.status, 401);
        assert!(refused.challenge().contains(r#"error="insufficient_scope""#), "{}", refused.challenge());
    }
    assert_eq!(ask(api.address, &Request::new("GET", "/posts")).body, before);
}
