//! Before and after a restore, with the program itself: no token of the old life is believed in the new one, at the gateway
//! and at the check endpoint alike; and an older database in the place of a newer one keeps the program from starting.

use std::fs;

use serde_json::Value;

use crate::support::house::House;
use crate::support::http::{Request, ask};
use crate::support::keyfob::{Keyfob, command};
use crate::support::recorder::Recorder;

#[test]
fn tokens_from_before_a_restore_are_refused_at_every_door_and_new_ones_are_not() {
    let api = Recorder::start();
    let mut house = House::open(&api.origin());
    let token = house.token("ada");
    let request = |token: &str| Request::new("GET", "/things").bearer(token);
    assert_eq!(house.ask(&request(&token)).status, 200);
    let file = house.data().with_file_name("backup.db");
    house.run(&["backup", &file.display().to_string()]);
    let said = command(&house.data(), &["restore", &file.display().to_string()], "");
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(!said.status.success() && words.contains(&house.keyfob().id().to_string()), "beside a server: {words}");
    house.kill();
    house.run(&["restore", &file.display().to_string()]);
    house.start();
    api.take();
    let check = Request::new("GET", "/auth/check/forward").header("X-Forwarded-Method", "GET");
    let check = check.header("X-Forwarded-Host", "api.test").header("X-Forwarded-Proto", "http");
    let check =
        |token: &str| ask(house.keyfob().internal, &check.clone().header("X-Forwarded-Uri", "/x").bearer(token));
    assert_eq!(house.ask(&request(&token)).status, 401);
    assert_eq!(house.ask(&Request::new("GET", "/auth/me").bearer(&token)).status, 401);
    assert_eq!(check(&token).status, 401);
    assert!(api.take().is_empty(), "nothing of it reached the API");
    let inspected = command(&house.data(), &["token", "inspect"], &format!("{token}\n"));
    let told = String::from_utf8_lossy(&inspected.stdout).into_owned();
    assert!(told.contains("before the database was restored"), "{told}");
    let fresh = house.token("ada");
    assert_eq!(house.ask(&request(&fresh)).status, 200);
    assert_eq!(check(&fresh).status, 200);
}

/// What an API key and a client's secret are worth: the status of a call, and of asking for a token.
fn worth(house: &House, key: &str, client: &Value) -> (u16, u16) {
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        client["id"].as_str().expect("an id"),
        client["secret"].as_str().expect("a secret")
    );
    let request = Request::new("POST", "/auth/token").header("Content-Type", "application/x-www-form-urlencoded");
    (house.ask(&Request::new("GET", "/things").bearer(key)).status, house.ask(&request.body(form)).status)
}

#[test]
fn api_keys_and_clients_are_suspended_by_a_restore_and_accepted_at_once_when_resumed() {
    let api = Recorder::start();
    let mut house = House::open(&api.origin());
    let made = |house: &House, arguments: &[&str]| -> Value {
        serde_json::from_str(&house.run(&[&["--json"], arguments].concat())).expect("JSON")
    };
    let keys = ["one", "two", "three", "gone"].map(|name| made(&house, &["key", "create", "ada", name]));
    let clients = ["robot", "second", "third"].map(|name| made(&house, &["client", "add", name]));
    let [key, second, third, gone] = keys.each_ref().map(|key| key["key"].as_str().expect("a key"));
    let id = |at: usize| keys[at]["id"].as_str().expect("an id");
    house.run(&["key", "revoke", id(3)]);
    assert_eq!(worth(&house, key, &clients[0]), (200, 200));
    let file = house.data().with_file_name("backup.db").display().to_string();
    house.run(&["backup", &file]);
    house.kill();
    let said = command(&house.data(), &["restore", &file], "");
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success(), "{words}");
    for part in
        ["3 API keys are suspended", "keyfob key resume --all", "3 clients are suspended", "keyfob client resume --all"]
    {
        assert!(words.contains(part), "no `{part}` in: {words}");
    }
    house.start();
    // Asked about, so that the guard remembers that they are refused.
    for (key, client) in [key, second, third].iter().zip(&clients) {
        assert_eq!(worth(&house, key, client), (401, 401));
    }
    assert!(house.run(&["key", "list", "ada"]).contains("suspended"));
    assert_eq!(house.run(&["key", "resume", id(0)]).trim(), id(0));
    house.run(&["client", "resume", "robot"]);
    assert_eq!(worth(&house, key, &clients[0]), (200, 200));
    assert_eq!(worth(&house, second, &clients[1]), (401, 401), "one is not all");
    assert_eq!(house.run(&["key", "resume", "--all"]).lines().count(), 2);
    assert_eq!(house.run(&["client", "resume", "--all"]), "second\nthird\n");
    for (key, client) in [key, second, third].iter().zip(&clients) {
        assert_eq!(worth(&house, key, client), (200, 200));
    }
    assert_eq!(worth(&house, gone, &clients[0]).0, 401, "a revoked key is revoked for good");
    assert!(!command(&house.data(), &["key", "resume", id(3)], "").status.success());
    assert!(!command(&house.data(), &["key", "resume", id(0), "--all"], "").status.success(), "which?");
    assert!(!command(&house.data(), &["key", "resume"], "").status.success(), "which?");
    assert_eq!(house.run(&["key", "resume", "--all"]), "");
}

#[test]
fn a_store_that_lost_a_revocation_does_not_start_and_killing_the_program_is_no_such_loss() {
    let api = Recorder::start();
    let mut house = House::open(&api.origin());
    let token = house.token("ada");
    let file = house.data().with_file_name("backup.db");
    house.run(&["backup", &file.display().to_string()]);
    // Acknowledged, so it is above the mark, however the program ends.
    house.run(&["session", "end", "--user", "ada"]);
    house.kill();
    house.start();
    house.kill();
    fs::copy(&file, house.data().join("keyfob.db")).expect("put back by hand");
    for side in ["keyfob.db-wal", "keyfob.db-shm"] {
        let _ = fs::remove_file(house.data().join(side));
    }
    let Err(said) = Keyfob::try_serve(&house.data(), &[], &[]) else { panic!("it started") };
    assert!(said.contains("an older copy was put in its place") && said.contains("--accept-rollback"), "{said}");
    house.run(&["restore", "--accept-rollback"]);
    house.start();
    assert_eq!(house.ask(&Request::new("GET", "/things").bearer(&token)).status, 401);
}
