//! Signing keys by command: a rotation refuses nothing that is valid, a retirement refuses everything at once, with a
//! server and without.

use serde_json::Value;

use crate::support::house::{House, POLICY};
use crate::support::http::{Connection, Request};
use crate::support::keyfob::{command, must};
use crate::support::recorder::Recorder;

fn keys(house: &House) -> Vec<Value> {
    let list = house.run(&["--json", "signing-key", "list"]);
    serde_json::from_str::<Value>(&list).expect("JSON").as_array().expect("a list").clone()
}

/// The ids of the keys in a state.
fn kids(house: &House, state: &str) -> Vec<String> {
    let of = keys(house).into_iter().filter(|key| key["state"] == state);
    of.map(|key| key["kid"].as_str().expect("an id").to_owned()).collect()
}

fn published(house: &House) -> Vec<String> {
    let set = house.ask(&Request::new("GET", "/auth/jwks.json")).json();
    set["keys"].as_array().expect("keys").iter().map(|key| key["kid"].as_str().expect("an id").to_owned()).collect()
}

fn said(house: &House, arguments: &[&str]) -> (Option<i32>, String) {
    let output = command(&house.data(), arguments, "");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_rotation_refuses_no_valid_token_and_a_retirement_refuses_all_of_its_key() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let (first, next) = (kids(&house, "active"), kids(&house, "next"));
    assert_eq!((first.len(), next.len()), (1, 1));
    assert_eq!(published(&house).len(), 2, "the next key is published before it signs");
    let before = house.token("ada");
    let mut connection = Connection::open(house.public()).expect("keyfob is there");
    let mut status = |token: &str| connection.ask(&Request::new("GET", "/x").bearer(token)).expect("an answer").status;
    assert_eq!(status(&before), 200);

    let (code, words) = said(&house, &["signing-key", "rotate"]);
    assert!(code == Some(1) && words.contains("hint: wait until") && words.contains("--now"), "{words}");
    assert_eq!(kids(&house, "active"), first, "refused, and nothing was done");
    let (code, words) = said(&house, &["signing-key", "rotate", "--now"]);
    assert!(code == Some(0) && words.contains("warning: the key that signs now was not published"), "{words}");
    assert_eq!((kids(&house, "active"), kids(&house, "old")), (next.clone(), first.clone()));
    let after = house.token("ada");
    assert_eq!((status(&before), status(&after)), (200, 200));
    assert_eq!(published(&house).len(), 3);

    house.run(&["signing-key", "retire", &first[0]]);
    assert_eq!((status(&before), status(&after)), (401, 200), "remembered or not, it is refused");
    assert!(!published(&house).contains(&first[0]));
    house.run(&["signing-key", "retire", &next[0]]);
    assert_eq!(status(&after), 401);
    assert_eq!(status(&house.token("ada")), 200, "another key took over in the same step");
    let (code, words) = said(&house, &["signing-key", "retire", "-nobody"]);
    assert!(code == Some(1) && words.contains("there is no such signing key"), "{words}");
}

#[test]
fn keys_are_rotated_and_retired_without_a_server_too() {
    let api = Recorder::start();
    let mut house = House::open(&api.origin());
    let (first, next) = (kids(&house, "active"), kids(&house, "next"));
    house.release().kill();
    house.run(&["signing-key", "rotate", "--now"]);
    assert_eq!((kids(&house, "active"), kids(&house, "old")), (next.clone(), first));
    house.run(&["signing-key", "retire", &next[0]]);
    house.start();
    assert!(!published(&house).contains(&next[0]));
    assert_eq!(house.ask(&Request::new("GET", "/x").bearer(&house.token("ada"))).status, 200);
}

#[test]
fn keys_rotate_by_schedule_and_another_algorithm_comes_in_that_way() {
    let api = Recorder::start();
    let soon: &[(&str, &str)] = &[("KEYFOB_SIGNING_KEY_LIFE", "1s"), ("KEYFOB_PUBLISH_AHEAD", "500ms")];
    let house = House::with(&api.origin(), POLICY, soon);
    let first = kids(&house, "active");
    let rotated = crate::support::clock::until(std::time::Duration::from_mins(1), || {
        Some(kids(&house, "active")).filter(|active| *active != first)
    });
    assert!(rotated.is_some(), "nothing rotated");
    let data = house.data();
    let other: &[(&str, &str)] = &[("KEYFOB_SIGNING_ALGORITHM", "EdDSA"), ("KEYFOB_PUBLISH_AHEAD", "500ms")];
    let house = house.restarted(other);
    let of = |state: &str| {
        let all = must(&data, &["--json", "signing-key", "list"], "");
        let all: Value = serde_json::from_str(&all).expect("JSON");
        all.as_array().expect("a list").iter().any(|key| key["state"] == state && key["algorithm"] == "EdDSA")
    };
    assert!(of("next") || of("active"), "a key of the new algorithm is published at the start");
    let changed = crate::support::clock::until(std::time::Duration::from_mins(1), || of("active").then_some(()));
    assert!(changed.is_some(), "the algorithm did not change");
    drop(house);
}

#[test]
fn doctor_warns_of_a_key_that_is_older_than_its_life() {
    let api = Recorder::start();
    let house = House::empty(&api.origin(), POLICY);
    assert!(house.run(&["doctor"]).contains("ok    signing key: "));
    let strict: &[(&str, &str)] = &[("KEYFOB_SIGNING_KEY_LIFE", "1s")];
    let house = house.restarted(strict);
    let warned = crate::support::clock::until(std::time::Duration::from_mins(1), || {
        house.run(&["doctor"]).contains("signs although its life ended").then_some(())
    });
    assert!(warned.is_some(), "no warning");
}
