//! Drives one connection to its end, and ends it when it stands still: while a request head is under way, between
//! requests, or while its client reads nothing, be it of one HTTP/2 stream. One timer a connection watches all of it, a
//! few beats apart.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::Answer;
use super::link::{Answered, Glance, Io, Link, Open};
use crate::body::Body;
use crate::config::HttpLimits;

/// Beats in the shortest limit: a limit is kept to within an eighth of the shortest one.
const BEATS: u32 = 8;

/// Write limits that one HTTP/2 stream may stand still while the connection goes on. A slow client takes a piece of an
/// answer in many steps that only HTTP/2 sees, so this is longer than the limit of the connection.
const STREAM_PATIENCE: u32 = 4;

/// Longest and shortest beat.
const BEAT_MAX: Duration = Duration::from_secs(1);
const BEAT_MIN: Duration = Duration::from_millis(5);

pub(super) struct Protocols {
    pub(super) h1: http1::Builder,
    pub(super) h2: http2::Builder<TokioExecutor>,
    pub(super) watch: Watch,
}

/// Speak HTTP on `stream` until either side ends it.
pub(super) async fn serve<T, A>(
    protocols: &Protocols,
    stream: T,
    link: Arc<Link<A>>,
    permit: OwnedSemaphorePermit,
    shutdown: watch::Receiver<bool>,
) where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    A: Answer,
{
    let io = TokioIo::new(Io::new(stream, Arc::clone(&link), permit));
    let service = {
        let link = Arc::clone(&link);
        service_fn(move |request| reply(Open::begin(&link), request))
    };
    let watch = protocols.watch;
    if link.h2 {
        let connection = protocols.h2.serve_connection(io, service);
        drive(connection, http2::Connection::graceful_shutdown, watch, &link, shutdown).await;
    } else {
        let connection = protocols.h1.serve_connection(io, service).with_upgrades();
        drive(connection, http1::UpgradeableConnection::graceful_shutdown, watch, &link, shutdown).await;
    }
}

async fn reply<A: Answer>(mut open: Open<A>, request: Request<Incoming>) -> Result<Response<Answered<A>>, Infallible> {
    let response = {
        let mut answer = pin!(open.link.answer.answer(&open.link.connection, request));
        std::future::poll_fn(|cx| {
            // The future is not polled again after a panic, so nobody sees what it left half done.
            std::panic::catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx)))
                .unwrap_or_else(|_| Poll::Ready(panicked()))
        })
        .await
    };
    open.answered();
    Ok(response.map(|body| Answered { body, open }))
}

fn panicked() -> Response<Body> {
    tracing::error!("answering a request panicked");
    let text = br#"{"type":"urn:keyfob:problem:internal","title":"Internal error","status":500}"#;
    let mut response = Response::new(Body::from(Bytes::from_static(text)));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

enum Event {
    Ended,
    Beat,
    Stop,
}

async fn drive<C, E, A>(
    connection: C,
    finish: fn(Pin<&mut C>),
    mut watch: Watch,
    link: &Link<A>,
    mut shutdown: watch::Receiver<bool>,
) where
    C: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    let mut connection = pin!(connection);
    let mut beat = pin!(tokio::time::sleep(watch.beat));
    let news = shutdown.clone();
    let mut stop = pin!(async move { drop(shutdown.wait_for(|stop| *stop).await) });
    let mut stopping = false;
    loop {
        // This future stays in one task, whose waker stays the same: once the timer and the shutdown have it, they
        // need not be polled again at each of a request's wake-ups, only asked whether it is their turn.
        let mut registered = false;
        let event = std::future::poll_fn(|cx| {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return Poll::Ready(Event::Ended);
            }
            if link.is_flooded() {
                tracing::debug!("a client gave up too many of its requests");
                return Poll::Ready(Event::Ended);
            }
            if registered && !beat.is_elapsed() && (stopping || matches!(news.has_changed(), Ok(false))) {
                return Poll::Pending;
            }
            registered = true;
            if beat.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Beat);
            }
            if !stopping && stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Stop);
            }
            Poll::Pending
        })
        .await;
        match event {
            Event::Ended => return,
            Event::Stop => {
                stopping = true;
                link.leave();
                finish(connection.as_mut());
            }
            Event::Beat => match watch.judge(link.glance()) {
                Verdict::Alive => {
                    let next = beat.deadline() + watch.beat;
                    beat.as_mut().reset(next);
                }
                Verdict::Finish => {
                    link.leave();
                    finish(connection.as_mut());
                    let next = beat.deadline() + watch.beat;
                    beat.as_mut().reset(next);
                }
                Verdict::Dead => return,
            },
        }
    }
}

/// Judges at each beat whether a connection stands still.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    beat: Duration,
    head_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    last: Glance,
    quiet: Duration,
    stalled: Duration,
    finishing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Alive,
    /// Idle for too long: say good-bye.
    Finish,
    /// Nothing to wait for.
    Dead,
}

impl Watch {
    pub(super) fn new(limits: &HttpLimits) -> Self {
        let shortest = limits.head_timeout.min(limits.idle_timeout).min(limits.body_idle_timeout);
        Self {
            beat: (shortest / BEATS).clamp(BEAT_MIN, BEAT_MAX),
            head_timeout: limits.head_timeout,
            idle_timeout: limits.idle_timeout,
            write_timeout: limits.body_idle_timeout,
            last: Glance { heard: true, ..Glance::default() },
            quiet: Duration::ZERO,
            stalled: Duration::ZERO,
            finishing: false,
        }
    }

    fn judge(&mut self, now: Glance) -> Verdict {
        let last = std::mem::replace(&mut self.last, now);
        let stalled = now.write_waits && now.written == last.written;
        self.stalled = if stalled { self.stalled + self.beat } else { Duration::ZERO };
        let untaken = self.beat.saturating_mul(now.untaken);
        if self.stalled >= self.write_timeout || untaken >= self.write_timeout * STREAM_PATIENCE {
            return Verdict::Dead;
        }
        // A head that begins after an idle time has its whole limit.
        let quiet = now.open == 0 && now.begun == last.begun && now.heard == last.heard;
        self.quiet = if quiet { self.quiet + self.beat } else { Duration::ZERO };
        if now.heard || self.finishing {
            return if self.quiet >= self.head_timeout { Verdict::Dead } else { Verdict::Alive };
        }
        if self.quiet >= self.idle_timeout {
            self.finishing = true;
            self.quiet = Duration::ZERO;
            return Verdict::Finish;
        }
        Verdict::Alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        Watch::new(&HttpLimits {
            head_timeout: Duration::from_secs(4),
            idle_timeout: Duration::from_secs(8),
            body_idle_timeout: Duration::from_secs(6),
            ..HttpLimits::default()
        })
    }

    // Beats of half a second until the first verdict other than "alive".
    fn beats_until(watch: &mut Watch, glance: Glance) -> (u32, Verdict) {
        assert_eq!(watch.beat, Duration::from_millis(500));
        (1..1_000)
            .find_map(|beats| match watch.judge(glance) {
                Verdict::Alive => None,
                verdict => Some((beats, verdict)),
            })
            .expect("an end")
    }

    #[test]
    fn a_connection_without_a_first_request_ends_at_the_head_timeout() {
        let glance = Glance { heard: true, ..Glance::default() };
        assert_eq!(beats_until(&mut watch(), glance), (8, Verdict::Dead));
    }

    #[test]
    fn an_idle_connection_is_finished_and_then_ended() {
        let mut watch = watch();
        let glance = Glance { begun: 1, ..Glance::default() };
        assert_eq!(beats_until(&mut watch, glance), (17, Verdict::Finish));
        assert_eq!(beats_until(&mut watch, glance), (8, Verdict::Dead));
    }

    #[test]
    fn a_head_that_begins_after_an_idle_time_has_its_whole_limit() {
        let mut watch = watch();
        for _ in 0..16 {
            assert_eq!(watch.judge(Glance { begun: 1, ..Glance::default() }), Verdict::Alive);
        }
        assert_eq!(beats_until(&mut watch, Glance { begun: 1, heard: true, ..Glance::default() }), (9, Verdict::Dead));
    }

    #[test]
    fn a_busy_connection_lives() {
        let mut watch = watch();
        for begun in 0..1_000 {
            assert_eq!(watch.judge(Glance { begun, ..Glance::default() }), Verdict::Alive);
        }
        for _ in 0..1_000 {
            assert_eq!(watch.judge(Glance { open: 1, begun: 1_000, ..Glance::default() }), Verdict::Alive);
        }
    }

    #[test]
    fn a_stream_that_is_not_read_ends_a_busy_connection() {
        let mut watch = watch();
        let glance = |untaken| Glance { open: 2, begun: untaken, written: untaken, untaken, ..Glance::default() };
        assert_eq!((1..100).map(|untaken| watch.judge(glance(untaken))).position(|it| it == Verdict::Dead), Some(47));
    }

    #[test]
    fn a_client_that_reads_nothing_is_ended() {
        let glance = Glance { open: 1, begun: 1, written: 7, write_waits: true, ..Glance::default() };
        assert_eq!(beats_until(&mut watch(), glance), (13, Verdict::Dead));
    }
}
