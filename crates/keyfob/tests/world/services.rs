//! Other people's services behind keyfob-tower: each verifier as its example program uses it, against the real issuer.

use serde_json::Value;

use crate::support::house::{House, PASSWORD, login};
use crate::support::http::{Request, ask};
use crate::support::recorder::Recorder;
use crate::support::service::{Client, Service};

const THING: &str = "/things/1";

fn origin(house: &House) -> String {
    format!("http://{}", house.public())
}

fn get(service: &Service, path: &str, token: &str) -> u16 {
    ask(service.address, &Request::new("GET", path).bearer(token)).status
}

struct Street {
    house: House,
    services: Vec<(&'static str, Service)>,
    _api: Recorder,
}

/// A keyfob and one service for each verifier.
fn street() -> Street {
    let api = Recorder::start();
    let house = House::open(&api.origin());
    let client = Client::register(&house.data(), "things", &["keyfob:follow"]);
    let start = |name| (name, Service::start(name, house.keyfob(), &origin(&house), &client));
    let services = ["introspect", "jwks", "follow"].map(start).into();
    Street { house, services, _api: api }
}

#[test]
fn each_verifier_lets_in_who_may_and_nobody_else() {
    let street = street();
    let (ada, bob) = (street.house.token("ada"), street.house.token("bob"));
    let refresh = login(street.house.public(), "ada", PASSWORD).json()["refresh_token"].as_str().unwrap().to_owned();
    let mut forged = ada.clone();
    forged.replace_range(ada.len() - 4..ada.len() - 2, if ada.ends_with("AAAA") { "BB" } else { "AA" });
    for (name, service) in &street.services {
        assert_eq!(get(service, THING, &ada), 200, "{name}");
        assert_eq!(get(service, THING, &bob), 401, "{name}: bob is known and lacks the scope");
        assert_eq!(get(service, "/hello", &bob), 200, "{name}: any caller");
        for wrong in [&refresh, &forged, "nonsense", "a.b.c", "fob_key_nonsense"] {
            assert_eq!(get(service, "/hello", wrong), 401, "{name}: {wrong}");
        }
        let plain = |method: &str, path: &str| ask(service.address, &Request::new(method, path));
        let nobody = plain("GET", THING);
        assert_eq!(nobody.status, 401, "{name}");
        assert!(nobody.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer realm=")), "{name}");
        // Strangers learn nothing of what there is: neither paths nor methods.
        for (method, path) in
            [("GET", "/nowhere"), ("POST", THING), ("BREW", THING), ("HEAD", THING), ("OPTIONS", THING)]
        {
            assert_eq!(plain(method, path).status, 401, "{name}: {method} {path}");
        }
        let signed = |method: &str, path: &str| ask(service.address, &Request::new(method, path).bearer(&ada)).status;
        assert_eq!((signed("GET", "/nowhere"), signed("POST", THING)), (404, 405), "{name}");
        let lacking = ask(service.address, &Request::new("POST", THING).bearer(&bob)).status;
        assert_eq!(lacking, 401, "{name}: whether a method is there is for those who have the scope");
    }
}

#[test]
fn api_keys_work_where_they_can_be_asked_about_and_die_there_at_once() {
    let street = street();
    let made: Value = serde_json::from_str(&street.house.run(&["--json", "key", "create", "ada", "a script"])).unwrap();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let statuses = || street.services.iter().map(|(_, service)| get(service, THING, key)).collect::<Vec<_>>();
    assert_eq!(statuses(), [200, 401, 200], "introspect, jwks, follow");
    street.house.run(&["key", "revoke", id]);
    assert_eq!(statuses(), [401, 401, 401]);
}

#[test]
fn a_revocation_is_final_for_those_who_ask_or_follow_and_a_changed_user_takes_another_token() {
    let street = street();
    let statuses = |token: &str| street.services.iter().map(|(_, it)| get(it, THING, token)).collect::<Vec<_>>();
    let token = street.house.token("ada");
    assert_eq!(statuses(&token), [200, 200, 200]);
    street.house.run(&["session", "end", "--user", "ada"]);
    assert_eq!(statuses(&token), [401, 200, 401], "a JWK Set knows nothing of sessions");

    // A change of the user in either direction: what tokens from before say of it is not believed by who follows.
    let token = street.house.token("ada");
    street.house.run(&["user", "role", "ada", "--add", "visitor"]);
    assert_eq!(statuses(&token), [200, 200, 401]);
    assert_eq!(statuses(&street.house.token("ada")), [200, 200, 200], "a new token is minted at the new revision");
}

#[test]
fn keys_that_are_retired_are_forgotten_by_who_follows() {
    let street = street();
    let follow = &street.services[2].1;
    let token = street.house.token("ada");
    assert_eq!(get(follow, THING, &token), 200);
    street.house.run(&["signing-key", "rotate", "--now"]);
    let fresh = street.house.token("ada");
    assert_eq!((get(follow, THING, &token), get(follow, THING, &fresh)), (200, 200), "the old key is accepted still");
    let keys: Vec<Value> = serde_json::from_str(&street.house.run(&["--json", "signing-key", "list"])).unwrap();
    let old = keys.iter().find(|key| key["state"] == "old").expect("the one before");
    street.house.run(&["signing-key", "retire", old["kid"].as_str().unwrap()]);
    assert_eq!((get(follow, THING, &token), get(follow, THING, &fresh)), (401, 200));
}
