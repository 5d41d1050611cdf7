//! axum: the caller as an extractor, and a guard round a whole router. Never says who a caller is: the guard did.

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, OptionalFromRequestParts, OriginalUri};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use keyfob_core::policy;
use keyfob_core::refusal::{Reason, Refusal};
use tower_layer::Layer;

use crate::guard::Verify;
use crate::layer::{Judged, RequireToken};
use crate::refusal::{Style, cannot_tell, response};

/// Who is calling, in a handler behind [`RequireToken`]. `Option<Caller>` where the route is public.
///
/// ```
/// use keyfob_tower::extract::Caller;
///
/// async fn hello(caller: Caller) -> String {
///     format!("hello {}", String::from_utf8_lossy(caller.subject()))
/// }
/// # let _: axum::routing::MethodRouter = axum::routing::get(hello);
/// ```
#[derive(Clone, Debug)]
pub struct Caller(pub policy::Caller);

impl Deref for Caller {
    type Target = policy::Caller;

    fn deref(&self) -> &policy::Caller {
        &self.0
    }
}

/// Why there is no caller to give to a handler.
#[derive(Debug)]
pub enum NoCaller {
    /// Nobody signed in, on a route that is open to all: 401 with a challenge.
    Anonymous(Arc<Style>),
    /// No guard has judged the request: 503, for a handler that wants to know the caller is not for everybody.
    Unguarded,
}

impl IntoResponse for NoCaller {
    fn into_response(self) -> Response {
        let refusal = match self {
            Self::Anonymous(style) => response(&Refusal::of(Reason::NoCredentials), &style),
            Self::Unguarded => cannot_tell(),
        };
        refusal.map(axum::body::Body::from)
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = NoCaller;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, NoCaller> {
        let judged = parts.extensions.get::<Judged>().map(|judged| Arc::clone(&judged.style));
        let caller = <Self as OptionalFromRequestParts<S>>::from_request_parts(parts, state).await?;
        caller.ok_or_else(|| judged.map_or(NoCaller::Unguarded, NoCaller::Anonymous))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = NoCaller;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, NoCaller> {
        if parts.extensions.get::<Judged>().is_none() {
            return Err(NoCaller::Unguarded);
        }
        Ok(parts.extensions.get::<policy::Caller>().cloned().map(Self))
    }
}

impl<V: Verify> RequireToken<V> {
    /// A whole router behind this guard, its fallbacks too, as a router again: it can be served, nested and merged, and is
    /// judged by the target that was asked for wherever it is put.
    ///
    /// ```
    /// # use keyfob_tower::guard::Verify;
    /// # use keyfob_tower::layer::RequireToken;
    /// use axum::Router;
    /// use axum::routing::get;
    ///
    /// fn app<V: Verify>(guard: RequireToken<V>) -> Router {
    ///     let admin = guard.around(Router::new().route("/users", get(async || "all of them")));
    ///     Router::new().nest("/admin", admin).route("/health", get(async || "open to all"))
    /// }
    /// ```
    pub fn around(&self, router: Router) -> Router {
        let original = |parts: &Parts| parts.extensions.get::<OriginalUri>().map(|uri| uri.0.clone());
        let guarded = self.clone().with_original_uri(original).layer(router);
        Router::new().fallback_service(guarded)
    }
}
