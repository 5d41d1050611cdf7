//! `/auth/check/nginx|forward|envoy/{path}`: each dialect reads its own headers and no other's; a 200 names a subject in all
//! four headers and has no body; nginx hears 401 and 403 only.

use crate::support::house::{House, POLICY};
use crate::support::http::{Answer, Request, ask};

const IDENTITY: [&str; 4] = ["x-auth-user", "x-auth-subject", "x-auth-roles", "x-auth-scope"];

fn house() -> House {
    let policy = format!("{POLICY}\n[[routes]]\npath = \"/open\"\npublic = true\n");
    let house = House::empty("http://127.0.0.1:9", &policy);
    house.user("ada", &["caller"]);
    house.user("bob", &["visitor"]);
    house
}

/// The three ways to ask about `GET path`.
fn asked(path: &str) -> [Request; 3] {
    [
        Request::new("GET", "/auth/check/nginx").header("X-Original-Method", "GET").header("X-Original-URI", path),
        Request::new("GET", "/auth/check/forward").header("X-Forwarded-Method", "GET").header("X-Forwarded-Uri", path),
        Request::new("GET", &format!("/auth/check/envoy{path}")),
    ]
}

fn identity(answer: &Answer) -> [Option<&str>; 4] {
    IDENTITY.map(|name| answer.header(name))
}

#[test]
fn every_dialect_on_both_listeners_gives_the_one_decision() {
    let house = house();
    let (ada, bob) = (house.token("ada"), house.token("bob"));
    let subject = house.me(&ada)["sub"].as_str().unwrap().to_owned();
    for address in [house.public(), house.keyfob().internal] {
        for request in asked("/things?q=1") {
            let good = ask(address, &request.clone().bearer(&ada));
            assert_eq!(good.status, 200);
            assert!(good.body.is_empty(), "a body costs nginx its connection");
            assert_eq!(
                identity(&good),
                [Some("ada"), Some(&subject), Some("caller"), Some("api:use")].map(|v| v.map(|v: &str| v))
            );
            assert_eq!(good.header("cache-control"), Some("no-store"));
            let none = ask(address, &request);
            assert_eq!((none.status, none.challenge()), (401, r#"Bearer realm="keyfob""#));
            let lacking = ask(address, &request.bearer(&bob));
            assert_eq!(lacking.status, 401);
            assert!(lacking.challenge().contains("insufficient_scope"));
        }
    }
}

#[test]
fn a_public_route_answers_with_empty_identity_headers() {
    for request in asked("/open") {
        let answer = house().ask(&request.header("X-Auth-User", "root"));
        assert_eq!(answer.status, 200);
        assert_eq!(identity(&answer), [Some(""); 4]);
    }
}

#[test]
fn a_dialect_reads_its_own_headers_exactly_once_and_no_others() {
    let house = house();
    let ada = house.token("ada");
    let [nginx, forward, _] = asked("/things");
    let bare = |path: &str| Request::new("GET", path).bearer(&ada);
    let refused = [
        bare("/auth/check/nginx"),
        bare("/auth/check/nginx").header("X-Forwarded-Method", "GET").header("X-Forwarded-Uri", "/things"),
        nginx.clone().bearer(&ada).header("X-Original-URI", "/open"),
        nginx.bearer(&ada).header("X-Original-Method", "GET"),
        bare("/auth/check/nginx").header("X-Original-Method", "GET").header("X-Original-URI", "/a/../b"),
    ];
    for request in refused {
        let answer = house.ask(&request);
        assert_eq!(answer.status, 403, "nginx knows 401 and 403 only");
        assert!(answer.body.is_empty());
    }
    for request in [
        bare("/auth/check/forward"),
        bare("/auth/check/forward").header("X-Original-Method", "GET").header("X-Original-URI", "/things"),
        forward.bearer(&ada).header("X-Forwarded-Uri", "/open"),
        bare("/auth/check/envoy/a/%2e%2e/b"),
    ] {
        assert_eq!(house.ask(&request).status, 400);
    }
}

#[test]
fn the_rfc6750_profile_answers_403_and_400_where_the_uniform_one_says_401() {
    let house = House::with("http://127.0.0.1:9", POLICY, &[("KEYFOB_REFUSALS", "rfc6750")]);
    house.user("bob", &["visitor"]);
    let bob = house.token("bob");
    let statuses = |request: Request| {
        let twice = request.clone().bearer(&bob).bearer(&bob);
        [house.ask(&request).status, house.ask(&request.bearer(&bob)).status, house.ask(&twice).status]
    };
    let [nginx, forward, envoy] = asked("/things").map(statuses);
    assert_eq!(forward, [401, 403, 400]);
    assert_eq!(envoy, [401, 403, 400]);
    assert_eq!(nginx, [401, 403, 401], "nginx would make 500 of 400");
}

#[test]
fn the_internal_listener_has_health_and_metrics_and_the_public_one_has_not() {
    let house = house();
    let internal = house.keyfob().internal;
    for (path, inside) in
        [("/auth/health/live", 200), ("/auth/health/ready", 200), ("/metrics", 200), ("/auth/me", 404)]
    {
        assert_eq!(ask(internal, &Request::new("GET", path)).status, inside, "{path}");
    }
    for (path, outside) in [("/auth/health/live", 404), ("/auth/health/ready", 404), ("/metrics", 401)] {
        assert_eq!(house.ask(&Request::new("GET", path)).status, outside, "{path}");
    }
    let ada = house.token("ada");
    ask(internal, &asked("/things")[1].clone().bearer(&ada));
    let metrics = house.keyfob().metrics();
    assert!(metrics.contains(r#"keyfob_decisions_total{door="check",outcome="allowed"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"keyfob_sign_ins_total{outcome="succeeded"} 1"#), "{metrics}");
    assert_eq!(metrics.matches("# TYPE keyfob_decisions counter").count(), 1, "one family, one type line");
    assert!(metrics.ends_with("# EOF\n"));
}
