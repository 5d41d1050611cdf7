//! `postman/keyfob.postman_collection.json`, run by newman against the running program, and held to what makes it useful
//! to a person: one place where the bearer token is set, a sign-in that saves it, and no request that hides its own.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::support::house::{House, PASSWORD};
use super::support::upstream::httpbin;
use super::support::{root, world};

fn collection() -> PathBuf {
    root().join("postman/keyfob.postman_collection.json")
}

#[test]
fn newman_runs_the_collection_without_a_failure() {
    let house = House::open(&httpbin().origin());
    let report = house.data().with_file_name("newman.json");
    let mut newman = Command::new(world().join("node/node_modules/.bin/newman"));
    newman.arg("run").arg(collection()).args(["--reporters", "cli,json", "--color", "off", "--timeout", "60000"]);
    newman.arg("--reporter-json-export").arg(&report);
    let settings = [
        ("base", format!("http://{}", house.public())),
        ("username", "ada".to_owned()),
        ("password", PASSWORD.to_owned()),
        ("other_username", "bob".to_owned()),
        ("other_password", PASSWORD.to_owned()),
        ("path", "get".to_owned()),
    ];
    for (name, value) in settings {
        newman.args(["--env-var", &format!("{name}={value}")]);
    }
    let output = newman.output().expect("newman can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));

    let report: Value = serde_json::from_slice(&std::fs::read(&report).expect("newman reports")).expect("JSON");
    let stats = &report["run"]["stats"];
    assert_eq!(stats["assertions"]["failed"], 0);
    assert_eq!(stats["requests"]["total"].as_u64(), Some(requests(&read()).len() as u64), "{said}");
    assert!(stats["assertions"]["total"].as_u64() >= Some(20), "{said}");
}

#[test]
fn every_request_inherits_the_bearer_token_but_those_that_are_about_not_having_it() {
    let collection = read();
    assert_eq!(collection["info"]["schema"], "https://schema.getpostman.com/json/collection/v2.1.0/collection.json");
    assert_eq!(collection["auth"]["type"], "bearer");
    assert_eq!(collection["auth"]["bearer"][0]["value"], "{{token}}");
    let own: Vec<String> = requests(&collection)
        .iter()
        .filter(|item| item["request"].get("auth").is_some())
        .map(|item| format!("{}: {}", item["name"].as_str().unwrap_or_default(), item["request"]["auth"]["type"]))
        .collect();
    let expected = [
        "Sign in: \"noauth\"",
        "No token: \"noauth\"",
        "Bad token: \"bearer\"",
        "Basic instead of Bearer: \"basic\"",
        "Sign in as somebody without the permission: \"noauth\"",
        "A user without the permission: \"bearer\"",
    ];
    assert_eq!(own, expected);
}

fn read() -> Value {
    let text = std::fs::read(collection()).expect("the collection can be read");
    serde_json::from_slice(&text).expect("the collection is JSON")
}

/// Every request, folders opened.
fn requests(folder: &Value) -> Vec<&Value> {
    let items = folder["item"].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().flat_map(|item| if item.get("request").is_some() { vec![item] } else { requests(item) }).collect()
}
