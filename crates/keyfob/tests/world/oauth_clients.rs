//! Other people's OAuth clients against the running program: openid-client and oauth4webapi in Node, Authlib,
//! requests-oauthlib and PyJWT in Python. What they do is in `oauth_clients.mjs` and `oauth_clients.py`: refresh, client
//! credentials, introspection, revocation and JWKS verification, each as far as the library can.

use std::process::Command;

use serde_json::Value;

use super::support::house::{House, PASSWORD};
use super::support::recorder::Recorder;
use super::support::{fixture, world};

fn run(mut command: Command) {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let printed = house.run(&["--json", "client", "add", "robot", "--scope", "api:use"]);
    let client: Value = serde_json::from_str(&printed).expect("JSON");
    command.arg(format!("http://{}", house.public()));
    command.args(["id", "secret"].map(|member| client[member].as_str().expect(member)));
    command.args(["ada", PASSWORD]);
    let output = command.output().expect("it can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim(), "done");
}

#[test]
fn openid_client_and_oauth4webapi_do_all_they_can() {
    let mut node = Command::new("node");
    node.arg(fixture("oauth_clients.mjs")).current_dir(world().join("node"));
    run(node);
}

#[test]
fn authlib_requests_oauthlib_and_pyjwt_do_all_they_can() {
    let mut python = Command::new(world().join("venv/bin/python"));
    python.arg(fixture("oauth_clients.py"));
    run(python);
}
