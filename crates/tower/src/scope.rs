//! `RequireScope`: a layer for one route, inside [`RequireToken`](crate::layer::RequireToken), that lets in only callers
//! who hold certain scopes (RFC 6750 §3.1 `insufficient_scope`). It never verifies a token: where no guard has judged the
//! request, it answers 503.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use keyfob_core::policy::Caller;
use keyfob_core::refusal::{Reason, Refusal};
use keyfob_core::scope::{NotAScope, Scope};
use tower_layer::Layer;
use tower_service::Service;

use crate::body::GuardedBody;
use crate::layer::Judged;
use crate::refusal::{cannot_tell, response};

/// Lets in callers who hold all of these scopes.
///
/// In axum it goes on the methods of a route. A method that another call of `route` adds to the same path needs its own.
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use keyfob_tower::scope::RequireScope;
///
/// # fn build() -> Result<Router, keyfob_core::scope::NotAScope> {
/// let app = Router::new()
///     .route("/reports", get(async || "sunny").layer(RequireScope::new("reports:read")?))
///     .route("/welcome", get(async || "hello")); // any caller
/// # Ok(app)
/// # }
/// # build().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct RequireScope {
    needed: Arc<Scope>,
}

impl RequireScope {
    /// All of `scope`, space separated.
    ///
    /// # Errors
    /// [`NotAScope`].
    pub fn new(scope: &str) -> Result<Self, NotAScope> {
        Scope::parse(scope).map(|needed| Self { needed: Arc::new(needed) })
    }
}

impl<S> Layer<S> for RequireScope {
    type Service = Scoped<S>;

    fn layer(&self, inner: S) -> Scoped<S> {
        Scoped { inner, needed: Arc::clone(&self.needed) }
    }
}

/// A service behind [`RequireScope`].
#[derive(Clone, Debug)]
pub struct Scoped<S> {
    inner: S,
    needed: Arc<Scope>,
}

impl<S, B, R> Service<Request<B>> for Scoped<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: Body + Send + 'static,
{
    type Response = Response<GuardedBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(Judged { style }) = request.extensions().get::<Judged>() else {
            return Box::pin(std::future::ready(Ok(cannot_tell().map(GuardedBody::refusal))));
        };
        let refusal = match request.extensions().get::<Caller>() {
            None => Refusal::of(Reason::NoCredentials),
            Some(caller) if self.needed.iter().all(|name| caller.holds(name)) => {
                let answer = self.inner.call(request);
                return Box::pin(async move { Ok(answer.await?.map(GuardedBody::inner)) });
            }
            Some(_) => Refusal::of(Reason::Insufficient { scope: Some(self.needed.to_string().into()) }),
        };
        Box::pin(std::future::ready(Ok(response(&refusal, style).map(GuardedBody::refusal))))
    }
}
