//! The way to the API behind keyfob. [`Gateway::forward`] takes a [`Permit`] by value and sends exactly what was
//! judged: method, host and raw target come from the permit, never from the request again. Bodies stream both ways
//! and are never held. It decides nothing.

pub(crate) mod door;
mod download;
mod header;
mod origin;
mod pace;
mod pool;
mod problem;
mod tunnel;
mod upload;

use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use keyfob_core::policy::{Ask, Permit};
use tokio::time::Instant;

use crate::body::Body;
use crate::clock;
use crate::config::{HttpLimits, Upstream};
use crate::framing;

pub use download::{Broken, Download};
pub use origin::GatewayProblem;

use header::Facts;
use pace::Pace;
use pool::{Limit, Line, Pool};
use problem::Trouble;
use upload::{Failure, Progress, Upload};

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
    /// The host the client asked for, sent as `X-Forwarded-Host`; without one, the host that was judged.
    pub host: Option<HeaderValue>,
}

/// Asked about once a second by open tunnels and by bodies that last longer than a second; a "no" cuts them.
pub trait StillAllowed: Send + Sync {
    /// Whether the caller may still do what it was permitted to do. Cheap: never waits.
    fn still_allowed(&self) -> bool;
}

/// The API behind, and the connections to it.
pub struct Gateway {
    pool: Arc<Pool>,
    host: HeaderValue,
    preserve_host: bool,
    response_timeout: Duration,
    body_idle_timeout: Duration,
    body_bytes_max: Option<u64>,
}

impl Gateway {
    /// A gateway to `upstream`. Connects to nothing yet.
    ///
    /// # Errors
    /// [`GatewayProblem`]: the origin or the private authority is not usable.
    pub fn new(upstream: &Upstream, limits: &HttpLimits) -> Result<Self, GatewayProblem> {
        let (origin, host) = origin::Origin::new(&upstream.origin, upstream.ca.as_deref())?;
        Ok(Self {
            pool: Arc::new(Pool::new(origin, upstream.connect_timeout)),
            host,
            preserve_host: upstream.preserve_host,
            response_timeout: upstream.response_timeout,
            body_idle_timeout: limits.body_idle_timeout,
            body_bytes_max: limits.upstream_body_bytes,
        })
    }

    /// Send what was permitted and answer with what the API answers, or with a problem document: 502 or 504 when it
    /// gives no answer, 413 or 408 when the client's body breaks a limit, 400 for a WebSocket the route does not allow.
    pub async fn forward(
        &self,
        permit: Permit,
        request: Request<Incoming>,
        client: &ClientInfo,
        alive: Arc<dyn StillAllowed>,
    ) -> Response<Body> {
        self.exchange(&permit, request, client, alive).await.unwrap_or_else(Trouble::response)
    }

    async fn exchange(
        &self,
        permit: &Permit,
        mut request: Request<Incoming>,
        client: &ClientInfo,
        alive: Arc<dyn StillAllowed>,
    ) -> Result<Response<Body>, Trouble> {
        let upgrade = take_upgrade(permit, &mut request)?;
        self.check_length(&request)?;
        let (mut parts, incoming) = request.into_parts();
        let facts = Facts {
            client,
            caller: permit.caller(),
            forward_authorization: permit.options().forward_authorization,
            websocket: upgrade.is_some(),
            chunked: !incoming.is_end_stream() && incoming.size_hint().exact().is_none(),
            host: (!self.preserve_host || permit.ask().host().is_empty()).then_some(&self.host),
            judged_host: permit.ask().host(),
        };
        header::to_upstream(&mut parts.headers, &facts);
        aim(&mut parts, permit.ask())?;
        let body = Upload::new(incoming, self.body_bytes_max, || self.pace(Arc::clone(&alive)));
        let (response, line) = self.send(Request::from_parts(parts, body)).await?;
        self.answer(response, line, upgrade, alive)
    }

    fn check_length(&self, request: &Request<Incoming>) -> Result<(), Trouble> {
        match (self.body_bytes_max, request.body().size_hint().lower()) {
            (Some(max), length) if length > max => Err(Trouble::Upload(Failure::TooLarge)),
            _ => Ok(()),
        }
    }

    /// Send a request, once more on a new connection if it never left: the API had closed a kept-alive one.
    async fn send(&self, request: Request<Upload>) -> Result<(Response<Incoming>, Line), Trouble> {
        let progress = request.body().progress();
        let mut line = self.pool.line().await?;
        let mut next = request;
        loop {
            let answer = self.in_time(line.sender.try_send_request(next), &mut line.limit, progress.as_deref()).await?;
            match answer {
                Ok(response) => return Ok((response, line)),
                Err(mut error) => match error.take_message() {
                    // hyper hands a request back only if no byte of it was written.
                    Some(unsent) if line.reused => {
                        next = unsent;
                        line = self.pool.new_line().await?;
                    }
                    _ => return Err(broken(&error.into_error(), progress.as_deref())),
                },
            }
        }
    }

    /// Wait for response headers. While the request's body moves, the API is not late.
    async fn in_time<F: Future>(
        &self,
        answer: F,
        limit: &mut Limit,
        progress: Option<&Progress>,
    ) -> Result<F::Output, Trouble> {
        let mut answer = std::pin::pin!(answer);
        let mut seen = 0;
        loop {
            limit.as_mut().reset(Instant::from_std(clock::instant()) + self.response_timeout);
            let answer = std::future::poll_fn(|cx| match answer.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
            });
            if let Some(answer) = answer.await {
                return Ok(answer);
            }
            let frames = progress.map_or(seen, Progress::frames);
            if frames == seen {
                return Err(Trouble::ResponseTimeout);
            }
            seen = frames;
        }
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

/// The client's half of a tunnel, if this is a WebSocket handshake that its route allows.
fn take_upgrade(permit: &Permit, request: &mut Request<Incoming>) -> Result<Option<OnUpgrade>, Trouble> {
    if !framing::asks_websocket(request) {
        return Ok(None);
    }
    if !permit.options().websocket {
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

fn broken(error: &hyper::Error, progress: Option<&Progress>) -> Trouble {
    if let Some(failure) = progress.and_then(Progress::failure) {
        return Trouble::Upload(failure);
    }
    tracing::warn!(%error, "the upstream broke off before its response headers");
    Trouble::Broke
}
