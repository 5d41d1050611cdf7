//! Kept-alive connections to one origin of an API. A connection carries one message at a time and comes back only after
//! the whole response was read, so no answer can reach another request. Never sends anything itself.
//!
//! Written on hyper's connection rather than on hyper-util's client: there is one origin, so its pool keys, request
//! URI rewriting and boxed futures would be paid on every request for nothing, and only the connection says whether
//! a request ever left.

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

use super::health::{Busy, Health};
use super::origin::{Origin, Stream};
use super::problem::Trouble;
use super::sender::Sender;
use crate::config::Upstream;

/// Most idle connections that are kept: more than one core can use at once, fewer than a file-descriptor limit.
const IDLE_MAX: usize = 512;

/// Between two sweeps of idle connections.
const SWEEP: Duration = Duration::from_secs(15);

/// Sweeps that an idle connection survives: it is closed after 45 to 60 seconds, before most servers would.
const SWEEPS_MAX: u32 = 3;

pub(super) struct Pool {
    /// The authority it goes by.
    pub(super) host: HeaderValue,
    pub(super) health: Health,
    // Whether requests under way are counted: only where there is another origin to compare with.
    counts: bool,
    http2: bool,
    origin: Origin,
    connect_timeout: Duration,
    connections: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    returned: Notify,
    sweeps: AtomicU32,
    sweeper: Once,
}

struct Idle {
    sender: Sender,
    limit: Limit,
    since: u32,
}

/// What somebody who needs a connection gets.
enum Room {
    New(OwnedSemaphorePermit),
    Returned(Idle),
}

/// The timer of an answer. It stays with its connection: to move the deadline of one that is set costs next to nothing,
/// to set and take away one for each answer does not.
pub(super) type Limit = Pin<Box<Sleep>>;

/// One connection to the API, out of the pool. Dropped, it is closed.
pub(super) struct Line {
    pub(super) sender: Sender,
    /// Whether it has carried a message before, so that the API may have closed it meanwhile.
    pub(super) reused: bool,
    pub(super) limit: Limit,
    pool: Arc<Pool>,
    _busy: Option<Busy>,
}

impl Pool {
    /// To an origin that goes by `host`.
    pub(super) fn new(origin: Origin, host: HeaderValue, upstream: &Upstream) -> Self {
        Self {
            host,
            health: Health::default(),
            counts: upstream.origins.len() > 1,
            http2: upstream.http2,
            origin,
            connect_timeout: upstream.connect_timeout,
            connections: Arc::new(Semaphore::new(upstream.connections)),
            idle: Mutex::new(Vec::new()),
            returned: Notify::new(),
            sweeps: AtomicU32::new(0),
            sweeper: Once::new(),
        }
    }

    /// Whether its connections are of TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.origin.is_secure()
    }

    /// An idle connection if one is alive, else a new one.
    pub(super) async fn line(self: &Arc<Self>) -> Result<Line, Trouble> {
        while let Some(idle) = self.newest_idle() {
            if idle.sender.is_ready() {
                return Ok(self.lined(idle.sender, true, idle.limit));
            }
        }
        self.new_line().await
    }

    /// A new connection.
    pub(super) async fn new_line(self: &Arc<Self>) -> Result<Line, Trouble> {
        self.start_sweeper();
        let permit = match tokio::time::timeout(self.connect_timeout, self.room()).await {
            Ok(Room::New(permit)) => permit,
            Ok(Room::Returned(idle)) => return Ok(self.lined(idle.sender, true, idle.limit)),
            Err(_) => return Err(Trouble::Full),
        };
        let opened = tokio::time::timeout(self.connect_timeout, self.open(permit)).await;
        let sender = opened.map_err(|_| Trouble::ConnectTimeout)?.map_err(|error| {
            tracing::warn!(%error, "cannot connect to the upstream");
            Trouble::Unreachable
        })?;
        let limit = Box::pin(tokio::time::sleep(Duration::ZERO));
        Ok(self.lined(sender, false, limit))
    }

    /// Room for a new connection; where there is none, whatever comes first of that and of one that is given back.
    async fn room(&self) -> Room {
        loop {
            let returned = self.returned.notified();
            tokio::select! {
                biased;
                permit = Arc::clone(&self.connections).acquire_owned() => {
                    // It is never closed.
                    if let Ok(permit) = permit {
                        return Room::New(permit);
                    }
                }
                () = returned => {}
            }
            if let Some(idle) = self.newest_idle().filter(|idle| idle.sender.is_ready()) {
                return Room::Returned(idle);
            }
        }
    }

    fn lined(self: &Arc<Self>, sender: Sender, reused: bool, limit: Limit) -> Line {
        let busy = self.counts.then(|| Busy::at(self));
        Line { sender, reused, limit, pool: Arc::clone(self), _busy: busy }
    }

    async fn open(&self, permit: OwnedSemaphorePermit) -> std::io::Result<Sender> {
        match self.origin.connect().await? {
            Stream::Plain(stream) => Sender::open(stream, permit, self.http2).await,
            Stream::Tls(stream) => Sender::open(*stream, permit, self.http2).await,
        }
    }

    fn newest_idle(&self) -> Option<Idle> {
        self.lock().pop()
    }

    fn put(&self, sender: Sender, limit: Limit) {
        let since = self.sweeps.load(Ordering::Relaxed);
        let mut idle = self.lock();
        if idle.len() < IDLE_MAX {
            idle.push(Idle { sender, limit, since });
        }
        drop(idle);
        // Somebody may be waiting for it: only where nobody may open another.
        if self.connections.available_permits() == 0 {
            self.returned.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        // The list is whole between any two statements, so a panic elsewhere leaves nothing half done.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_sweeper(self: &Arc<Self>) {
        self.sweeper.call_once(|| {
            tokio::spawn(sweep(Arc::downgrade(self)));
        });
    }
}

impl Line {
    /// The whole response was read: the connection may carry the next message.
    pub(super) fn give_back(self) {
        let Self { mut sender, pool, limit, .. } = self;
        if sender.is_ready() {
            pool.put(sender, limit);
        } else if !sender.is_closed() {
            // The connection's own task has not come round yet, or still sends a body the API did not wait for.
            tokio::spawn(async move {
                if sender.becomes_ready().await {
                    pool.put(sender, limit);
                }
            });
        }
    }
}

async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = pool.sweeps.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        pool.lock().retain(|idle| !idle.sender.is_closed() && now.wrapping_sub(idle.since) <= SWEEPS_MAX);
    }
}
