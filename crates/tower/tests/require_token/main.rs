//! `RequireToken` in front of axum: what reaches the service, in whose name, and what never does.

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod routing;
mod support;
mod verdicts;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::response::Response;
use axum::routing::any;
use axum::{Json, Router};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use keyfob_core::policy::Caller;
use keyfob_core::refusal::Profile;
use keyfob_tower::layer::{Guarded, RequireToken};
use keyfob_tower::local::LocalVerifier;
use keyfob_tower::refusal::Style;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};

use support::{Issuer, Table};

/// How many requests reached the service behind the guard.
#[derive(Clone, Default)]
struct Reached(Arc<AtomicUsize>);

impl Reached {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A handler that counts, and tells what it saw.
    fn handler(&self) -> axum::routing::MethodRouter {
        let reached = self.clone();
        any(async move |headers: HeaderMap, request: Request<Body>| {
            reached.0.fetch_add(1, Ordering::SeqCst);
            let seen: serde_json::Map<String, Value> = headers
                .iter()
                .map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes()))))
                .collect();
            let caller = request.extensions().get::<Caller>();
            let caller = caller.and_then(|caller| caller.user().map(|known| known.user.username.to_string()));
            Json(json!({ "headers": seen, "caller": caller }))
        })
    }
}

fn require(issuer: &Issuer) -> RequireToken<LocalVerifier<Table>> {
    RequireToken::new(issuer.verifier(), style())
}

fn style() -> Style {
    Style { profile: Profile::Rfc6750, realm: "api".into(), resource_metadata: None }
}

/// The whole of a router behind the guard; every path that exists answers.
fn guarded(issuer: &Issuer) -> (Guarded<Router, LocalVerifier<Table>>, Reached) {
    let reached = Reached::default();
    let app = Router::new()
        .route("/reports/{id}", reached.handler())
        .route("/calls/{id}", reached.handler())
        .route("/users", reached.handler())
        .fallback_service(reached.handler());
    (require(issuer).layer(app), reached)
}

fn request(method: &str, target: &str, token: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().method(method.as_bytes()).uri(target).header("host", "api.example");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Body::empty()).unwrap()
}

async fn send<S, B>(app: &S, request: Request<Body>) -> Response<B>
where
    S: tower::Service<Request<Body>, Response = Response<B>, Error = std::convert::Infallible> + Clone,
{
    let Ok(response) = app.clone().oneshot(request).await;
    response
}

async fn json<B>(response: Response<B>) -> Value
where
    B: http_body::Body<Data = bytes::Bytes, Error: std::fmt::Debug>,
{
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}
