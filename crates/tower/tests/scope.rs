//! axum behind a guard: the caller in handlers, scopes on routes, and that no way of putting routers together leads round
//! either.

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::Request;
use keyfob_core::id::UserId;
use keyfob_core::policy::{Evidence, Policy, Testimony};
use keyfob_core::refusal::Profile;
use keyfob_core::scope::Scope;
use keyfob_core::time::Timestamp;
use keyfob_core::user::Username;
use keyfob_tower::extract::Caller;
use keyfob_tower::guard::{CannotTell, Verify};
use keyfob_tower::layer::RequireToken;
use keyfob_tower::refusal::Style;
use keyfob_tower::scope::RequireScope;
use tower::ServiceExt;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Takes a token for a list of scopes, joined by `+`.
struct Said;

impl Verify for Said {
    async fn verify(&self, token: &str, _: Timestamp) -> Result<Evidence, CannotTell> {
        let scope = Scope::parse(&token.replace('+', " ")).map_err(|_| CannotTell)?;
        let testimony = Testimony::new(UserId::from_bytes([1; 16]), scope, NOW + Duration::from_mins(1))
            .named(Username::parse("alice").unwrap());
        Ok(Evidence::Testimony(Arc::new(testimony)))
    }

    fn policy(&self) -> Arc<Policy> {
        Arc::new(Policy::parse("default = \"signed-in\"\n[[routes]]\npath = \"/open\"\npublic = true\n", 1).unwrap())
    }

    fn now(&self) -> Timestamp {
        NOW
    }
}

fn guard() -> RequireToken<Said> {
    let style = Style { profile: Profile::Rfc6750, realm: "api".into(), resource_metadata: None };
    RequireToken::new(Arc::new(Said), style)
}

fn scope(text: &str) -> RequireScope {
    RequireScope::new(text).unwrap()
}

async fn name(caller: Caller) -> String {
    caller.username().unwrap().to_owned()
}

fn reports() -> Router {
    Router::new()
        .route("/", get(name))
        .route("/{id}", get(name).layer(scope("reports.read")))
        .route("/{id}", post(name).layer(scope("reports.read reports.write")))
}

async fn ask(app: &Router, method: &str, path: &str, token: Option<&str>) -> (u16, Option<String>) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let challenge = answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), challenge)
}

async fn status(app: &Router, method: &str, path: &str, token: Option<&str>) -> u16 {
    ask(app, method, path, token).await.0
}

#[tokio::test]
async fn a_scope_is_needed_where_it_is_asked_for_and_the_challenge_names_it() {
    let app = guard().around(reports());
    assert_eq!(status(&app, "GET", "/", Some("x")).await, 200);
    assert_eq!(status(&app, "GET", "/7", Some("reports.read")).await, 200);
    let (refused, challenge) = ask(&app, "GET", "/7", Some("x")).await;
    let expected = r#"Bearer realm="api", error="insufficient_scope", scope="reports.read""#;
    assert_eq!((refused, challenge.as_deref()), (403, Some(expected)));
    assert_eq!(status(&app, "POST", "/7", Some("reports.read")).await, 403, "all of them");
    assert_eq!(status(&app, "POST", "/7", Some("reports.write+reports.read")).await, 200);
    assert_eq!(status(&app, "GET", "/7", None).await, 401);
}

#[tokio::test]
async fn head_goes_the_way_of_get_and_an_unknown_method_no_way() {
    let app = guard().around(reports());
    assert_eq!(status(&app, "HEAD", "/7", Some("reports.read")).await, 200);
    assert_eq!(status(&app, "HEAD", "/7", Some("x")).await, 403);
    assert_eq!(status(&app, "HEAD", "/7", None).await, 401);
    for method in ["DELETE", "OPTIONS", "BREW", "get"] {
        assert_eq!(status(&app, method, "/7", None).await, 401, "{method}");
        let known = status(&app, method, "/7", Some("reports.read+reports.write")).await;
        assert_eq!(known, 405, "{method}");
    }
}

#[tokio::test]
async fn nested_merged_and_fallback_routes_are_behind_the_guard_and_judged_by_the_path_that_was_asked_for() {
    // `/open` is public by the policy: nested under `/v1` it is `/v1/open`, which is not.
    let inner = Router::new().route("/open", get(async || "open")).nest("/reports", reports());
    let merged = inner.merge(Router::new().route("/hidden", get(name))).fallback(async || "fallback");
    let app = Router::new().nest("/v1", guard().around(merged.clone())).route("/health", get(async || "fine"));
    assert_eq!(status(&app, "GET", "/health", None).await, 200, "outside");
    for path in ["/v1/open", "/v1/hidden", "/v1/reports/7", "/v1/nowhere", "/v1"] {
        assert_eq!(status(&app, "GET", path, None).await, 401, "{path}");
    }
    assert_eq!(status(&app, "GET", "/v1/reports/7", Some("reports.read")).await, 200);
    assert_eq!(status(&app, "GET", "/v1/reports/7", Some("x")).await, 403);
    assert_eq!(status(&app, "GET", "/v1/nowhere", Some("x")).await, 200, "the fallback, for callers");
    assert_eq!(status(&guard().around(merged), "GET", "/open", None).await, 200);

    let app = Router::new().route("/health", get(async || "fine")).merge(guard().around(reports()));
    assert_eq!(status(&app, "GET", "/health", None).await, 200);
    assert_eq!(status(&app, "GET", "/7", None).await, 401);
    assert_eq!(status(&app, "GET", "/nowhere/at/all", None).await, 401);
}

#[tokio::test]
async fn without_a_guard_neither_scope_nor_caller_lets_anybody_in() {
    let app = reports().route("/plain", get(async || "whoever").layer(scope("reports.read")));
    for (path, token) in [("/", None), ("/", Some("x")), ("/plain", None), ("/plain", Some("reports.read"))] {
        assert_eq!(status(&app, "GET", path, token).await, 503, "{path}");
    }
    let optional = Router::new().route("/", get(async |_: Option<Caller>| "whoever"));
    assert_eq!(status(&optional, "GET", "/", None).await, 503);
}

#[tokio::test]
async fn on_a_public_route_there_may_be_nobody_and_a_handler_says_whether_it_minds() {
    let said =
        async |caller: Option<Caller>| caller.map_or("nobody".to_owned(), |it| it.username().unwrap().to_owned());
    let app = guard().around(Router::new().route("/open", get(said).post(name)));
    assert_eq!(status(&app, "GET", "/open", None).await, 200);
    let (refused, challenge) = ask(&app, "POST", "/open", None).await;
    assert_eq!((refused, challenge.as_deref()), (401, Some(r#"Bearer realm="api""#)));
    assert_eq!(status(&app, "POST", "/open", Some("x")).await, 200);
    let app = guard().around(Router::new().route("/open", get(name).layer(scope("reports.read"))));
    assert_eq!(status(&app, "GET", "/open", None).await, 401);
}
