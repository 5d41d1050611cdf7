//! Refresh over the wire (RFC 6749 §6, RFC 9700 §4.14.2): rotation, many uses at once, replay, and that every change of
//! an account that kills its access tokens kills its refresh tokens too (guarantees G7 and G8).

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::house::{House, PASSWORD, login};
use crate::support::http::{Answer, Request, ask};
use crate::support::keyfob::must;
use crate::support::recorder::Recorder;

/// What a sign-in or a refresh gave.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tokens {
    access: String,
    refresh: String,
}

impl Tokens {
    fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let document = answer.json();
        assert_eq!(document["token_type"], "Bearer");
        let text = |member: &str| document[member].as_str().expect(member).to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }

    fn sign_in(house: &House, name: &str) -> Self {
        Self::of(&login(house.public(), name, PASSWORD))
    }

    fn next(&self, house: &House) -> Self {
        Self::of(&refresh(house, &self.refresh))
    }
}

fn form(endpoint: &str, body: &str) -> Request {
    Request::new("POST", endpoint).header("Content-Type", "application/x-www-form-urlencoded").body(body)
}

fn refresh(house: &House, token: &str) -> Answer {
    house.ask(&form("/auth/token", &format!("grant_type=refresh_token&refresh_token={token}")))
}

fn call(house: &House, access: &str) -> u16 {
    house.ask(&Request::new("GET", "/things/1").bearer(access)).status
}

fn assert_gone(answer: &Answer) {
    assert_eq!((answer.status, &answer.json()["error"]), (400, &Value::from("invalid_grant")), "{}", answer.text());
}

#[test]
fn each_use_rotates_and_a_retry_gets_the_same_successor() {
    let api = Recorder::start();
    let mut house = House::open(&api.origin());
    let first = Tokens::sign_in(&house, "ada");
    assert!(first.refresh.starts_with("fob_ref_"));
    assert_eq!(house.ask(&Request::new("GET", "/things/1").bearer(&first.refresh)).status, 401, "no access token");
    let second = first.next(&house);
    assert_ne!(first.refresh, second.refresh);
    assert_eq!((call(&house, &first.access), call(&house, &second.access)), (200, 200), "one session");
    assert_eq!(first.next(&house).refresh, second.refresh, "an answer that was lost can be asked for again");
    house.kill();
    house.start();
    assert_eq!(first.next(&house).refresh, second.refresh, "after kill -9 too");
    let third = second.next(&house);
    assert_eq!(call(&house, &third.access), 200);
    assert_eq!(first.next(&house).refresh, second.refresh, "within ten seconds of its use");
}

#[test]
fn any_number_of_uses_at_once_have_one_successor() {
    let house = House::open("http://127.0.0.1:9");
    for uses in [2, 5, 16] {
        let tokens = Tokens::sign_in(&house, "ada");
        let address = house.public();
        let request = form("/auth/token", &format!("grant_type=refresh_token&refresh_token={}", tokens.refresh));
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..uses).map(|_| scope.spawn(|| ask(address, &request))).collect();
            threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
        });
        let successors: Vec<String> = answers.iter().map(|answer| Tokens::of(answer).refresh).collect();
        assert!(successors.iter().all(|token| *token == successors[0]), "{successors:?}");
        Tokens::of(&refresh(&house, &successors[0]));
    }
}

#[test]
fn a_replay_ends_the_session_before_it_is_answered() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let first = Tokens::sign_in(&house, "ada");
    let newest = first.next(&house).next(&house);
    assert_eq!(call(&house, &newest.access), 200);
    // The window in which a second use may be an honest retry.
    std::thread::sleep(Duration::from_millis(10_100));
    assert_gone(&refresh(&house, &first.refresh));
    api.take();
    assert_eq!((call(&house, &newest.access), call(&house, &first.access)), (401, 401));
    assert!(api.take().is_empty(), "nothing reached the API");
    assert_gone(&refresh(&house, &newest.refresh));
    Tokens::sign_in(&house, "ada");
}

/// What happens, how, and whether the tokens outlive it.
type Change = (&'static str, fn(&House, &Tokens), bool);

#[test]
fn every_change_that_kills_access_tokens_kills_refresh_tokens() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let own_password = |house: &House, _: &Tokens| {
        let other = Tokens::sign_in(house, "t20");
        let wanted = json!({ "current_password": PASSWORD, "new_password": "another good long password" });
        let answer = house.ask(&Request::new("POST", "/auth/password").bearer(&other.access).json(&wanted));
        assert!(matches!(answer.status, 200 | 204), "{}", answer.text());
        assert_eq!(call(house, &other.access), 200, "the session that changed it lives");
        other.next(house);
    };
    let changes: [Change; 10] = [
        ("disable", |house, _| drop(house.run(&["user", "disable", "t20"])), false),
        ("delete", |house, _| drop(house.run(&["user", "delete", "t20"])), false),
        ("all sessions ended by an operator", |house, _| drop(house.run(&["session", "end", "--user", "t20"])), false),
        (
            "password, by an operator",
            |house, _| {
                drop(must(
                    &house.data(),
                    &["user", "passwd", "t20", "--password-stdin"],
                    "another good long password\n",
                ));
            },
            false,
        ),
        ("password, by its user elsewhere", own_password, false),
        (
            "logout",
            |house, tokens| {
                let answer = house.ask(&Request::new("POST", "/auth/logout").bearer(&tokens.access));
                assert_eq!(answer.status, 204, "{}", answer.text());
            },
            false,
        ),
        (
            "all sessions ended",
            |house, tokens| {
                let answer = house.ask(&Request::new("DELETE", "/auth/sessions").bearer(&tokens.access));
                assert!(answer.status < 300, "{}", answer.text());
            },
            false,
        ),
        (
            "its refresh token revoked",
            |house, tokens| {
                let answer = house.ask(&form("/auth/revoke", &format!("token={}", tokens.refresh)));
                assert_eq!(answer.status, 200, "{}", answer.text());
            },
            false,
        ),
        (
            "its access token revoked",
            |house, tokens| {
                let answer = house.ask(&form("/auth/revoke", &format!("token={}", tokens.access)));
                assert_eq!(answer.status, 200, "{}", answer.text());
            },
            false,
        ),
        ("nothing", |_, _| {}, true),
    ];
    for (change, apply, lives) in changes {
        house.user("t20", &["caller"]);
        let tokens = Tokens::sign_in(&house, "t20").next(&house);
        assert_eq!(call(&house, &tokens.access), 200, "{change}");
        apply(&house, &tokens);
        assert_eq!(call(&house, &tokens.access) == 200, lives, "{change}: access");
        let answer = refresh(&house, &tokens.refresh);
        assert_eq!(answer.status == 200, lives, "{change}: refresh: {}", answer.text());
        if change != "delete" {
            house.run(&["user", "delete", "t20"]);
        }
    }
}

#[test]
fn what_cannot_be_refreshed_is_refused_in_the_words_of_the_standard() {
    let house = House::open("http://127.0.0.1:9");
    let tokens = Tokens::sign_in(&house, "ada");
    let mut typo = tokens.refresh.clone();
    let last = if typo.pop() == Some('A') { 'B' } else { 'A' };
    typo.push(last);
    let good = &tokens.refresh;
    for (body, error) in [
        ("grant_type=refresh_token".to_owned(), "invalid_request"),
        (format!("grant_type=refresh_token&refresh_token={good}&refresh_token={good}"), "invalid_request"),
        (format!("grant_type=refresh_token&refresh_token={typo}"), "invalid_grant"),
        (format!("grant_type=refresh_token&refresh_token={}", tokens.access), "invalid_grant"),
        (format!("grant_type=refresh_token&refresh_token={good}&scope=somebody:else"), "invalid_scope"),
        (format!("grant_type=password&username=ada&password={PASSWORD}"), "unsupported_grant_type"),
    ] {
        let answer = house.ask(&form("/auth/token", &body));
        assert_eq!((answer.status, &answer.json()["error"]), (400, &Value::from(error)), "{}", answer.text());
        assert!(!answer.text().contains("fob_ref_"), "nothing is echoed");
    }
    let stranger = form("/auth/token", &format!("grant_type=refresh_token&refresh_token={good}&client_id=stranger"));
    assert_eq!(house.ask(&stranger).status, 401);
    tokens.next(&house);
}

#[test]
fn a_narrowed_sign_in_stays_narrow_and_a_refresh_only_narrows() {
    let house = House::open("http://127.0.0.1:9");
    let wanted = json!({ "username": "ada", "password": PASSWORD, "scope": "api:use" });
    let tokens = Tokens::of(&house.ask(&Request::new("POST", "/auth/login").json(&wanted)));
    let body = format!("grant_type=refresh_token&client_id=keyfob&refresh_token={}&scope=api:use", tokens.refresh);
    let answer = house.ask(&form("/auth/token", &body));
    assert_eq!(answer.json()["scope"], "api:use");
    Tokens::of(&answer);
}
