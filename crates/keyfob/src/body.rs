//! The one response body type: bytes of keyfob's own, or a stream from the API behind.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use http_body_util::combinators::UnsyncBoxBody;

pin_project_lite::pin_project! {
    /// A response body.
    #[project = Projected]
    pub enum Body {
        /// Bytes of keyfob's own.
        Own { #[pin] bytes: Full<Bytes> },
        /// What the API streams.
        Stream { #[pin] stream: UnsyncBoxBody<Bytes, BodyError> },
    }
}

/// Why a stream broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

impl Body {
    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::from(Bytes::new())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Own { bytes: Full::new(bytes) }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.project() {
            Projected::Own { bytes } => bytes.poll_frame(cx).map_err(|never| match never {}),
            Projected::Stream { stream } => stream.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own { bytes } => bytes.is_end_stream(),
            Self::Stream { stream } => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own { bytes } => bytes.size_hint(),
            Self::Stream { stream } => stream.size_hint(),
        }
    }
}
