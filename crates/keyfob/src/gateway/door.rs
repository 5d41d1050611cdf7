//! The gateway's door: every path that is not keyfob's own. Framing, then the decision, then forward; nothing reaches
//! the API behind without a `Permit`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use keyfob_core::assertion;
use keyfob_core::id::TokenId;
use keyfob_core::policy::{Ask, Caller, Credential, Decision, Permit};
use keyfob_core::refusal::{Reason, Refusal};
use keyfob_tower::{guard, refusal};

use super::{ClientInfo, Gateway, StillAllowed, header};
use crate::app::App;
use crate::body::Body;
use crate::metrics::{DoorName, Outcome};
use crate::reply::problem;
use crate::request_id::{self, RequestId};
use crate::serve::listener::Connection;
use crate::{client, clock, cors, framing};

/// The API's answer, or why there is none.
pub(crate) async fn answer(
    app: &Arc<App>,
    gateway: Option<&Gateway>,
    connection: &Connection,
    request: Request<Incoming>,
    id: RequestId,
) -> Response<Body> {
    let host = match framing::check(&request) {
        Ok(host) => host,
        Err(bad) => return bad.response(),
    };
    let target = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let Ok(ask) = Ask::parse(request.method().as_str(), host, target.as_bytes()) else {
        app.metrics.decision(DoorName::Gateway, Outcome::Refused);
        let refused = Refusal { reason: Reason::AmbiguousTarget, deny: None };
        return refusal::response(&refused, &app.style).map(Body::from);
    };
    let cors =
        app.verifier.policy.load().cors(ask.path()).map(|rules| cors::Answer::of(request.headers(), &rules.origins));
    if let Some(cors) = &cors
        && cors::is_preflight(request.method(), request.headers())
    {
        return cors.preflight("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    }
    let mut response = judged(app, gateway, connection, ask, request, id).await;
    if let Some(cors) = &cors {
        cors.mark(response.headers_mut());
    }
    response
}

async fn judged(
    app: &Arc<App>,
    gateway: Option<&Gateway>,
    connection: &Connection,
    ask: Ask,
    request: Request<Incoming>,
    id: RequestId,
) -> Response<Body> {
    // Before the judgement: a key that is retired from here on cuts what it lets in.
    let seen = app.verifier.retirements.seen();
    let from = || client::address(connection, request.headers(), &app.settings.trusted_proxies).ok();
    match guard::judge_from(&**app, ask, request.headers(), Some(from)).await {
        Ok(Decision::Allow(permit)) => {
            app.metrics.decision(DoorName::Gateway, Outcome::Allowed);
            let alive = Arc::new(Alive::of(app, &permit, seen));
            forward(app, gateway, connection, permit, alive, request, id).await
        }
        Ok(Decision::Refuse(refused)) => {
            app.metrics.decision(DoorName::Gateway, Outcome::Refused);
            refusal::response(&refused, &app.style).map(Body::from)
        }
        Err(guard::CannotTell) => {
            app.metrics.decision(DoorName::Gateway, Outcome::CannotTell);
            refusal::cannot_tell().map(Body::from)
        }
    }
}

async fn forward(
    app: &Arc<App>,
    gateway: Option<&Gateway>,
    connection: &Connection,
    permit: Permit,
    alive: Arc<Alive>,
    mut request: Request<Incoming>,
    id: RequestId,
) -> Response<Body> {
    let Some(gateway) = gateway else {
        return problem(404, "no-upstream", "this keyfob has no API behind it: start it with --upstream");
    };
    let proxied = client::is_trusted(connection.peer.ip().to_canonical(), &app.settings.trusted_proxies);
    let Ok(mut client) = client_info(app, connection, request.headers(), proxied) else {
        return problem(400, "bad-forwarded-for", "X-Forwarded-For cannot be read");
    };
    if let (Some(audience), Some(caller)) = (&permit.options().assertion, permit.caller()) {
        let Some(assertion) = assertion(app, caller, audience) else { return refusal::cannot_tell().map(Body::from) };
        client.assertion = Some(assertion);
    }
    request.headers_mut().reserve(header::ADDED);
    let kept = request.headers().get(request_id::HEADER).filter(|id| proxied && request_id::can_be_kept(id));
    if kept.is_none() {
        request.headers_mut().insert(request_id::HEADER, id.header());
    }
    let response = gateway.forward(permit, request, &client, alive).await;
    app.metrics.upstream(response.status());
    response
}

/// Who calls, signed for one API. `None`: it cannot be said, and then the API is not asked either.
fn assertion(app: &App, caller: &Caller, audience: &str) -> Option<HeaderValue> {
    let now = clock::now();
    let id = TokenId::new(now, &clock::random());
    let issuer = &app.verifier.profile.issuer;
    let signed = assertion::sign(caller, issuer, audience, id, now, app.keys.load().signing(), clock::rng());
    let value = signed.map(HeaderValue::try_from).inspect_err(|error| {
        tracing::error!(%error, "an assertion cannot be signed");
    });
    let mut value = value.ok()?.ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What the API is told of the client: rebuilt from what is trusted, never passed on.
fn client_info(
    app: &App,
    connection: &Connection,
    headers: &HeaderMap,
    proxied: bool,
) -> Result<ClientInfo, client::Unreadable> {
    let address = client::address(connection, headers, &app.settings.trusted_proxies)?;
    let peer = connection.peer.ip().to_canonical();
    let told = |name: &str| headers.get(name).filter(|_| proxied);
    let forwarded_for = if address == peer { None } else { HeaderValue::try_from(format!("{address}, {peer}")).ok() };
    let proto = match told("x-forwarded-proto").map(HeaderValue::as_bytes) {
        Some(b"https") => "https",
        Some(b"http") => "http",
        _ if connection.secure => "https",
        _ => "http",
    };
    let host = told("x-forwarded-host").or_else(|| headers.get(http::header::HOST)).cloned();
    Ok(ClientInfo { address, forwarded_for, proto, assertion: None, host })
}

/// Whether the caller of a long exchange is still let in. A fact that is not in memory is fetched on the side, and
/// its "no" is heard at the next beat.
struct Alive {
    app: Arc<App>,
    credential: Option<Credential>,
    // What was seen of retired signing keys before the credential was judged.
    seen: i64,
    // Made when it is first needed: nearly no exchange lasts so long.
    dead: OnceLock<Arc<AtomicBool>>,
}

impl Alive {
    fn of(app: &Arc<App>, permit: &Permit, seen: i64) -> Self {
        let credential = permit.caller().map(|caller| caller.credential().clone());
        Self { app: Arc::clone(app), credential, seen, dead: OnceLock::new() }
    }
}

impl StillAllowed for Alive {
    fn still_allowed(&self) -> bool {
        let Some(credential) = &self.credential else { return true };
        // An API key was signed by nobody.
        let signed = matches!(credential, Credential::Token(_));
        if self.dead.get().is_some_and(|dead| dead.load(Ordering::Relaxed))
            || (signed && self.app.verifier.retirements.has_passed(self.seen))
        {
            return false;
        }
        if let Some(live) = self.app.is_live_in_memory(credential, clock::now()) {
            return live;
        }
        let (app, credential) = (Arc::clone(&self.app), credential.clone());
        let dead = Arc::clone(self.dead.get_or_init(Arc::default));
        tokio::spawn(async move {
            // "Could not tell" cuts too: fail closed.
            let live = app.is_live(&credential).await.unwrap_or(false);
            dead.store(!live, Ordering::Relaxed);
        });
        true
    }
}
