//! What the parts of one connection know of each other: the socket counts what moves, the answers count themselves,
//! and [`super::drive`] looks at both. Counts only; never a clock.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use super::Connection;
use crate::body::{Body, BodyError};

pub(super) struct Link<A> {
    pub(super) answer: Arc<A>,
    pub(super) connection: Connection,
    pub(super) h2: bool,
    // All are hints for timeouts that are read once a beat, so no order between them matters.
    open: AtomicU32,
    begun: AtomicU32,
    written: AtomicU32,
    write_waits: AtomicBool,
    heard: AtomicBool,
}

/// What moved since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Glance {
    /// Requests being answered.
    pub(super) open: u32,
    /// Requests ever begun; wraps.
    pub(super) begun: u32,
    /// Writes ever done; wraps.
    pub(super) written: u32,
    /// The client does not read what is being written.
    pub(super) write_waits: bool,
    /// Bytes came since the last request ended, so a request head is under way.
    pub(super) heard: bool,
}

impl<A> Link<A> {
    pub(super) fn new(answer: Arc<A>, connection: Connection, h2: bool) -> Self {
        Self {
            answer,
            connection,
            h2,
            open: AtomicU32::new(0),
            begun: AtomicU32::new(0),
            written: AtomicU32::new(0),
            write_waits: AtomicBool::new(false),
            // A new connection owes its first request.
            heard: AtomicBool::new(true),
        }
    }

    pub(super) fn glance(&self) -> Glance {
        let begun = self.begun.load(Relaxed);
        Glance {
            open: self.open.load(Relaxed),
            begun,
            written: self.written.load(Relaxed),
            write_waits: self.write_waits.load(Relaxed),
            // HTTP/2 has frames between requests, so there only the first one is owed.
            heard: self.heard.load(Relaxed) && (!self.h2 || begun == 0),
        }
    }
}

/// A request that is being answered, until its answer's body is gone.
pub(super) struct Open<A>(pub(super) Arc<Link<A>>);

impl<A> Open<A> {
    pub(super) fn begin(link: &Arc<Link<A>>) -> Self {
        link.open.fetch_add(1, Relaxed);
        link.begun.fetch_add(1, Relaxed);
        Self(Arc::clone(link))
    }
}

impl<A> Drop for Open<A> {
    fn drop(&mut self) {
        self.0.heard.store(false, Relaxed);
        self.0.open.fetch_sub(1, Relaxed);
    }
}

pin_project_lite::pin_project! {
    /// An answer's body that keeps its request open.
    pub(super) struct Answered<A> {
        #[pin]
        pub(super) body: Body,
        pub(super) open: Open<A>,
    }
}

impl<A> http_body::Body for Answered<A> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project_lite::pin_project! {
    /// The socket. It holds the connection's permit, so a tunnel that outlives HTTP still counts.
    pub(super) struct Io<T, A> {
        #[pin]
        pub(super) stream: T,
        pub(super) link: Arc<Link<A>>,
        pub(super) permit: OwnedSemaphorePermit,
    }
}

impl<T: AsyncRead, A> AsyncRead for Io<T, A> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let result = this.stream.poll_read(cx, buffer);
        if result.is_ready() {
            this.link.heard.store(true, Relaxed);
        }
        result
    }
}

impl<T: AsyncWrite, A> Io<T, A> {
    fn note(link: &Link<A>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if result.is_ready() {
            link.written.fetch_add(1, Relaxed);
        }
        link.write_waits.store(result.is_pending(), Relaxed);
        result
    }
}

impl<T: AsyncWrite, A> AsyncWrite for Io<T, A> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        Self::note(this.link, this.stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        Self::note(this.link, this.stream.poll_write_vectored(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let result = this.stream.poll_flush(cx);
        // A TLS stream keeps written bytes and waits only here.
        if result.is_pending() {
            this.link.write_waits.store(true, Relaxed);
        }
        result
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_shutdown(cx)
    }
}
