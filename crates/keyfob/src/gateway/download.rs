//! The API's body on its way to the client: streamed and paced, never buffered. When it has come whole, its
//! connection goes back to the pool; when it breaks off, so does the client's message, which never looks complete.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::pace::{Pace, Stop};
use super::pool::Line;

/// Why a response broke off after its headers.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The API broke off, or sent what is not HTTP.
    #[error("the API behind broke off")]
    Upstream(#[source] hyper::Error),
    /// The API sent nothing for the idle limit.
    #[error("the API behind sent nothing for too long")]
    Idle,
    /// The caller may no longer have it.
    #[error("the caller is no longer allowed")]
    NotAllowed,
}

/// A response body of the API.
pub struct Download {
    incoming: Incoming,
    line: Option<Line>,
    pace: Pace,
}

impl Download {
    pub(super) fn new(incoming: Incoming, line: Line, pace: Pace) -> Self {
        let mut download = Self { incoming, line: Some(line), pace };
        download.give_back_when_whole();
        download
    }

    fn give_back_when_whole(&mut self) {
        if self.incoming.is_end_stream()
            && let Some(line) = self.line.take()
        {
            line.give_back();
        }
    }

    fn stop(&mut self, stop: Stop) -> Broken {
        // Dropping the line closes the connection to the API.
        self.line = None;
        match stop {
            Stop::Idle => Broken::Idle,
            Stop::NotAllowed => Broken::NotAllowed,
        }
    }
}

impl http_body::Body for Download {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(stop) = self.pace.check(cx) {
            return Poll::Ready(Some(Err(self.stop(stop))));
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.pace.moved();
                self.give_back_when_whole();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.line = None;
                Poll::Ready(Some(Err(Broken::Upstream(error))))
            }
            Poll::Ready(None) => {
                if let Some(line) = self.line.take() {
                    line.give_back();
                }
                Poll::Ready(None)
            }
            Poll::Pending => match self.pace.wait(cx) {
                None => Poll::Pending,
                Some(stop) => Poll::Ready(Some(Err(self.stop(stop)))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
