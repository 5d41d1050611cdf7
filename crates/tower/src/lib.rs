//! keyfob-tower guards other people's axum and tower services.
//!
//! [`layer::RequireToken`] wraps a whole service: a request that the policy allows goes in with its
//! [`Caller`](keyfob_core::policy::Caller), any other gets the refusal. What a token is worth a [`guard::Verify`] says. With a
//! keyfob that issues tokens, an axum service is guarded by three lines, of which the second chooses one of three
//! verifiers ([`issuer::Issuer`]):
//!
//! ```no_run
//! # async fn run(id: &str, secret: &str) -> Result<(), Box<dyn std::error::Error>> {
//! # use axum::{Router, routing::get};
//! use keyfob_tower::issuer::Issuer;
//!
//! # let router = Router::new().route("/reports", get(async || "sunny"));
//! let issuer = Issuer::at("https://auth.example")?.client(id, secret);
//! let guard = issuer.follow().await?;
//! let app = guard.around(router);
//! # axum::serve(tokio::net::TcpListener::bind("127.0.0.1:0").await?, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`scope::RequireScope`] goes on single routes, and [`extract::Caller`] into handlers. [`local::LocalVerifier`] is for a
//! service that has the keys and its own users.
//!
//! By hand, one request let through and one refused:
//!
//! ```
//! # use std::sync::Arc;
//! use axum::{Router, body::Body, routing::get};
//! use http::Request;
//! # use keyfob_core::policy::{Evidence, Policy};
//! # use keyfob_core::time::Timestamp;
//! # use keyfob_tower::guard::{CannotTell, Verify};
//! use keyfob_tower::{layer::RequireToken, refusal::Style};
//! use tower::{Layer, ServiceExt};
//!
//! # struct Verifier(Arc<Policy>);
//! # impl Verify for Verifier {
//! #     async fn verify(&self, _: &str, _: Timestamp) -> Result<Evidence, CannotTell> { Ok(Evidence::Invalid) }
//! #     fn policy(&self) -> Arc<Policy> { Arc::clone(&self.0) }
//! #     fn now(&self) -> Timestamp { Timestamp::from_seconds(1_800_000_000) }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let policy = Policy::parse("default = \"deny\"\n[[routes]]\npath = \"/news\"\npublic = true\n", 1)?;
//! # let verifier = Arc::new(Verifier(Arc::new(policy)));
//! let style = Style { profile: Default::default(), realm: "news".into(), resource_metadata: None };
//! let app = Router::new().route("/news", get(async || "rain")).route("/reports", get(async || "secret"));
//! let app = RequireToken::new(verifier, style).layer(app); // around the whole router: its fallback is guarded too
//!
//! let let_through = app.clone().oneshot(Request::get("/news").body(Body::empty())?).await?;
//! assert_eq!(let_through.status(), 200); // the policy says that /news is public
//!
//! let refused = app.oneshot(Request::get("/reports").body(Body::empty())?).await?;
//! assert_eq!(refused.status(), 401);
//! assert_eq!(refused.headers()["www-authenticate"], r#"Bearer realm="news""#);
//! # Ok(())
//! # }
//! ```

pub mod body;
pub mod cache;
#[cfg(feature = "issuer")]
mod clock;
#[cfg(feature = "axum")]
pub mod extract;
#[cfg(feature = "issuer")]
pub mod follow;
pub mod guard;
pub mod identity;
#[cfg(feature = "issuer")]
pub mod introspect;
#[cfg(feature = "issuer")]
pub mod issuer;
#[cfg(feature = "issuer")]
pub mod jwks;
pub mod layer;
pub mod local;
pub mod refusal;
#[cfg(feature = "issuer")]
mod remote;
pub mod scope;
