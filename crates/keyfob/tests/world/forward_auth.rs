//! nginx (the Debian package) with the very configuration of `deploy/nginx/`, asking keyfob before it lets anything
//! through to an API that records: what the matrix of all doors does not ask. Never looks at another proxy.

use super::support::house::{House, POLICY};
use super::support::http::{Answer, Request, ask};
use super::support::nginx::Nginx;
use super::support::recorder::Recorder;
use super::support::root;

/// A gate of nginx and keyfob, and the API behind it.
struct Gate {
    nginx: Nginx,
    house: House,
    api: Recorder,
}

impl Gate {
    fn open() -> Self {
        let api = Recorder::start();
        // keyfob has no upstream here, it only answers.
        let house = House::empty("http://127.0.0.1:9", POLICY);
        house.user("ada", &["caller"]);
        house.user("bob", &["visitor"]);
        let text = std::fs::read_to_string(root().join("deploy/nginx/keyfob.conf"))
            .expect("deploy/ has an nginx configuration")
            .replace("listen 80;", "listen $LISTEN;")
            .replace("127.0.0.1:8080", &house.public().to_string())
            .replace("127.0.0.1:8081", &house.keyfob().internal.to_string())
            .replace("127.0.0.1:9000", &api.address.to_string());
        Self { nginx: Nginx::start(&text), house, api }
    }

    fn ask(&self, request: &Request) -> Answer {
        ask(self.nginx.address(), request)
    }
}

#[test]
fn nginx_lets_through_what_keyfob_allows_and_tells_the_api_who_it_is() {
    let gate = Gate::open();
    let token = gate.house.token("ada");
    let forged = Request::new("POST", "/things/7?x=1").bearer(&token).body("a body");
    let answer =
        gate.ask(&forged.header("X-Auth-User", "root").header("X-Auth-Roles", "admin").header("X_Auth_Scope", "all"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let reached = gate.api.take();
    let [arrival] = &reached[..] else { panic!("one call reaches the API, not {reached:?}") };
    assert_eq!(arrival.method, "POST");
    assert_eq!(arrival.target, b"/things/7?x=1");
    let told = |name: &str| arrival.header(name);
    assert_eq!(told("x-auth-user"), Some("ada"));
    assert_eq!(told("x-auth-roles"), Some("caller"));
    assert_eq!(told("x-auth-scope"), Some("api:use"));
    assert_eq!(told("authorization"), None);
    let values = arrival.headers.iter().map(|(_, value)| value.as_str());
    assert!(values.into_iter().all(|value| !["root", "admin", "all"].contains(&value)), "{arrival:?}");
}

#[test]
fn nginx_refuses_what_keyfob_refuses_and_keeps_the_challenge() {
    let gate = Gate::open();
    let (ada, bob) = (gate.house.token("ada"), gate.house.token("bob"));
    let get = || Request::new("GET", "/things/7");
    let cases = [
        (get(), "Bearer realm=\"keyfob\""),
        (get().header("Authorization", "Basic YWRhOnNlY3JldA=="), "Bearer realm=\"keyfob\""),
        (get().bearer("nonsense"), "error=\"invalid_token\""),
        (get().bearer(&bob), "error=\"insufficient_scope\""),
        // The client cannot lend nginx's words to itself.
        (
            get().header("X-Original-URI", "/auth/health").header("X-Original-Method", "OPTIONS"),
            "Bearer realm=\"keyfob\"",
        ),
    ];
    for (request, challenge) in cases {
        let answer = gate.ask(&request);
        assert_eq!(answer.status, 401, "{request:?}");
        assert!(answer.challenge().contains(challenge), "{request:?}: {}", answer.challenge());
    }
    let ambiguous = gate.ask(&Request::new("GET", "/things/%2e%2e/x").bearer(&ada));
    assert_eq!(ambiguous.status, 403);
    assert!(gate.api.take().is_empty(), "the API was reached");
}

#[test]
fn behind_nginx_too_a_sign_out_bites_on_the_next_request() {
    let gate = Gate::open();
    let signed_in = super::support::house::login(gate.nginx.address(), "ada", super::support::house::PASSWORD);
    assert_eq!(signed_in.status, 200, "keyfob's own endpoints are reached through nginx: {}", signed_in.text());
    let token = super::support::house::token_of(&signed_in);
    let get = Request::new("GET", "/things/7").bearer(&token);
    assert_eq!(gate.ask(&get).status, 200);
    let out = gate.ask(&Request::new("POST", "/auth/logout").bearer(&token));
    assert!((200..300).contains(&out.status), "{}", out.text());
    assert_eq!(gate.ask(&get).status, 401);
}

#[test]
fn a_keyfob_that_is_down_opens_nothing() {
    let mut gate = Gate::open();
    let get = Request::new("GET", "/things/7").bearer(&gate.house.token("ada"));
    gate.house.kill();
    assert_eq!(gate.ask(&get).status, 503);
    assert!(gate.api.take().is_empty(), "the API was reached");
}
