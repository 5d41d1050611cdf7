//! What a signed-in user does with the own account: sessions, password, and what each change does to which token.

use serde_json::json;

use crate::support::house::{House, PASSWORD, POLICY, login, token_of};
use crate::support::http::Request;
use crate::support::recorder::Recorder;

const NEW: &str = "a wholly different set of words";

fn change(house: &House, token: &str, current: &str, new: &str) -> u16 {
    let body = json!({ "current_password": current, "new_password": new });
    house.ask(&Request::new("POST", "/auth/password").bearer(token).json(&body)).status
}

#[test]
fn sessions_are_listed_and_ended_one_by_one_or_all() {
    let house = House::open("http://127.0.0.1:9");
    let tokens: Vec<String> = (0..3).map(|_| house.token("ada")).collect();
    let list = house.ask(&Request::new("GET", "/auth/sessions").bearer(&tokens[0])).json();
    let sessions = list["sessions"].as_array().unwrap().clone();
    assert_eq!(sessions.len(), 3);
    let current: Vec<_> = sessions.iter().filter(|session| session["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["id"], house.me(&tokens[0])["session_id"]);
    assert_eq!(current[0]["address"], "127.0.0.0/24");

    let other = house.me(&tokens[1])["session_id"].as_str().unwrap().to_owned();
    let end = |token: &str, path: &str| house.ask(&Request::new("DELETE", path).bearer(token)).status;
    // Nobody ends, or learns of, somebody else's session.
    assert_eq!(end(&house.token("bob"), &format!("/auth/sessions/{other}")), 404);
    assert_eq!(end(&tokens[0], "/auth/sessions/nonsense"), 404);
    assert_eq!(end(&tokens[0], &format!("/auth/sessions/{other}")), 204);
    let live = |token: &str| house.ask(&Request::new("GET", "/auth/me").bearer(token)).status;
    assert_eq!([live(&tokens[0]), live(&tokens[1]), live(&tokens[2])], [200, 401, 200]);
    assert_eq!(end(&tokens[0], "/auth/sessions?except=current"), 204);
    assert_eq!([live(&tokens[0]), live(&tokens[2])], [200, 401]);
    assert_eq!(end(&tokens[0], "/auth/sessions?everything"), 400);
    assert_eq!(end(&tokens[0], "/auth/sessions"), 204);
    assert_eq!(live(&tokens[0]), 401);
}

#[test]
fn changing_the_password_needs_the_current_one_and_ends_the_other_sessions() {
    let house = House::open("http://127.0.0.1:9");
    let (here, there) = (house.token("ada"), house.token("ada"));
    assert_eq!(change(&house, &here, "not the current one at all", NEW), 401);
    assert_eq!(change(&house, &here, PASSWORD, "short"), 422);
    assert_eq!(change(&house, &here, PASSWORD, "passwordpassword"), 422, "a common one is refused");
    assert_eq!(change(&house, &here, PASSWORD, NEW), 204);
    let live = |token: &str| house.ask(&Request::new("GET", "/auth/me").bearer(token)).status;
    assert_eq!([live(&here), live(&there)], [200, 401]);
    assert_eq!(login(house.public(), "ada", PASSWORD).status, 401);
    assert_eq!(login(house.public(), "ada", NEW).status, 200);
}

#[test]
fn guessing_the_current_password_counts_as_guessing() {
    let house = House::open("http://127.0.0.1:9");
    let token = house.token("ada");
    for guess in 0..10 {
        assert_eq!(change(&house, &token, &format!("wrong guess number {guess}"), NEW), 401);
    }
    assert_eq!(change(&house, &token, PASSWORD, NEW), 429);
    assert_eq!(login(house.public(), "ada", PASSWORD).status, 429, "one budget for every door");
}

#[test]
fn every_account_change_does_to_live_tokens_what_the_design_says() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    // The command, the status of a call after it, and whether a new sign-in works.
    let changes: [(&[&str], u16, u16); 6] = [
        (&["user", "role", "NAME", "--remove", "caller"], 401, 200),
        (&["user", "disable", "NAME"], 401, 401),
        (&["session", "end", "--user", "NAME"], 401, 200),
        (&["user", "delete", "NAME"], 401, 401),
        (&["user", "role", "NAME", "--add", "visitor"], 200, 200),
        (&["user", "enable", "NAME"], 200, 200),
    ];
    for (at, (command, called, signed_in)) in changes.into_iter().enumerate() {
        let name = format!("victim{at}");
        house.user(&name, &["caller"]);
        let token = house.token(&name);
        let call = || house.ask(&Request::new("GET", "/things").bearer(&token));
        assert_eq!(call().status, 200);
        let command: Vec<&str> = command.iter().map(|word| if *word == "NAME" { &name } else { *word }).collect();
        house.run(&command);
        assert_eq!(call().status, called, "after {}", command.join(" "));
        assert_eq!(login(house.public(), &name, PASSWORD).status, signed_in, "after {}", command.join(" "));
    }
}

#[test]
fn a_token_outlives_a_restart_and_not_its_session() {
    let api = Recorder::start();
    let mut house = House::open(&api.origin());
    let (kept, ended) = (house.token("ada"), house.token("ada"));
    assert_eq!(house.ask(&Request::new("POST", "/auth/logout").bearer(&ended)).status, 204);
    // On another port: the origin in force is the stored one.
    house.kill();
    house.start();
    let call = |token: &str| house.ask(&Request::new("GET", "/things").bearer(token)).status;
    assert_eq!([call(&kept), call(&ended)], [200, 401]);
    assert_eq!(token_of(&login(house.public(), "ada", PASSWORD)).split('.').count(), 3);
}

#[test]
fn the_sign_in_that_is_one_too_many_ends_the_least_recently_used_session_before_it_is_answered() {
    let api = Recorder::start();
    let house = House::with(&api.origin(), POLICY, &[("KEYFOB_SESSIONS_PER_USER", "2")]);
    house.user("ada", &["caller"]);
    let call = |token: &str| house.ask(&Request::new("GET", "/things").bearer(token)).status;
    let mut before = house.token("ada");
    let mut last = house.token("ada");
    for round in 0..20 {
        assert_eq!([call(&before), call(&last)], [200, 200], "round {round}");
        let newest = house.token("ada");
        assert_eq!([call(&before), call(&last), call(&newest)], [401, 200, 200], "round {round}");
        (before, last) = (last, newest);
    }
}

#[test]
fn a_narrowed_token_stays_one_when_its_user_has_no_more_than_it_carries() {
    let policy = format!("{POLICY}\n").replace("visitor =", "both = [\"api:use\", \"lobby:see\"]\nvisitor =");
    let house = House::empty("http://127.0.0.1:9", &policy);
    house.user("ada", &["both"]);
    let form = |body: String| {
        let head = Request::new("POST", "/auth/token").header("Content-Type", "application/x-www-form-urlencoded");
        house.ask(&head.body(body)).json()
    };
    let text = |document: &serde_json::Value, name: &str| document[name].as_str().unwrap().to_owned();
    let narrow = json!({ "username": "ada", "password": PASSWORD, "scope": "lobby:see" });
    let narrow = house.ask(&Request::new("POST", "/auth/login").json(&narrow)).json();
    let whole = login(house.public(), "ada", PASSWORD).json();
    let refresh = |from: &serde_json::Value, more: &str| {
        form(format!("grant_type=refresh_token&refresh_token={}{more}", text(from, "refresh_token")))
    };
    let asked = refresh(&whole, "&scope=lobby%3Asee");
    house.run(&["user", "role", "ada", "--set", "visitor"]);
    let again = refresh(&narrow, "");
    let renewed = refresh(&asked, "");
    let sessions = |answer: &serde_json::Value| {
        house.ask(&Request::new("GET", "/auth/sessions").bearer(&text(answer, "access_token"))).status
    };
    assert_eq!(sessions(&narrow), 401, "asked for at the sign-in");
    assert_eq!(sessions(&again), 401, "and so is whatever comes of that session");
    assert_eq!(sessions(&asked), 401, "asked for at a refresh");
    assert_eq!([sessions(&whole), sessions(&renewed)], [200, 200], "which narrows that token alone");
    assert_eq!(house.me(&text(&narrow, "access_token"))["username"], "ada", "and it is good for the rest");
}
