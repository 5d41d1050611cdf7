//! One API behind: its origins, whose turn it is, and what may be sent a second time (RFC 9110 §9.2.2): a request no byte
//! of which left, or one without a body whose method is safe and that lost its connection before any answer. Decides nothing
//! about callers; a second time asks again whether the caller may.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::header::{HOST, UPGRADE};
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::StillAllowed;
use super::origin::{GatewayProblem, Origin};
use super::pool::{Limit, Line, Pool};
use super::problem::Trouble;
use super::sender::as_http2;
use super::upload::{Progress, Upload};
use crate::clock;
use crate::config::{HttpLimits, Upstream};

/// Most origins of one API: one bit of a word says of each whether it was tried.
const ORIGINS_MAX: usize = 32;

pub(super) struct Api {
    origins: Box<[Arc<Pool>]>,
    turn: AtomicUsize,
    response_timeout: Duration,
    /// It speaks HTTP/2, and so no WebSocket of ours.
    pub(super) http2: bool,
    /// Send the client's `Host` on.
    pub(super) preserve_host: bool,
    /// Most bytes of a request's body.
    pub(super) body_bytes_max: Option<u64>,
}

/// What came of sending a request to one origin.
enum Sent {
    Answered(Response<Incoming>, Line),
    Failed {
        trouble: Trouble,
        /// The request, if no byte of it was written.
        unsent: Option<Request<Upload>>,
        /// It was sent on a connection that had been kept.
        kept: bool,
    },
}

impl Api {
    pub(super) fn new(upstream: &Upstream, limits: &HttpLimits) -> Result<Self, GatewayProblem> {
        let pool = |uri: &http::Uri| {
            let (origin, host) = Origin::new(uri, upstream.ca.as_deref(), upstream.http2)?;
            Ok(Arc::new(Pool::new(origin, host, upstream)))
        };
        let origins = upstream.origins.iter().map(pool).collect::<Result<Box<[_]>, GatewayProblem>>()?;
        if !(1..=ORIGINS_MAX).contains(&origins.len()) {
            return Err(GatewayProblem::Origin);
        }
        Ok(Self {
            origins,
            turn: AtomicUsize::new(0),
            response_timeout: upstream.response_timeout,
            http2: upstream.http2,
            preserve_host: upstream.preserve_host,
            body_bytes_max: upstream.body_bytes.or(limits.upstream_body_bytes),
        })
    }

    /// Whose turn it is: of those that are well the one with the fewest requests under way; of those that are not, the one
    /// that was left out first. `tried`: one bit for each that is not to be taken.
    pub(super) fn next(&self, tried: u32) -> Option<usize> {
        let count = self.origins.len();
        if count == 1 {
            return (tried == 0).then_some(0);
        }
        let now = clock::boot_micros();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let left = (0..count).map(|step| turn.wrapping_add(step) % count).filter(|at| tried & (1 << at) == 0);
        let next = left.min_by_key(|at| self.origins[*at].health.rank(now))?;
        self.origins[next].health.taken(now);
        Some(next)
    }

    /// The authority an origin goes by.
    pub(super) fn host(&self, origin: usize) -> &HeaderValue {
        &self.origins[origin].host
    }

    /// Send a request to an origin, and to the others as far as that cannot do it twice. `own_host`: its `Host` is the
    /// origin's.
    pub(super) async fn send(
        &self,
        mut at: usize,
        request: Request<Upload>,
        own_host: bool,
        alive: &dyn StillAllowed,
    ) -> Result<(Response<Incoming>, Line), Trouble> {
        let progress = request.body().progress();
        let mut spare = self.spare(&request);
        let (mut next, mut fresh, mut tried) = (request, false, 1 << at);
        loop {
            let (trouble, unsent) = match self.once(at, next, fresh, progress.as_deref()).await {
                Sent::Answered(response, line) => {
                    self.is_well(at);
                    return Ok((response, line));
                }
                // It had closed a connection that was kept, which says nothing about it.
                Sent::Failed { unsent: Some(unsent), kept: true, .. } => {
                    (next, fresh) = (unsent, true);
                    continue;
                }
                Sent::Failed { trouble, unsent, .. } => (trouble, unsent),
            };
            self.is_ill(at, trouble);
            let again = unsent.or_else(|| spare.take().filter(|_| trouble == Trouble::Broke));
            let (Some(again), Some(other)) = (again, self.next(tried)) else { return Err(trouble) };
            if !alive.still_allowed() {
                return Err(trouble);
            }
            (next, at, fresh, tried) = (again, other, false, tried | 1 << other);
            if own_host {
                next.headers_mut().insert(HOST, self.origins[at].host.clone());
            }
        }
    }

    async fn once(&self, at: usize, request: Request<Upload>, fresh: bool, progress: Option<&Progress>) -> Sent {
        let pool = &self.origins[at];
        let line = if fresh { pool.new_line().await } else { pool.line().await };
        let mut line = match line {
            Ok(line) => line,
            Err(trouble) => return Sent::Failed { trouble, unsent: Some(request), kept: false },
        };
        let kept = line.reused;
        let mut request = request;
        if self.http2 {
            as_http2(&mut request, pool.is_secure());
        }
        match self.in_time(line.sender.send(request), &mut line.limit, progress).await {
            Ok(Ok(response)) => Sent::Answered(response, line),
            // hyper hands a request back only if no byte of it was written.
            Ok(Err(mut error)) => match error.take_message() {
                Some(unsent) => Sent::Failed { trouble: Trouble::Broke, unsent: Some(unsent), kept },
                None => Sent::Failed { trouble: broken(&error.into_error(), progress), unsent: None, kept: false },
            },
            Err(trouble) => Sent::Failed { trouble, unsent: None, kept: false },
        }
    }

    /// The same request once more, where it may be sent twice and there is somewhere else to send it.
    fn spare(&self, request: &Request<Upload>) -> Option<Request<Upload>> {
        let harmless =
            request.method().is_safe() && !request.body().carries() && !request.headers().contains_key(UPGRADE);
        if self.origins.len() == 1 || !harmless {
            return None;
        }
        let mut spare = Request::new(Upload::none());
        *spare.method_mut() = request.method().clone();
        *spare.uri_mut() = request.uri().clone();
        *spare.version_mut() = request.version();
        *spare.headers_mut() = request.headers().clone();
        Some(spare)
    }

    fn is_well(&self, at: usize) {
        if self.origins.len() > 1 {
            self.origins[at].health.is_well();
        }
    }

    fn is_ill(&self, at: usize, trouble: Trouble) {
        if self.origins.len() > 1 && trouble.is_the_apis() {
            let out = self.origins[at].health.is_ill(trouble.is_of_connecting(), clock::boot_micros());
            if out {
                let origin = String::from_utf8_lossy(self.origins[at].host.as_bytes());
                tracing::warn!(%origin, "an origin of the upstream is left out for a while");
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
}

fn broken(error: &hyper::Error, progress: Option<&Progress>) -> Trouble {
    if let Some(failure) = progress.and_then(Progress::failure) {
        return Trouble::Upload(failure);
    }
    tracing::warn!(%error, "the upstream broke off before its response headers");
    Trouble::Broke
}
