//! `POST /auth/login`: what is taken, what is refused and how, and that a refusal tells nothing.

use serde_json::json;

use crate::support::house::{House, PASSWORD, POLICY, login, login_request};
use crate::support::http::{Answer, Request};

fn nowhere() -> House {
    House::open("http://127.0.0.1:9")
}

#[test]
fn json_and_form_sign_in_answer_alike() {
    let house = nowhere();
    let form = Request::new("POST", "/auth/login")
        .header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
        .header("Authorization", "Basic Y2xpZW50OnNlY3JldA==")
        .body(
            "grant_type=password&client_id=any&client_secret=any&username=ada&password=seven+violet+kettles+drumming",
        );
    for answer in [login(house.public(), "ada", PASSWORD), house.ask(&form)] {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let document = answer.json();
        assert_eq!(document["token_type"], "Bearer");
        assert_eq!(document["expires_in"], 900);
        assert_eq!(document["scope"], "api:use");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(house.me(document["access_token"].as_str().unwrap())["username"], "ada");
    }
}

#[test]
fn a_token_can_be_asked_for_less_and_never_gets_more() {
    let house = nowhere();
    let wanted = json!({ "username": "ada", "password": PASSWORD, "scope": "keyfob:admin" });
    let answer = house.ask(&Request::new("POST", "/auth/login").json(&wanted));
    assert_eq!(answer.json()["scope"], "", "RFC 6749 §3.3: what was given is told");
    let narrowed = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(house.me(&narrowed)["scope"], "");
    let sessions = house.ask(&Request::new("GET", "/auth/sessions").bearer(&narrowed));
    assert_eq!(sessions.status, 401, "a narrowed token does not manage the account");
    assert!(sessions.challenge().contains("insufficient_scope"), "{}", sessions.challenge());
    let out = house.ask(&Request::new("POST", "/auth/logout").bearer(&narrowed));
    assert_eq!(out.status, 204, "but it may log out");
}

#[test]
fn a_message_that_cannot_be_read_gets_a_problem_document_and_says_what_to_do() {
    let house = nowhere();
    let post = || Request::new("POST", "/auth/login");
    let json = |body: &str| post().header("Content-Type", "application/json").body(body);
    let big = format!(r#"{{"username":"ada","password":"{}"}}"#, "x".repeat(70_000));
    let cases: [(Request, u16, &str); 13] = [
        (json(""), 400, "empty-body"),
        (json("{"), 400, "bad-json"),
        (json(r#"{"username":"ada","username":"ada","password":"x"}"#), 400, "bad-json"),
        (json("").body(b"{\"username\":\"\xff\"}".to_vec()), 400, "not-utf-8"),
        (json(r#"{"username":"ada","password":7}"#), 422, "wrong-members"),
        (json(r#"{"username":"ada"}"#), 422, "wrong-members"),
        (json(r#"{"username":"ada","password":"x","admin":true}"#), 422, "wrong-members"),
        (json(r#"["ada","x"]"#), 422, "wrong-members"),
        (json(r#"{"username":"ada","password":"x","scope":"a\"b"}"#), 400, "invalid-scope"),
        (json(&format!(r#"{{"username":"ada","password":"{}"}}"#, "x".repeat(300))), 422, "password-too-long"),
        (json(&big), 413, "body-too-large"),
        (post().body("username=ada"), 415, "media-type"),
        (post().header("Content-Type", "text/plain").body("x"), 415, "media-type"),
    ];
    for (request, status, kind) in cases {
        let answer = house.ask(&request);
        assert_eq!(answer.status, status, "{kind}: {}", answer.text());
        assert_eq!(answer.json()["type"], format!("urn:keyfob:problem:{kind}"));
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(!answer.text().contains("xxx"), "nothing that was sent comes back");
    }
    for (method, path, allow) in [
        ("GET", "/auth/login", "POST, OPTIONS"),
        ("DELETE", "/auth/login", "POST, OPTIONS"),
        ("DELETE", "/auth/me", "GET, HEAD, OPTIONS"),
        ("GET", "/auth/sessions/any", "DELETE, OPTIONS"),
    ] {
        let answer = house.ask(&Request::new(method, path));
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
    }
    assert_eq!(house.ask(&Request::new("GET", "/auth/nothing")).status, 404);
}

#[test]
fn wrong_unknown_and_disabled_are_one_answer_with_the_same_hashes_and_store_operations() {
    let house = nowhere();
    house.user("carol", &["caller"]);
    house.run(&["user", "disable", "carol"]);
    let attempts = [("ada", "wrong password"), ("nobody", PASSWORD), ("carol", PASSWORD), ("carol", "wrong"), ("", "")];
    let work = || {
        let text = house.keyfob().metrics();
        ["keyfob_password_hashes_total", "keyfob_store_operations_total"].map(|name| metric(&text, name))
    };
    let mut seen: Vec<(Answer, [u64; 2])> = Vec::new();
    for (name, password) in attempts {
        let before = work();
        let mut answer = login(house.public(), name, password);
        let after = work();
        answer.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
        seen.push((answer, [after[0] - before[0], after[1] - before[1]]));
    }
    let (first, cost) = seen[0].clone();
    assert_eq!(first.status, 401, "{}", first.text());
    assert_eq!(first.challenge(), r#"Bearer realm="keyfob""#);
    assert_eq!(cost[0], 1, "one hash");
    for (at, (answer, work)) in seen.iter().enumerate() {
        assert_eq!(*answer, first, "attempt {at} tells something");
        assert_eq!(*work, cost, "attempt {at} costs something else");
    }
}

/// The value of a counter without labels.
fn metric(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().expect("a number")
}

#[test]
fn the_eleventh_guess_is_refused_even_if_it_is_right_and_the_operator_can_lift_it() {
    let house = House::empty("http://127.0.0.1:9", POLICY);
    house.user("ada", &["caller"]);
    for guess in 0..10 {
        assert_eq!(login(house.public(), "ada", &format!("wrong guess number {guess}")).status, 401);
    }
    // Another spelling of the name is the same account.
    for name in ["ada", "ADA"] {
        let answer = login(house.public(), name, PASSWORD);
        assert_eq!(answer.status, 429, "{}", answer.text());
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=900).contains(&wait), "{wait}");
    }
    house.run(&["user", "enable", "ada"]);
    assert_eq!(login(house.public(), "ada", PASSWORD).status, 200);
}

#[test]
fn a_username_has_one_account_whatever_its_case_and_composition() {
    let house = nowhere();
    house.user("josé", &["caller"]);
    for spelling in ["josé", "JOSÉ", "jose\u{301}"] {
        let answer = house.ask(&login_request(spelling, PASSWORD));
        assert_eq!(answer.status, 200, "{spelling}: {}", answer.text());
    }
}
