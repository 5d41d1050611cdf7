//! Who is let through, as whom, and how soon a change bites.

use std::sync::atomic::Ordering;

use keyfob_core::policy::Policy;
use keyfob_core::signing_key::KeySet;
use keyfob_core::user::Status;
use keyfob_tower::layer::RequireToken;
use tower::Layer;

use super::support::{Issuer, NOW, POLICY};
use super::{Reached, guarded, json, request, send, style};

#[tokio::test]
async fn a_permitted_request_arrives_in_the_callers_name() {
    let issuer = Issuer::new();
    let token = issuer.sign_in("alice", &["analyst"]);
    let (app, reached) = guarded(&issuer);

    let mut forged = request("GET", "/reports/7", Some(&token));
    for name in ["x-auth-user", "x_auth_user", "x.auth.roles", "x-auth_scope"] {
        forged.headers_mut().insert(name, "root".parse().unwrap());
    }
    forged.headers_mut().insert("x-http-method-override", "DELETE".parse().unwrap());
    let response = send(&app, forged).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "private");

    let seen = json(response).await;
    assert_eq!(seen["caller"], "alice");
    let headers = seen["headers"].as_object().unwrap();
    assert_eq!(headers["x-auth-user"], "alice");
    assert_eq!(headers["x-auth-subject"], "00000000-0000-0000-0000-000000000000");
    assert_eq!(headers["x-auth-roles"], "analyst");
    assert_eq!(headers["x-auth-scope"], "reports:read");
    let mut names: Vec<_> = headers.keys().collect();
    names.sort();
    assert_eq!(names, ["host", "x-auth-roles", "x-auth-scope", "x-auth-subject", "x-auth-user"]);
    assert_eq!(reached.count(), 1);
}

#[tokio::test]
async fn a_public_route_without_a_token_has_no_caller_and_empty_headers() {
    let issuer = Issuer::new();
    let (app, _) = guarded(&issuer);
    let mut forged = request("GET", "/users", None);
    forged.headers_mut().insert("x-auth-user", "root".parse().unwrap());
    let response = send(&app, forged).await;
    assert_eq!(response.headers().get("cache-control"), None);
    let seen = json(response).await;
    assert!(seen["caller"].is_null());
    assert_eq!(seen["headers"]["x-auth-user"], "");
}

#[tokio::test]
async fn authorization_goes_on_only_where_the_route_says_so() {
    let issuer = Issuer::new();
    let token = issuer.sign_in("alice", &["analyst"]);
    let (app, _) = guarded(&issuer);
    let kept = json(send(&app, request("GET", "/calls/1", Some(&token))).await).await;
    assert_eq!(kept["headers"]["authorization"], format!("Bearer {token}"));
    let kept_back = json(send(&app, request("GET", "/reports/1", Some(&token))).await).await;
    assert!(kept_back["headers"].get("authorization").is_none());
}

#[tokio::test]
async fn each_refusal_has_its_status_and_challenge_and_never_reaches_the_service() {
    let issuer = Issuer::new();
    let alice = issuer.sign_in("alice", &["analyst"]);
    let bob = issuer.sign_in("bob", &[]);
    let (app, reached) = guarded(&issuer);
    let basic = format!("Basic {alice}");
    let (alice, bob) = (format!("Bearer {alice}"), format!("Bearer {bob}"));
    let broken = format!("{}x", &alice[..alice.len() - 1]);
    let cases: [(&[&str], u16, &str); 6] = [
        (&[], 401, r#"Bearer realm="api""#),
        (&[&basic], 401, r#"Bearer realm="api""#),
        (&[&alice, &alice], 400, r#"Bearer realm="api", error="invalid_request""#),
        (&["Bearer a b"], 400, r#"Bearer realm="api", error="invalid_request""#),
        (&[&broken], 401, r#"Bearer realm="api", error="invalid_token""#),
        (&[&bob], 403, r#"Bearer realm="api", error="insufficient_scope", scope="reports:read""#),
    ];
    for (credentials, status, challenge) in cases {
        let mut request = request("GET", "/reports/7?access_token=query", None);
        for value in credentials {
            request.headers_mut().append("authorization", value.parse().unwrap());
        }
        let response = send(&app, request).await;
        assert_eq!(response.status(), status, "{credentials:?}");
        assert_eq!(response.headers()["www-authenticate"], challenge);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(json(response).await["status"], status);
    }
    assert_eq!(reached.count(), 0);
}

#[tokio::test]
async fn a_change_bites_on_the_next_request() {
    let issuer = Issuer::new();
    let token = issuer.sign_in("alice", &["analyst"]);
    let verifier = issuer.verifier();
    let reached = Reached::default();
    let app =
        RequireToken::new(verifier.clone(), style()).layer(axum::Router::new().fallback_service(reached.handler()));
    let ask = async || send(&app, request("GET", "/reports/7", Some(&token))).await.status().as_u16();
    let (id, session) =
        issuer.table.sessions.lock().unwrap().iter().map(|(id, session)| (*id, *session)).next().unwrap();
    let user = session.user;
    let set_status = |status| issuer.table.users.lock().unwrap().get_mut(&user).unwrap().status = status;
    assert_eq!(ask().await, 200);

    set_status(Status::Disabled);
    assert_eq!(ask().await, 401);
    set_status(Status::Active);
    assert_eq!(ask().await, 200);

    let roles = std::mem::take(&mut issuer.table.users.lock().unwrap().get_mut(&user).unwrap().roles);
    assert_eq!(ask().await, 403);
    issuer.table.users.lock().unwrap().get_mut(&user).unwrap().roles = roles;

    issuer.table.sessions.lock().unwrap().get_mut(&id).unwrap().ended_at = Some(NOW);
    assert_eq!(ask().await, 401);
    issuer.table.sessions.lock().unwrap().remove(&id);
    assert_eq!(ask().await, 401);
    issuer.table.sessions.lock().unwrap().insert(id, session);

    verifier.set_policy(Policy::parse("default = \"deny\"", 2).unwrap());
    assert_eq!(ask().await, 403);
    verifier.set_policy(Policy::parse(POLICY, 3).unwrap());
    assert_eq!(ask().await, 200);

    verifier.set_keys(KeySet::default());
    assert_eq!(ask().await, 401);
    verifier.set_keys(issuer.keys());
    assert_eq!(ask().await, 200);

    let user = issuer.table.users.lock().unwrap().remove(&user);
    assert!(user.is_some());
    assert_eq!(ask().await, 401);
    assert_eq!(reached.count(), 4);
}

#[tokio::test]
async fn what_cannot_be_told_is_503_and_never_a_pass() {
    let issuer = Issuer::new();
    let token = issuer.sign_in("alice", &["analyst"]);
    let (app, reached) = guarded(&issuer);
    issuer.table.away.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let response = send(&app, request("GET", "/reports/7", Some(&token))).await;
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "2");
    }
    assert_eq!(reached.count(), 0);
}
