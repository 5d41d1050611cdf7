//! The one response body type: bytes of keyfob's own, or a stream from the API behind.
//! Never buffers a stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use http_body_util::combinators::UnsyncBoxBody;

use crate::gateway::Download;

/// A response body. Every kind of it may be moved, so it needs no pin projection.
pub enum Body {
    /// Bytes of keyfob's own.
    Own {
        /// The bytes.
        bytes: Full<Bytes>,
    },
    /// What the API behind the gateway streams, without a box around it.
    Api {
        /// The API's body.
        download: Download,
    },
    /// Any other stream.
    Stream {
        /// The stream.
        stream: UnsyncBoxBody<Bytes, BodyError>,
    },
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

impl From<Download> for Body {
    fn from(download: Download) -> Self {
        Self::Api { download }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Own { bytes } => Pin::new(bytes).poll_frame(cx).map_err(|never| match never {}),
            Self::Api { download } => Pin::new(download).poll_frame(cx).map_err(Into::into),
            Self::Stream { stream } => Pin::new(stream).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own { bytes } => bytes.is_end_stream(),
            Self::Api { download } => download.is_end_stream(),
            Self::Stream { stream } => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own { bytes } => bytes.size_hint(),
            Self::Api { download } => download.size_hint(),
            Self::Stream { stream } => stream.size_hint(),
        }
    }
}
