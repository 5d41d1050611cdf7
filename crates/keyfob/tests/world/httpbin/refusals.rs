//! Everything that is not a good token for a permitted call, and that none of it reaches the API.

use std::fmt::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::Front;
use crate::support::clock;
use crate::support::house::{House, PASSWORD, POLICY};
use crate::support::http::{Answer, Request, ask_raw};
use crate::support::recorder::Recorder;

/// What a refusal must look like (DESIGN: one decision, the uniform profile).
fn refused(answer: &Answer, status: u16, challenge: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text());
    assert_eq!(answer.challenge(), challenge, "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    assert!(answer.json()["type"].as_str().is_some_and(|kind| kind.starts_with("urn:keyfob:problem:")), "{what}");
}

const BARE: &str = r#"Bearer realm="keyfob""#;
const MALFORMED: &str = r#"Bearer realm="keyfob", error="invalid_request""#;
const INVALID: &str = r#"Bearer realm="keyfob", error="invalid_token""#;

/// Challenges may say more (`error_description`); what they must say comes first.
fn starts(answer: &Answer, challenge: &str) -> String {
    if answer.challenge().starts_with(challenge) { answer.challenge().to_owned() } else { challenge.to_owned() }
}

#[test]
fn every_kind_of_refusal_is_answered_by_keyfob_and_never_reaches_the_api() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let (ada, bob) = (house.token("ada"), house.token("bob"));
    let get = || Request::new("GET", "/get");

    let none = house.ask(&get());
    refused(&none, 401, BARE, "no token");
    let basic = house.ask(&get().header("Authorization", "Basic YWRhOnNlY3JldA=="));
    refused(&basic, 401, BARE, "Basic instead of Bearer");
    let query = house.ask(&Request::new("GET", &format!("/get?access_token={ada}")));
    refused(&query, 401, BARE, "a token in the query");

    for (what, token) in bad_tokens(&ada) {
        let answer = house.ask(&get().bearer(&token));
        refused(&answer, 401, &starts(&answer, INVALID), what);
    }
    // The example of the text that started the project: `$` is no character of a b64token.
    let example = house.ask(&get().bearer("$2a$12$CgpQ6EX4ukkKmTROa245OeplIB2kraEV6wuPJAM7G1gqX.Im.KBQC"));
    refused(&example, 401, &starts(&example, MALFORMED), "a bcrypt string");
    let twice = house.ask(&get().bearer(&ada).bearer(&ada));
    refused(&twice, 401, &starts(&twice, MALFORMED), "two headers");

    let lacking = house.ask(&get().bearer(&bob));
    let expected = r#"Bearer realm="keyfob", error="insufficient_scope""#;
    refused(&lacking, 401, &starts(&lacking, expected), "a permission is missing");
    assert!(lacking.challenge().contains(r#"scope="api:use""#), "{}", lacking.challenge());

    let reached = api.take();
    assert!(reached.is_empty(), "the API was reached: {reached:?}");
    assert_eq!(house.ask(&get().bearer(&ada)).status, 200);
    assert_eq!(api.take().len(), 1, "the recorder records");
}

/// Tokens that must not pass, made from one that does.
fn bad_tokens(good: &str) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("an access token has three parts") };
    let other = |text: &str, at: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("base64url is ASCII")
    };
    vec![
        ("nonsense", "nonsense".to_owned()),
        ("another signature", format!("{header}.{claims}.{}", other(signature, 10))),
        ("other claims", format!("{header}.{}.{signature}", other(claims, claims.len() / 2))),
        ("another header", format!("{}.{claims}.{signature}", other(header, header.len() / 2))),
        ("no signature", format!("{header}.{claims}.")),
        // {"alg":"none","typ":"at+jwt"}
        ("alg none", format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{claims}.")),
        // {"alg":"HS256","typ":"at+jwt"}
        ("alg HS256", format!("eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.{claims}.{signature}")),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{good}.{signature}")),
        ("a token and a tail", format!("{good}A")),
    ]
}

#[test]
fn a_path_that_two_readers_could_read_in_two_ways_is_refused_with_400() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let token = house.token("ada");
    for path in [
        "/a/../b",
        "/a/./b",
        "/%2e%2e/b",
        "/a/%2E%2e",
        "/a//b",
        "//a",
        "/a%2fb",
        "/a%5cb",
        "/a\\b",
        "/a%00b",
        "/a;b",
        "/a;b=c/d",
        "/%ff",
        "/a/%c0%ae%c0%ae/b",
        "/%zz",
        "/a/..;/b",
        "/a%252fb",
    ] {
        let mut bytes = format!("GET {path} HTTP/1.1\r\nHost: api.test\r\n");
        write!(bytes, "Authorization: Bearer {token}\r\n\r\n").unwrap();
        let answer = ask_raw(house.public(), bytes.as_bytes()).unwrap();
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
    }
    let reached = api.take();
    assert!(reached.is_empty(), "the API was reached: {reached:?}");
}

#[test]
fn signing_out_ends_the_token_and_only_that_one() {
    let front = Front::open();
    let second = front.house.token("ada");
    let get = Request::new("GET", "/get");
    let out = front.house.ask(&Request::new("POST", "/auth/logout").bearer(&second));
    assert!((200..300).contains(&out.status), "{}: {}", out.status, out.text());
    let after = front.house.ask(&get.clone().bearer(&second));
    refused(&after, 401, &starts(&after, INVALID), "a token that was signed out");
    assert_eq!(front.signed_in(&get).status, 200, "another session of the same user");
}

#[test]
fn a_user_who_comes_back_under_the_same_name_is_another_user() {
    let front = Front::open();
    front.house.run(&["user", "delete", "ada"]);
    front.house.user("ada", &["caller"]);
    let answer = front.signed_in(&Request::new("GET", "/get"));
    refused(&answer, 401, &starts(&answer, INVALID), "the token of a deleted user");
    let again = front.house.token("ada");
    assert_ne!(front.house.me(&again)["sub"], front.subject.as_str());
}

#[test]
fn a_failed_sign_in_does_not_tell_why() {
    let house = House::empty("http://127.0.0.1:9", POLICY);
    house.user("ada", &["caller"]);
    house.user("carol", &["caller"]);
    house.run(&["user", "disable", "carol"]);
    let login = |name: &str, password: &str| crate::support::house::login(house.public(), name, password);
    let wrong = login("ada", "not the password at all");
    let unknown = login("nobody", PASSWORD);
    let disabled = login("carol", PASSWORD);
    assert_eq!(wrong.status, 401);
    for other in [unknown, disabled] {
        assert_eq!(other.status, wrong.status);
        assert_eq!(other.body, wrong.body);
        assert_eq!(other.end_to_end(), wrong.end_to_end());
    }
    assert_eq!(login("ada", PASSWORD).status, 200);
}

#[test]
fn an_api_that_is_down_is_502_and_comes_back_by_itself() {
    let address = Recorder::start().address;
    let house = House::open(&format!("http://{address}"));
    let get = Request::new("GET", "/get").bearer(&house.token("ada"));
    let gone = clock::until(Duration::from_secs(5), || TcpStream::connect(address).err());
    assert!(gone.is_some(), "the recorder stopped listening");
    for _ in 0..5 {
        let answer = house.ask(&get);
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let _back = Recorder::start_at(address);
    let answer = clock::until(Duration::from_secs(5), || Some(house.ask(&get)).filter(|answer| answer.status == 200));
    assert!(answer.is_some(), "keyfob finds the API again");
}
