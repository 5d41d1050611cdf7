//! What an operator meets: reload of the policy, starts that fail, the one owner of a data directory, a clean stop.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::clock;
use crate::support::house::{House, POLICY};
use crate::support::http::Request;
use crate::support::keyfob::{Keyfob, must};
use crate::support::recorder::Recorder;

/// Long enough for a loaded machine; the file is looked at every second.
const SOON: Duration = Duration::from_secs(20);

/// What `serve` says when it does not start.
fn refusal(data: &TempDir, arguments: &[&str], settings: &[(&str, &str)]) -> String {
    match Keyfob::try_serve(&data.path().join("data"), arguments, settings) {
        Ok(_) => panic!("it started"),
        Err(said) => said,
    }
}

fn check(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "no `{part}` in: {said}");
    }
    assert!(said.contains("error: ") && said.contains("hint: "), "{said}");
}

#[test]
fn a_changed_policy_file_is_in_force_without_a_restart_and_a_bad_one_changes_nothing() {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let token = house.token("ada");
    let status = || house.ask(&Request::new("GET", "/things").bearer(&token)).status;
    assert_eq!(status(), 200);
    house.write_policy(&POLICY.replace("caller = [\"api:use\"]", "caller = []"));
    assert!(clock::until(SOON, || (status() == 401).then_some(())).is_some(), "the narrower policy is applied");
    house.write_policy("default = \"deny\"\nroutes = 7\n");
    let logged = || house.keyfob().log().contains("line 2").then_some(());
    assert!(clock::until(SOON, logged).is_some(), "{}", house.keyfob().log());
    assert_eq!(status(), 401, "the policy before the bad one stays");
    house.write_policy(POLICY);
    assert!(clock::until(SOON, || (status() == 200).then_some(())).is_some(), "and back");
}

#[test]
fn a_start_that_cannot_be_says_why_and_what_to_do() {
    let data = TempDir::new().unwrap();
    let busy = Recorder::start();
    check(&refusal(&data, &["--listen", &busy.address.to_string()], &[]), &["cannot listen", "--listen"]);

    let policy = data.path().join("bad.toml");
    fs::write(&policy, "default = \"deny\"\n[[routes]]\npath = \"/a\"\nrequire = \"x\"\n").unwrap();
    check(&refusal(&data, &["--policy", policy.to_str().unwrap()], &[]), &["line 4", "keyfob policy check"]);
    check(&refusal(&data, &["--policy", "/nonexistent/policy.toml"], &[]), &["policy"]);
    check(&refusal(&data, &["--listen", "0.0.0.0:0"], &[]), &["loopback", "terminated-upstream"]);
}

#[test]
fn a_second_server_on_the_same_data_names_the_first() {
    let house = House::open("http://127.0.0.1:9");
    let Err(said) = Keyfob::try_serve(&house.data(), &[], &[]) else { panic!("two owners") };
    check(&said, &[&house.keyfob().id().to_string()]);
}

#[test]
fn another_root_key_or_a_damaged_database_stops_the_start() {
    let data = TempDir::new().unwrap();
    let path = data.path().join("data");
    must(&path, &["user", "add", "ada", "--password-stdin"], "seven violet kettles drumming\n");
    let key = path.join("root.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    check(&refusal(&data, &[], &[]), &["root key"]);
    fs::write(&key, &kept).unwrap();
    fs::write(path.join("keyfob.db"), b"this is no database, whatever its name may say to you here").unwrap();
    for side in ["keyfob.db-wal", "keyfob.db-shm"] {
        let _ = fs::remove_file(path.join(side));
    }
    check(&refusal(&data, &[], &[]), &["data"]);
}

#[test]
fn a_term_signal_stops_it_cleanly_and_the_data_can_be_opened_again() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let keyfob = Keyfob::serve(&data, &[], &[]);
    keyfob.terminate();
    let status = keyfob.wait();
    assert!(status.success(), "{status}");
    Keyfob::serve(&data, &[], &[]).kill();
}

#[test]
fn the_access_log_names_a_request_as_the_api_knows_it_and_holds_no_secret() {
    let api = Recorder::start();
    let house = House::with(
        &api.origin(),
        POLICY,
        &[("KEYFOB_LOG_LEVEL", "trace,keyfob::access=debug"), ("KEYFOB_LOG_FORMAT", "json")],
    );
    house.user("ada", &["caller"]);
    let token = house.token("ada");
    let request = Request::new("GET", "/things?key=canary-in-the-query").bearer(&token);
    assert_eq!(house.ask(&request.header("Cookie", "canary-in-a-cookie").header("X-Request-Id", "forged")).status, 200);
    let id = api.take()[0].header("x-request-id").unwrap().to_owned();
    assert_ne!(id, "forged", "only a trusted proxy names requests");
    let line = || house.keyfob().log().lines().find(|line| line.contains(&id)).map(str::to_owned);
    let line = clock::until(SOON, line).expect("the request is in the log");
    assert!(line.contains(r#""path":"/things""#) && line.contains(r#""status":200"#), "{line}");
    let log = house.keyfob().log();
    for secret in [token.as_str(), "seven violet", "canary", token.rsplit('.').next().unwrap()] {
        assert!(!log.contains(secret), "the log tells a secret");
    }
}
