//! The two documents under `/.well-known/`: exact paths, the same bytes whatever a request says of itself, and named by
//! every challenge.

use serde_json::json;

use crate::support::house::House;
use crate::support::http::{Answer, Request};
use crate::support::recorder::Recorder;

const SERVER: &str = "/.well-known/oauth-authorization-server";
const RESOURCE: &str = "/.well-known/oauth-protected-resource";

fn get(house: &House, path: &str) -> Answer {
    house.ask(&Request::new("GET", path))
}

#[test]
fn the_metadata_names_the_endpoints_under_the_public_url_and_nothing_of_the_request() {
    let settings = &[("KEYFOB_PUBLIC_URL", "https://api.example")];
    let house = House::with("http://127.0.0.1:9", "default = \"deny\"", settings);
    let server = get(&house, SERVER);
    assert_eq!((server.status, server.header("content-type")), (200, Some("application/json")));
    let document = server.json();
    assert_eq!(document["issuer"], "https://api.example");
    for (member, path) in [
        ("token_endpoint", "/auth/token"),
        ("revocation_endpoint", "/auth/revoke"),
        ("introspection_endpoint", "/auth/introspect"),
        ("jwks_uri", "/auth/jwks.json"),
    ] {
        assert_eq!(document[member], format!("https://api.example{path}"), "{member}");
    }
    assert!(!document["grant_types_supported"].as_array().unwrap().contains(&json!("password")));
    let resource = get(&house, RESOURCE);
    assert_eq!((resource.status, resource.header("content-type")), (200, Some("application/json")));
    assert_eq!(resource.json()["resource"], "https://api.example");
    assert_eq!(resource.json()["authorization_servers"], json!(["https://api.example"]));
    for (path, honest) in [(SERVER, server), (RESOURCE, resource)] {
        let forged = Request::new("GET", &format!("{path}?issuer=evil"))
            .header("Host", "evil.example")
            .header("X-Forwarded-Host", "evil.example")
            .header("X-Forwarded-Proto", "http");
        assert_eq!(house.ask(&forged).body, honest.body, "{path}");
    }
}

#[test]
fn only_the_exact_paths_are_answered_by_keyfob() {
    let api = Recorder::start();
    let house = House::empty(&api.origin(), "[[routes]]\npath = \"/{*rest}\"\npublic = true");
    for path in [SERVER, RESOURCE] {
        assert_eq!(house.ask(&Request::new("POST", path)).status, 405);
        assert_eq!(house.ask(&Request::new("HEAD", path)).status, 200);
        assert_eq!(house.ask(&Request::new("OPTIONS", path)).header("allow"), Some("GET, HEAD, OPTIONS"));
    }
    assert!(api.take().is_empty(), "the API behind saw what is keyfob's");
    let others = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/x"];
    for path in others {
        assert_eq!(get(&house, path).status, 200, "{path} is the API's");
    }
    assert_eq!(api.take().len(), others.len());
}

#[test]
fn every_challenge_names_the_resource_metadata() {
    let settings = &[("KEYFOB_PUBLIC_URL", "https://api.example")];
    let house = House::with("http://127.0.0.1:9", "default = \"deny\"", settings);
    let login = Request::new("POST", "/auth/login").json(&json!({ "username": "nobody", "password": "wrong" }));
    for request in [
        Request::new("GET", "/things"),
        Request::new("GET", "/things").bearer("nonsense"),
        Request::new("GET", "/auth/me").header("Host", "evil.example"),
        Request::new("GET", "/auth/check/envoy/things"),
        login,
    ] {
        let answer = house.ask(&request);
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        let named = format!("resource_metadata=\"https://api.example{RESOURCE}\"");
        assert!(challenge.ends_with(&named), "{request:?}: {} {challenge}", answer.status);
    }
}
