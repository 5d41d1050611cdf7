//! The OAuth endpoints over the wire: service accounts (RFC 6749 §4.4), client authentication (§2.3.1), introspection
//! (RFC 7662) and revocation (RFC 7009), and that what was minted dies with what it was minted from.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::house::House;
use crate::support::http::{Answer, Request};
use crate::support::recorder::Recorder;

pub(super) const INACTIVE: &[u8] = br#"{"active":false}"#;

/// A registered client: its id and its secret.
pub(super) struct Robot {
    pub(super) id: String,
    secret: String,
}

impl Robot {
    pub(super) fn register(house: &House, name: &str, scopes: &[&str]) -> Self {
        let mut arguments = vec!["--json", "client", "add", name];
        for scope in scopes {
            arguments.extend(["--scope", scope]);
        }
        Self::read(&house.run(&arguments))
    }

    fn read(printed: &str) -> Self {
        let document: Value = serde_json::from_str(printed).expect("JSON");
        let text = |member: &str| document[member].as_str().expect(member).to_owned();
        Self { id: text("id"), secret: text("secret") }
    }

    pub fn basic(&self) -> String {
        basic(&self.id, &self.secret)
    }

    pub(super) fn token(&self, house: &House) -> String {
        let answer = ask(house, "token", Some(&self.basic()), "grant_type=client_credentials");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["access_token"].as_str().expect("a token").to_owned()
    }
}

pub fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

pub fn form(endpoint: &str, authorization: Option<&str>, body: &str) -> Request {
    let request = Request::new("POST", &format!("/auth/{endpoint}"))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body);
    authorization.map_or(request.clone(), |value| request.header("Authorization", value))
}

pub(super) fn ask(house: &House, endpoint: &str, authorization: Option<&str>, body: &str) -> Answer {
    house.ask(&form(endpoint, authorization, body))
}

pub(super) fn call(house: &House, token: &str) -> u16 {
    house.ask(&Request::new("GET", "/things").bearer(token)).status
}

#[test]
fn a_service_account_gets_a_token_for_itself_and_passes_the_gate_with_its_own_scopes() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let robot = Robot::register(&house, "robot", &["api:use", "other:thing"]);
    let answer = ask(&house, "token", Some(&robot.basic()), "grant_type=client_credentials&unknown=x");
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let document = answer.json();
    assert_eq!((&document["token_type"], &document["scope"]), (&json!("Bearer"), &json!("api:use other:thing")));
    assert!(document["refresh_token"].is_null(), "RFC 6749 §4.4.3");
    let token = document["access_token"].as_str().unwrap();
    assert_eq!(call(&house, token), 200);
    let seen = format!("{:?}", api.take());
    assert!(seen.contains(&robot.id) && seen.contains("api:use other:thing"), "{seen}");
    assert!(!seen.contains("robot"), "the API hears of a user where there is none: {seen}");
    // It has no account of a user.
    for path in ["/auth/me", "/auth/sessions"] {
        assert_eq!(house.ask(&Request::new("GET", path).bearer(token)).status, 401, "{path}");
    }
    // Narrowed by what it asks for.
    let both = format!("client_id={}&client_secret={}&grant_type=client_credentials", robot.id, robot.secret);
    let less = ask(&house, "token", None, &format!("{both}&scope=other:thing+foreign")).json();
    assert_eq!(less["scope"], "other:thing");
    assert_eq!(call(&house, less["access_token"].as_str().unwrap()), 401);
    let none = ask(&house, "token", None, &format!("{both}&scope=foreign"));
    assert_eq!((none.status, &none.json()["error"]), (400, &json!("invalid_scope")));
}

#[test]
fn the_token_endpoint_refuses_in_the_words_of_rfc_6749() {
    let house = House::empty("http://127.0.0.1:9", "default = \"deny\"");
    let robot = Robot::register(&house, "robot", &[]);
    let good = robot.basic();
    let wrong = basic(&robot.id, "fob_sec_AAAA");
    let stranger = basic("0193a1f0-0000-7000-8000-000000000000", &robot.secret);
    let grant = "grant_type=client_credentials";
    let twice = format!("{grant}&client_id={}&client_secret={}", robot.id, robot.secret);
    for (authorization, body, status, error) in [
        (Some(&wrong), grant, 401, "invalid_client"),
        (Some(&stranger), grant, 401, "invalid_client"),
        (None, grant, 401, "invalid_client"),
        (None, "grant_type=client_credentials&client_id=keyfob", 401, "invalid_client"),
        (Some(&"Bearer x".to_owned()), grant, 401, "invalid_client"),
        (Some(&good), &twice, 400, "invalid_request"),
        (Some(&good), "grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"),
        (Some(&good), "scope=a", 400, "invalid_request"),
        (Some(&"Basic !".to_owned()), grant, 400, "invalid_request"),
        (Some(&good), "grant_type=password&username=ada&password=x", 400, "unsupported_grant_type"),
        (Some(&good), "grant_type=client_credentials&scope=a++b", 400, "invalid_scope"),
    ] {
        let answer = ask(&house, "token", authorization.map(String::as_str), body);
        assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(error)), "{body}");
        assert!(!answer.text().contains(&robot.secret), "{body}");
        // RFC 6749 §5.2: a challenge for who used, or should have used, the Authorization field.
        let challenged = status == 401 && !body.contains("client_id");
        assert_eq!(answer.challenge().starts_with("Basic realm="), challenged, "{body}: {}", answer.challenge());
    }
    let same = |authorization: &str| ask(&house, "token", Some(authorization), grant).text();
    assert_eq!(same(&wrong), same(&stranger), "an unknown client looks like a wrong secret");
    let json = Request::new("POST", "/auth/token").json(&json!({ "grant_type": "client_credentials" }));
    assert_eq!(house.ask(&json).json()["error"], "invalid_request");
}

#[test]
fn what_a_client_was_minted_dies_with_its_secret_its_registration_and_its_scopes() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let changes: [(&[&str], u16, u16); 5] = [
        (&["client", "rotate-secret", "NAME"], 401, 401),
        (&["client", "delete", "NAME"], 401, 401),
        (&["client", "suspend", "NAME"], 401, 401),
        (&["client", "scope", "NAME", "--scope", "other:thing"], 401, 200),
        (&["client", "scope", "NAME", "--scope", "api:use", "--scope", "more"], 200, 200),
    ];
    for (at, (command, called, granted)) in changes.into_iter().enumerate() {
        let name = format!("robot{at}");
        let robot = Robot::register(&house, &name, &["api:use"]);
        let token = robot.token(&house);
        assert_eq!(call(&house, &token), 200);
        let command: Vec<&str> = command.iter().map(|word| if *word == "NAME" { &name } else { *word }).collect();
        house.run(&command);
        // In force when the command returns: the very next request is refused (G1).
        assert_eq!(call(&house, &token), called, "after {}", command.join(" "));
        let again = ask(&house, "token", Some(&robot.basic()), "grant_type=client_credentials");
        assert_eq!(again.status, granted, "after {}", command.join(" "));
    }
    let robot = Robot::register(&house, "phoenix", &["api:use"]);
    let token = robot.token(&house);
    house.run(&["client", "suspend", "phoenix"]);
    house.run(&["client", "resume", "phoenix"]);
    assert_eq!(call(&house, &token), 401, "what was dead stays dead");
    assert_eq!(call(&house, &robot.token(&house)), 200);
    let new = Robot::read(&house.run(&["--json", "client", "rotate-secret", "phoenix"]));
    assert_eq!(call(&house, &new.token(&house)), 200);
}

#[test]
fn introspection_tells_an_authenticated_caller_what_a_token_is_worth_now() {
    let house = House::open("http://127.0.0.1:9");
    let server = Robot::register(&house, "resource-server", &[]);
    let ada = house.token("ada");
    let look = |token: &str| ask(&house, "introspect", Some(&server.basic()), &format!("token={token}"));
    let answer = look(&ada);
    let (document, me) = (answer.json(), house.me(&ada));
    assert_eq!((answer.status, &document["active"], &document["token_type"]), (200, &json!(true), &json!("Bearer")));
    assert_eq!((&document["username"], &document["scope"]), (&json!("ada"), &json!("api:use")));
    assert_eq!((&document["sub"], &document["sid"]), (&me["sub"], &me["session_id"]));
    assert_eq!((&document["client_id"], &document["aud"]), (&json!("keyfob"), &document["iss"]));
    assert!(document["exp"].as_i64() > document["iat"].as_i64() && document["jti"].is_string());
    // The scope is what a guard would grant now.
    house.run(&["user", "role", "ada", "--remove", "caller"]);
    assert_eq!(look(&ada).json()["scope"], "");
    let robot = Robot::register(&house, "robot", &["api:use"]);
    let own = look(&robot.token(&house)).json();
    assert_eq!((&own["sub"], &own["client_id"]), (&json!(robot.id), &json!(robot.id)));
    assert!(own["username"].is_null() && own["sid"].is_null());
    // A caller with a token of its own needs the scope.
    let knower = Robot::register(&house, "knower", &["keyfob:introspect"]);
    let bearer = |token: &str| {
        let header = format!("Bearer {token}");
        ask(&house, "introspect", Some(&header), &format!("token={}", house.token("bob")))
    };
    assert_eq!(bearer(&knower.token(&house)).json()["active"], true);
    let lacking = bearer(&robot.token(&house));
    assert_eq!((lacking.status, &lacking.json()["error"]), (401, &json!("insufficient_scope")));
    assert_eq!(bearer("nonsense").json()["error"], "invalid_token");
    for (authorization, body, error) in [
        (None, "token=x", "invalid_client"),
        (None, "token=x&client_id=keyfob", "invalid_client"),
        (Some(basic(&server.id, &robot.secret)), "token=x", "invalid_client"),
        (Some(server.basic()), "nothing=x", "invalid_request"),
        (Some(server.basic()), "token=x&token=y", "invalid_request"),
    ] {
        assert_eq!(ask(&house, "introspect", authorization.as_deref(), body).json()["error"], error, "{body}");
    }
}

#[test]
fn every_token_that_is_worth_nothing_gets_the_same_bytes() {
    let elsewhere = House::open("http://127.0.0.1:9");
    let house = House::open("http://127.0.0.1:9");
    let server = Robot::register(&house, "resource-server", &[]);
    let robot = Robot::register(&house, "robot", &[]);
    let (ended, disabled, rotated) = (house.token("ada"), house.token("bob"), robot.token(&house));
    assert_eq!(house.ask(&Request::new("POST", "/auth/logout").bearer(&ended)).status, 204);
    house.run(&["user", "disable", "bob"]);
    house.run(&["client", "rotate-secret", "robot"]);
    let live = house.token("ada");
    let mut forged = live.clone();
    let last = if forged.ends_with('A') { 'B' } else { 'A' };
    forged.pop();
    forged.push(last);
    let refresh = "fob_ref_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
    let foreign = elsewhere.token("ada");
    for (why, token) in [
        ("ended", ended),
        ("disabled", disabled),
        ("rotated", rotated),
        ("forged", forged),
        ("of another issuer and for another audience", foreign),
        ("unknown", refresh),
        ("nothing", String::new()),
        ("nonsense", "%00%ff".replace("%ff", "x")),
    ] {
        let answer = ask(&house, "introspect", Some(&server.basic()), &format!("token={token}&token_type_hint=wrong"));
        assert_eq!((answer.status, answer.body.as_slice()), (200, INACTIVE), "{why}");
    }
}

#[test]
fn a_revoked_token_is_dead_with_all_of_its_session_when_the_answer_comes() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let revoke = |authorization: Option<&str>, body: String| ask(&house, "revoke", authorization, &body);
    let (mine, other) = (house.token("ada"), house.token("ada"));
    assert_eq!(revoke(None, format!("token={mine}&client_id=keyfob")).status, 200);
    assert_eq!([call(&house, &mine), call(&house, &other)], [401, 200], "this session and no other");
    assert_eq!(revoke(None, format!("token={mine}")).status, 200, "dead already is fine");
    assert_eq!(revoke(None, "token=nonsense&token_type_hint=refresh_token".to_owned()).status, 200);
    assert_eq!(revoke(None, "nothing=x".to_owned()).json()["error"], "invalid_request");
    assert_eq!(revoke(None, format!("token={other}&client_id=stranger")).json()["error"], "invalid_client");
    // A registered client ends its own, and authenticates for it.
    let robot = Robot::register(&house, "robot", &["api:use"]);
    let rival = Robot::register(&house, "rival", &["api:use"]);
    let (first, second) = (robot.token(&house), robot.token(&house));
    for (authorization, token, error) in [
        (None, &first, "invalid_client"),
        (Some(rival.basic()), &first, "invalid_grant"),
        (Some(rival.basic()), &other, "invalid_grant"),
        (Some(basic(&robot.id, &rival.secret)), &first, "invalid_client"),
    ] {
        let answer = revoke(authorization.as_deref(), format!("token={token}"));
        assert_eq!(answer.json()["error"], error);
    }
    assert_eq!([call(&house, &first), call(&house, &other)], [200, 200]);
    assert_eq!(revoke(Some(&robot.basic()), format!("token={first}")).status, 200);
    assert_eq!([call(&house, &first), call(&house, &second)], [401, 401]);
    assert_eq!(call(&house, &robot.token(&house)), 200, "its secret is good");
}

#[test]
fn an_api_key_is_introspected_and_revoked_like_a_token() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let server = Robot::register(&house, "resource-server", &[]);
    let body = json!({ "name": "nightly", "scope": "api:use" });
    let made = house.ask(&Request::new("POST", "/auth/keys").bearer(&house.token("ada")).json(&body));
    let secret = made.json()["key"].as_str().expect("a secret").to_owned();
    let look = || ask(&house, "introspect", Some(&server.basic()), &format!("token={secret}"));
    let seen = look().json();
    assert_eq!((&seen["active"], &seen["username"], &seen["scope"]), (&json!(true), &json!("ada"), &json!("api:use")));
    assert!(seen["sid"].is_null() && seen["client_id"].is_null(), "a key is of no session and no client");
    assert_eq!(call(&house, &secret), 200);
    assert_eq!(ask(&house, "revoke", None, &format!("token={secret}")).status, 200);
    assert_eq!((call(&house, &secret), look().body.as_slice()), (401, INACTIVE));
}
