//! The way to the APIs behind keyfob. [`Gateway::forward`] takes a [`Permit`] by value and sends exactly what was
//! judged: method, host and raw target come from the permit, never from the request again. Bodies stream both ways
//! and are never held. It decides nothing.

mod api;
pub(crate) mod door;
mod download;
mod header;
mod health;
mod origin;
mod pace;
mod pool;
mod problem;
mod sender;
mod tunnel;
mod upload;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use keyfob_core::policy::{Ask, Permit};

use crate::body::Body;
use crate::config::{HttpLimits, Settings, Share, Upstream};
use crate::framing;

pub use download::{Broken, Download};
pub use origin::GatewayProblem;

use api::Api;
use header::Facts;
use pace::Pace;
use pool::Line;
use problem::Trouble;
use upload::{Failure, Upload};

/// Who the client is, as far as the API is told.
#[derive(Clone, Debug)]
pub struct ClientInfo {
    /// The client's address, sent as `X-Forwarded-For` when there is no chain.
    pub address: IpAddr,
    /// The whole `X-Forwarded-For` value when trusted proxies told more than `address`, rebuilt by whoever parsed it.
    /// One clone of a kept value is cheaper than formatting `address` again for each request.
    pub forwarded_for: Option<HeaderValue>,
    /// `http` or `https`: how the client reached keyfob, or the trusted proxy before it.
    pub proto: &'static str,
    /// The caller as a signed assertion, where its route asks for one; sent as `X-Auth-Assertion`.
    pub assertion: Option<HeaderValue>,
    /// The host the client asked for, sent as `X-Forwarded-Host`; without one, the host that was judged.
    pub host: Option<HeaderValue>,
}

/// Asked about once a second by open tunnels and by bodies that last longer than a second; a "no" cuts them.
pub trait StillAllowed: Send + Sync {
    /// Whether the caller may still do what it was permitted to do. Cheap: never waits.
    fn still_allowed(&self) -> bool;
}

/// The APIs behind, and the connections to them.
pub struct Gateway {
    places: Vec<(Share, Api)>,
    /// Where all goes that no place takes.
    rest: Option<Api>,
    body_idle_timeout: Duration,
}

impl Gateway {
    /// A gateway to one API. Connects to nothing yet.
    ///
    /// # Errors
    /// [`GatewayProblem`]: an origin or the private authority is not usable.
    pub fn new(upstream: &Upstream, limits: &HttpLimits) -> Result<Self, GatewayProblem> {
        let rest = Some(Api::new(upstream, limits)?);
        Ok(Self { places: Vec::new(), rest, body_idle_timeout: limits.body_idle_timeout })
    }

    /// A gateway to all the APIs of the settings; `None` where there are none. Connects to nothing yet.
    ///
    /// # Errors
    /// [`GatewayProblem`]: an origin or a private authority is not usable.
    pub fn of(settings: &Settings) -> Result<Option<Self>, GatewayProblem> {
        let api = |upstream: &Upstream| Api::new(upstream, &settings.limits);
        let places = settings.upstreams.iter().map(|place| Ok((place.share.clone(), api(&place.upstream)?)));
        let places = places.collect::<Result<Vec<_>, GatewayProblem>>()?;
        let rest = settings.upstream.as_ref().map(api).transpose()?;
        let somewhere = rest.is_some() || !places.is_empty();
        Ok(somewhere.then_some(Self { places, rest, body_idle_timeout: settings.limits.body_idle_timeout }))
    }

    /// Where a request goes, if anywhere: the first place that takes it, as [`Settings::upstream_of`] tells people.
    fn api(&self, ask: &Ask) -> Option<&Api> {
        let place = self.places.iter().find(|(share, _)| share.takes(ask));
        place.map(|(_, api)| api).or(self.rest.as_ref())
    }

    /// Send what was permitted and answer with what the API answers, or with a problem document: 502 or 504 when it
    /// gives no answer, 503 when it has no connection free, 413 or 408 when the client's body breaks a limit, 400 for a
    /// WebSocket the route does not allow, 404 where no API takes it.
    pub async fn forward(
        &self,
        permit: Permit,
        request: Request<Incoming>,
        client: &ClientInfo,
        alive: Arc<dyn StillAllowed>,
    ) -> Response<Body> {
        let Some(api) = self.api(permit.ask()) else { return Trouble::Nowhere.response() };
        self.exchange(api, &permit, request, client, alive).await.unwrap_or_else(Trouble::response)
    }

    async fn exchange(
        &self,
        api: &Api,
        permit: &Permit,
        mut request: Request<Incoming>,
        client: &ClientInfo,
        alive: Arc<dyn StillAllowed>,
    ) -> Result<Response<Body>, Trouble> {
        let upgrade = take_upgrade(permit, &mut request, api.http2)?;
        check_length(&request, api.body_bytes_max)?;
        let origin = api.next(0).ok_or(Trouble::Nowhere)?;
        let own_host = !api.preserve_host || permit.ask().host().is_empty();
        let (mut parts, incoming) = request.into_parts();
        let facts = Facts {
            client,
            caller: permit.caller(),
            forward_authorization: permit.options().forward_authorization,
            websocket: upgrade.is_some(),
            chunked: !incoming.is_end_stream() && incoming.size_hint().exact().is_none(),
            host: own_host.then(|| api.host(origin)),
            judged_host: permit.ask().host(),
        };
        header::to_upstream(&mut parts.headers, &facts);
        aim(&mut parts, permit.ask())?;
        let body = Upload::new(incoming, api.body_bytes_max, || self.pace(Arc::clone(&alive)));
        let (response, line) = api.send(origin, Request::from_parts(parts, body), own_host, &*alive).await?;
        self.answer(response, line, upgrade, alive)
    }

    fn answer(
        &self,
        mut response: Response<Incoming>,
        line: Line,
        upgrade: Option<OnUpgrade>,
        alive: Arc<dyn StillAllowed>,
    ) -> Result<Response<Body>, Trouble> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return match upgrade {
                Some(client) if tunnel::agreed(response.headers()) => Ok(tunnel::open(response, client, alive)),
                // A switch nobody asked for would make the API's next bytes somebody's answer.
                _ => Err(Trouble::Broke),
            };
        }
        header::to_client(response.headers_mut());
        *response.version_mut() = Version::HTTP_11;
        let pace = self.pace(alive);
        Ok(response.map(|incoming| Download::new(incoming, line, pace).into()))
    }

    fn pace(&self, alive: Arc<dyn StillAllowed>) -> Pace {
        Pace::new(alive, self.body_idle_timeout)
    }
}

fn check_length(request: &Request<Incoming>, bytes_max: Option<u64>) -> Result<(), Trouble> {
    match (bytes_max, request.body().size_hint().lower()) {
        (Some(max), length) if length > max => Err(Trouble::Upload(Failure::TooLarge)),
        _ => Ok(()),
    }
}

/// The client's half of a tunnel, if this is a WebSocket handshake that its route allows.
fn take_upgrade(permit: &Permit, request: &mut Request<Incoming>, http2: bool) -> Result<Option<OnUpgrade>, Trouble> {
    if !framing::asks_websocket(request) {
        return Ok(None);
    }
    if !permit.options().websocket || http2 {
        return Err(Trouble::WebSocketNotAllowed);
    }
    Ok(Some(hyper::upgrade::on(request)))
}

/// Point the request at what was judged. The parsed parts are kept only where their bytes are the judged ones.
fn aim(parts: &mut http::request::Parts, ask: &Ask) -> Result<(), Trouble> {
    if parts.method.as_str() != ask.method() {
        parts.method = Method::from_bytes(ask.method().as_bytes()).map_err(|_| Trouble::Broke)?;
    }
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    let path_and_query = match uri.path_and_query.take() {
        Some(sent) if sent.as_str() == ask.target() => sent,
        _ => PathAndQuery::try_from(ask.target()).map_err(|_| Trouble::Broke)?,
    };
    parts.uri = Uri::from(path_and_query);
    parts.version = Version::HTTP_11;
    // What hyper keeps here belongs to the client's connection.
    parts.extensions.clear();
    Ok(())
}
