//! T6: a router's ways of rewriting, adding and implying routes never lead around the guard.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::OriginalUri;
use http::{Request, Response, Uri};
use tower::{Layer, Service};

use super::support::Issuer;
use super::{Reached, guarded, request, require, send};

/// A router whose nested part is `/admin/users`; the policy denies that, and `/users` is public.
fn nested(reached: &Reached) -> Router {
    Router::new().route("/users", reached.handler())
}

#[tokio::test]
async fn a_nested_route_is_judged_by_the_path_that_was_asked_for() {
    let issuer = Issuer::new();
    let reached = Reached::default();
    let app = require(&issuer).layer(Router::new().nest("/admin", nested(&reached)));
    assert_eq!(send(&app, request("GET", "/admin/users", None)).await.status(), 401);
    assert_eq!(reached.count(), 0);
}

#[tokio::test]
async fn inside_a_nest_the_original_target_is_judged_when_the_layer_is_told_where_it_is() {
    let issuer = Issuer::new();
    let reached = Reached::default();
    let told = require(&issuer)
        .with_original_uri(|parts| parts.extensions.get::<OriginalUri>().map(|original| original.0.clone()));
    let app = Router::new().nest("/admin", nested(&reached).layer(told));
    assert_eq!(send(&app, request("GET", "/admin/users", None)).await.status(), 401);
    assert_eq!(reached.count(), 0);

    // The same without being told is the trap that the documentation warns of.
    let app = Router::new().nest("/admin", nested(&reached).layer(require(&issuer)));
    assert_eq!(send(&app, request("GET", "/admin/users", None)).await.status(), 200);
}

#[tokio::test]
async fn a_layer_that_does_not_find_the_original_target_refuses() {
    let issuer = Issuer::new();
    let reached = Reached::default();
    let app = require(&issuer).with_original_uri(|_| None).layer(nested(&reached));
    assert_eq!(send(&app, request("GET", "/users", None)).await.status(), 503);
    assert_eq!(reached.count(), 0);
}

#[tokio::test]
async fn merged_routers_and_fallbacks_are_guarded_like_any_route() {
    let issuer = Issuer::new();
    let reached = Reached::default();
    let merged = Router::new().route("/hidden", reached.handler()).fallback_service(reached.handler());
    let app = require(&issuer).layer(Router::new().route("/users", reached.handler()).merge(merged));
    for target in ["/hidden", "/no/such/path", "/users/", "/USERS", "/"] {
        let status = send(&app, request("GET", target, None)).await.status();
        // A trailing slash is ignored for matching, so `/users/` is as public as `/users`.
        assert_eq!(status, if target == "/users/" { 200 } else { 401 }, "{target}");
    }
    assert_eq!(reached.count(), 1);
}

#[tokio::test]
async fn a_method_that_the_policy_does_not_list_never_arrives() {
    let issuer = Issuer::new();
    let token = issuer.sign_in("alice", &["analyst"]);
    let (app, reached) = guarded(&issuer);
    for method in ["get", "Get", "DELETE", "OPTIONS", "TRACE", "BREW", "GETX", "G", "PROPFIND"] {
        let status = send(&app, request(method, "/reports/7", Some(&token))).await.status();
        assert!(status.is_client_error(), "{method}: {status}");
    }
    assert_eq!(reached.count(), 0);
    for method in ["GET", "HEAD"] {
        assert_eq!(send(&app, request(method, "/reports/7", Some(&token))).await.status(), 200, "{method}");
        assert_eq!(send(&app, request(method, "/reports/7", None)).await.status(), 401, "{method}");
    }
    assert_eq!(reached.count(), 2);
}

#[tokio::test]
async fn a_target_without_a_path_or_with_two_readings_never_arrives() {
    let issuer = Issuer::new();
    let token = issuer.sign_in("alice", &["analyst"]);
    let (app, reached) = guarded(&issuer);
    assert_eq!(send(&app, request("CONNECT", "api.example:443", Some(&token))).await.status(), 400);
    assert!(send(&app, request("OPTIONS", "*", Some(&token))).await.status().is_client_error());
    for target in ["/reports/../users", "/reports/%2e%2e/users", "//users", "/reports/a%2fb", "/reports/a;b", "/%ff"] {
        assert_eq!(send(&app, request("GET", target, Some(&token))).await.status(), 400, "{target}");
    }
    let mut two_hosts = request("GET", "/reports/7", Some(&token));
    two_hosts.headers_mut().append("host", "other.example".parse().unwrap());
    assert_eq!(send(&app, two_hosts).await.status(), 400);
    assert_eq!(reached.count(), 0);

    let mut absolute = request("GET", "/reports/7", Some(&token));
    *absolute.uri_mut() = Uri::from_static("http://api.example/reports/7");
    assert_eq!(send(&app, absolute).await.status(), 200);
}

/// A service that insists on tower's contract: only the instance that was polled ready may be called.
#[derive(Default)]
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<Body>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been polled ready");
        ready(Ok(Response::new(Body::empty())))
    }
}

#[tokio::test]
async fn the_instance_that_was_polled_ready_is_the_one_called() {
    let issuer = Issuer::new();
    let app = require(&issuer).layer(Strict::default());
    assert_eq!(send(&app, request("GET", "/users", None)).await.status(), 200);
}
