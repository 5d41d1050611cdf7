//! What the parts of one connection know of each other: the socket counts what moves, the answers count themselves,
//! and [`super::drive`] looks at both. Counts only; never a clock.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

use super::{Connection, H2_STREAMS_MAX};
use crate::body::{Body, BodyError};

/// How long the rest of a message is read and thrown away after the answer that closes its connection.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes of it that are read at once; each stays on the stack for one call.
const REST_BYTES: usize = 8 * 1024;

/// Requests of an HTTP/2 connection that its client gave up before they were answered, more than were answered: the
/// rapid reset (CVE-2023-44487). Each was judged and may have reached the API. Twice the streams that may be open: a
/// browser that leaves a page gives up what was open once.
const GIVEN_UP_MAX: u32 = 2 * H2_STREAMS_MAX;

/// Of a stream's place: nobody's; one whose client has been given all there is; else the beat since which the client
/// has not taken what there is, and two.
const FREE: u32 = 0;
const IN_HAND: u32 = 1;
const SINCE: u32 = 2;

pub(super) struct Link<A> {
    pub(super) answer: Arc<A>,
    pub(super) connection: Connection,
    pub(super) h2: bool,
    // A place for each HTTP/2 stream, because flow control can stop one while the others go on. A stream beyond them,
    // whose place an aborted one has not left yet, is not watched. HTTP/1 has one answer at a time and needs none.
    streams: Box<[AtomicU32]>,
    beats: AtomicU32,
    // All are hints for timeouts that are read once a beat, so no order between them matters.
    open: AtomicU32,
    begun: AtomicU32,
    given_up: AtomicU32,
    written: AtomicU32,
    write_waits: AtomicBool,
    heard: AtomicBool,
    leaving: AtomicBool,
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
    /// Beats since some HTTP/2 stream's client last took a piece of an answer that is there.
    pub(super) untaken: u32,
}

impl<A> Link<A> {
    pub(super) fn new(answer: Arc<A>, connection: Connection, h2: bool) -> Self {
        let streams = if h2 { H2_STREAMS_MAX } else { 0 };
        Self {
            answer,
            connection,
            h2,
            streams: (0..streams).map(|_| AtomicU32::new(FREE)).collect(),
            beats: AtomicU32::new(0),
            open: AtomicU32::new(0),
            begun: AtomicU32::new(0),
            given_up: AtomicU32::new(0),
            written: AtomicU32::new(0),
            write_waits: AtomicBool::new(false),
            // A new connection owes its first request.
            heard: AtomicBool::new(true),
            leaving: AtomicBool::new(false),
        }
    }

    /// keyfob ends this connection between requests, so the client owes nothing and there is nothing to wait for.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Relaxed);
    }

    /// Whether its client asks in order to give up.
    pub(super) fn is_flooded(&self) -> bool {
        self.given_up.load(Relaxed) >= GIVEN_UP_MAX
    }

    /// Look, once a beat.
    pub(super) fn glance(&self) -> Glance {
        let begun = self.begun.load(Relaxed);
        let beat = self.beats.fetch_add(1, Relaxed).saturating_add(1);
        let since = self.streams.iter().filter_map(|stream| stream.load(Relaxed).checked_sub(SINCE));
        Glance {
            open: self.open.load(Relaxed),
            begun,
            written: self.written.load(Relaxed),
            write_waits: self.write_waits.load(Relaxed),
            // HTTP/2 has frames between requests, so there only the first one is owed.
            heard: self.heard.load(Relaxed) && (!self.h2 || begun == 0),
            untaken: since.map(|since| beat.saturating_sub(since)).max().unwrap_or(0),
        }
    }
}

/// A request that is being answered, until its answer's body is gone.
pub(super) struct Open<A> {
    pub(super) link: Arc<Link<A>>,
    stream: Option<usize>,
    answered: bool,
}

impl<A> Open<A> {
    pub(super) fn begin(link: &Arc<Link<A>>) -> Self {
        link.open.fetch_add(1, Relaxed);
        link.begun.fetch_add(1, Relaxed);
        let take = |stream: &AtomicU32| stream.compare_exchange(FREE, IN_HAND, Relaxed, Relaxed).is_ok();
        Self { link: Arc::clone(link), stream: link.streams.iter().position(take), answered: false }
    }

    /// There is an answer, which the client is offered now.
    pub(super) fn answered(&mut self) {
        self.answered = true;
        self.offer(true);
    }

    /// The client is offered something now: `true`; or has all there is.
    pub(super) fn offer(&self, something: bool) {
        if let Some(stream) = self.stream.and_then(|at| self.link.streams.get(at)) {
            let since = self.link.beats.load(Relaxed).saturating_add(SINCE);
            stream.store(if something { since } else { IN_HAND }, Relaxed);
        }
    }
}

impl<A> Drop for Open<A> {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.and_then(|at| self.link.streams.get(at)) {
            stream.store(FREE, Relaxed);
        }
        if self.link.h2 {
            let given_up = self.link.given_up.load(Relaxed);
            if !self.answered {
                self.link.given_up.fetch_add(1, Relaxed);
            } else if given_up > 0 {
                self.link.given_up.store(given_up - 1, Relaxed);
            }
        }
        self.link.heard.store(false, Relaxed);
        self.link.open.fetch_sub(1, Relaxed);
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
        let this = self.project();
        let frame = this.body.poll_frame(cx);
        // hyper asks for the next piece when the client has room for it.
        this.open.offer(matches!(frame, Poll::Ready(Some(Ok(_)))));
        frame
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
        stream: T,
        link: Arc<Link<A>>,
        permit: OwnedSemaphorePermit,
        linger: Option<Pin<Box<Sleep>>>,
    }
}

impl<T, A> Io<T, A> {
    pub(super) fn new(stream: T, link: Arc<Link<A>>, permit: OwnedSemaphorePermit) -> Self {
        Self { stream, link, permit, linger: None }
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

impl<T: AsyncRead + AsyncWrite, A> AsyncWrite for Io<T, A> {
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

    // A socket closed while bytes of its client are unread is reset, and the reset can overtake an answer such as 413
    // or 431 (RFC 9112 §9.6). So after the last answer the rest is read and thrown away for a moment.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.project();
        if this.linger.is_none() {
            std::task::ready!(this.stream.as_mut().poll_shutdown(cx))?;
        }
        if this.link.leaving.load(Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let linger = this.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if linger.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut rest = [MaybeUninit::uninit(); REST_BYTES];
        loop {
            let mut rest = ReadBuf::uninit(&mut rest);
            match this.stream.as_mut().poll_read(cx, &mut rest) {
                Poll::Ready(Ok(())) if !rest.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
