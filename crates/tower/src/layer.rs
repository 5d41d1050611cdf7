//! `RequireToken`: a tower layer that lets a request through to the inner service only with a permit.
//!
//! It judges the method and the target that the request carries when it arrives. Routers rewrite targets: axum's
//! `nest` hides its prefix from what it wraps, and `route_layer` does not cover fallbacks. So wrap the *whole* service,
//! outside every router, as the example of the crate does. Where the layer has to sit inside, say with
//! [`RequireToken::with_original_uri`] where the router keeps the target as it came; a request that lacks it is then
//! refused with 503.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, CACHE_CONTROL, HOST};
use http::request::Parts;
use http::{HeaderValue, Request, Response, Uri};
use http_body::Body;
use keyfob_core::policy::{Ask, Caller, Decision, Permit};
use keyfob_core::refusal::{Reason, Refusal};
use tower_layer::Layer;
use tower_service::Service;

use crate::body::GuardedBody;
use crate::guard::{CannotTell, Verify, judge};
use crate::identity;
use crate::refusal::{Style, cannot_tell, response};

/// Guards a service with bearer tokens.
///
/// A request that the policy allows reaches the service with the caller as an extension
/// ([`Caller`], absent on a public route without a token) and as `X-Auth-*` headers; whatever identity and
/// method-override headers came with it are gone, and so is `Authorization` unless the route forwards it. Every other
/// request gets the refusal, and the service never sees it.
pub struct RequireToken<V> {
    gate: Gate<V>,
}

impl<V: Verify> RequireToken<V> {
    /// Guard with this verifier; refusals look like `style` says.
    pub fn new(verifier: Arc<V>, style: Style) -> Self {
        Self { gate: Gate { verifier, style: Arc::new(style), original: None } }
    }

    /// Judge the target that `original` finds instead of the request's own. For a layer inside a router that rewrites
    /// targets. `None` means the target is not known, and the request is refused with 503.
    ///
    /// ```
    /// use axum::extract::OriginalUri;
    /// use keyfob_tower::guard::Verify;
    /// use keyfob_tower::layer::RequireToken;
    ///
    /// fn inside_axum<V: Verify>(require: RequireToken<V>) -> RequireToken<V> {
    ///     require.with_original_uri(|parts| parts.extensions.get::<OriginalUri>().map(|uri| uri.0.clone()))
    /// }
    /// ```
    #[must_use]
    pub fn with_original_uri(mut self, original: fn(&Parts) -> Option<Uri>) -> Self {
        self.gate.original = Some(original);
        self
    }
}

impl<V> RequireToken<V> {
    /// Whoever says what a token is worth.
    #[must_use]
    pub fn verifier(&self) -> &Arc<V> {
        &self.gate.verifier
    }
}

impl<V> Clone for RequireToken<V> {
    fn clone(&self) -> Self {
        Self { gate: self.gate.clone() }
    }
}

impl<S, V> Layer<S> for RequireToken<V> {
    type Service = Guarded<S, V>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded { inner, gate: self.gate.clone() }
    }
}

/// A service behind [`RequireToken`].
pub struct Guarded<S, V> {
    inner: S,
    gate: Gate<V>,
}

impl<S: Clone, V> Clone for Guarded<S, V> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), gate: self.gate.clone() }
    }
}

impl<S, V, B, R> Service<Request<B>> for Guarded<S, V>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    V: Verify,
    B: Send + 'static,
    R: Body,
{
    type Response = Response<GuardedBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The instance that was polled ready is the one to call; the clone waits for its own turn.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let gate = self.gate.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let permit = match gate.judge(&parts).await {
                Ok(Decision::Allow(permit)) => permit,
                Ok(Decision::Refuse(refusal)) => return Ok(response(&refusal, &gate.style).map(GuardedBody::refusal)),
                Err(CannotTell) => return Ok(cannot_tell().map(GuardedBody::refusal)),
            };
            admit(&mut parts, &permit);
            // From here on the request was judged: what guards a single route goes on from that.
            parts.extensions.insert(Judged { style: Arc::clone(&gate.style) });
            let mut answer = inner.call(Request::from_parts(parts, body)).await?;
            if permit.caller().is_some() {
                // RFC 9111 §3.5: an answer to this caller is not for a shared cache, unless the service says so.
                answer.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
            }
            Ok(answer.map(GuardedBody::inner))
        })
    }
}

/// In the extensions of a request that a guard has let in; how its refusals look.
#[derive(Clone)]
pub(crate) struct Judged {
    pub(crate) style: Arc<Style>,
}

struct Gate<V> {
    verifier: Arc<V>,
    style: Arc<Style>,
    // Finds the target as it came in what a router left in the request.
    original: Option<fn(&Parts) -> Option<Uri>>,
}

impl<V> Clone for Gate<V> {
    fn clone(&self) -> Self {
        let (verifier, style) = (Arc::clone(&self.verifier), Arc::clone(&self.style));
        Self { verifier, style, original: self.original }
    }
}

impl<V: Verify> Gate<V> {
    async fn judge(&self, parts: &Parts) -> Result<Decision, CannotTell> {
        let found;
        let uri = match self.original {
            None => &parts.uri,
            Some(original) => {
                found = original(parts).ok_or(CannotTell)?;
                &found
            }
        };
        match ask(parts, uri) {
            Some(ask) => judge(&*self.verifier, ask, &parts.headers).await,
            None => Ok(Decision::Refuse(Refusal { reason: Reason::AmbiguousTarget, deny: None })),
        }
    }
}

/// What the request asks for, unless it can be read in two ways: an ambiguous path, no path (`CONNECT`), two hosts, or
/// a host that is no text.
fn ask(parts: &Parts, uri: &Uri) -> Option<Ask> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let header = hosts.next().map(HeaderValue::to_str).transpose().ok()?;
    if hosts.next().is_some() {
        return None;
    }
    // RFC 9112 §3.2.2: the authority of an absolute target goes before the header; HTTP/2 has it in `:authority`.
    let host = uri.authority().map(http::uri::Authority::as_str).or(header).unwrap_or_default();
    let target = uri.path_and_query()?.as_str();
    Ask::parse(parts.method.as_str(), host, target.as_bytes()).ok()
}

/// Make the request that of the caller, and of nobody else.
fn admit(parts: &mut Parts, permit: &Permit) {
    identity::strip(&mut parts.headers);
    identity::set(&mut parts.headers, permit.caller());
    if !permit.options().forward_authorization {
        parts.headers.remove(AUTHORIZATION);
    }
    parts.extensions.remove::<Caller>();
    if let Some(caller) = permit.caller() {
        parts.extensions.insert(caller.clone());
    }
}
