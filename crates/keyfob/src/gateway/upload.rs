//! The client's body on its way to the API: streamed, counted, paced, its trailers as clean as its fields. Never
//! buffered.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::header;
use super::pace::{Pace, Stop};

/// Why the client's body failed. The API sees a broken message, the client the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("the request body is larger than allowed")]
    TooLarge = 1,
    #[error("the request body stood still")]
    Idle = 2,
    #[error("the client broke off or sent no valid body")]
    Client = 3,
    #[error("the caller is no longer allowed")]
    NotAllowed = 4,
}

/// What [`super::Gateway::forward`] sees of a body that the connection's own task sends.
#[derive(Debug, Default)]
pub(super) struct Progress {
    frames: AtomicU32,
    ended: AtomicU8,
}

impl Progress {
    /// Pieces sent so far; wraps.
    pub(super) fn frames(&self) -> u32 {
        self.frames.load(Ordering::Relaxed)
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        match self.ended.load(Ordering::Acquire) {
            1 => Some(Failure::TooLarge),
            2 => Some(Failure::Idle),
            3 => Some(Failure::Client),
            4 => Some(Failure::NotAllowed),
            _ => None,
        }
    }
}

/// A request body.
pub(super) struct Upload {
    // None only for a request that is sent once more, which has no body.
    incoming: Option<Incoming>,
    // None for a request without a body, which then costs nothing.
    sending: Option<Sending>,
}

struct Sending {
    pace: Pace,
    left: Option<u64>,
    progress: Arc<Progress>,
}

impl Upload {
    /// `limit`: most bytes of the body, if there is a limit.
    pub(super) fn new(incoming: Incoming, limit: Option<u64>, pace: impl FnOnce() -> Pace) -> Self {
        let sending = (!incoming.is_end_stream()).then(|| Sending {
            pace: pace(),
            left: limit,
            progress: Arc::new(Progress::default()),
        });
        Self { incoming: Some(incoming), sending }
    }

    /// The body of a request that has none.
    pub(super) fn none() -> Self {
        Self { incoming: None, sending: None }
    }

    /// Whether there is a body to be sent.
    pub(super) fn carries(&self) -> bool {
        self.sending.is_some()
    }

    /// None for a request without a body.
    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        self.sending.as_ref().map(|sending| Arc::clone(&sending.progress))
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let this = &mut *self;
        let (Some(sending), Some(incoming)) = (&mut this.sending, &mut this.incoming) else { return Poll::Ready(None) };
        let outcome = match sending.pace.check(cx) {
            Some(stop) => Err(stop.into()),
            None => match Pin::new(incoming).poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(frame)) => frame.map_err(|_| Failure::Client).and_then(|frame| sending.count(frame)),
                Poll::Pending => match sending.pace.wait(cx) {
                    None => return Poll::Pending,
                    Some(stop) => Err(stop.into()),
                },
            },
        };
        if let Err(failure) = outcome {
            sending.progress.ended.store(failure as u8, Ordering::Release);
        }
        Poll::Ready(Some(outcome))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Sending {
    fn count(&mut self, mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, Failure> {
        self.pace.moved();
        self.progress.frames.fetch_add(1, Ordering::Relaxed);
        if let (Some(left), Some(data)) = (&mut self.left, frame.data_ref()) {
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            *left = left.checked_sub(length).ok_or(Failure::TooLarge)?;
        }
        if let Some(trailers) = frame.trailers_mut() {
            header::trailers_to_upstream(trailers);
        }
        Ok(frame)
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Idle => Self::Idle,
            Stop::NotAllowed => Self::NotAllowed,
        }
    }
}
