//! This node among those that share its store (DESIGN §6): it registers, renews its lease, applies what changed, and
//! strikes out nodes that are gone. When it may do what is decided in [`keyfob_core::lease`]; here it is done. A process
//! that owns its store is no node: it needs no lease. Never answers a request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyfob_core::change::Revision;
use keyfob_core::id::NodeId;
use keyfob_core::lease::{self, Moment, Renewed, Terms, Watch};
use keyfob_store::{Nodes, Result, StoreError};
use tokio::time::timeout;

use crate::app::App;
use crate::one_reading::OneReading;
use crate::skew::Skew;
use crate::{clock, feed, sabotage};

/// How soon a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// How often it is written down how far the database has come, if it has.
const WRITE_DOWN_EVERY: Duration = Duration::from_millis(500);

/// After so many of them, half a minute, the log says once more that the store is closed.
const REMIND_AFTER: u32 = 300;

/// The node that this process is.
pub struct Node {
    terms: Terms,
    state: Mutex<lease::Node>,
    /// Until when its memory may be believed, in microseconds of [`clock::boot_micros`]; zero: not at all.
    until: AtomicU64,
    /// The feed, as requests that have no lease to go by read it.
    feed: OneReading<()>,
    /// Its wall clock against the store's.
    pub skew: Skew,
}

impl Node {
    /// A node that has remembered nothing yet; `applied` was the store's revision before any fact was loaded.
    #[must_use]
    pub fn new(terms: Terms, applied: Revision, skew: Skew) -> Self {
        let state = lease::Node::new(terms, fresh_id(), applied);
        Self { terms, state: Mutex::new(state), until: AtomicU64::new(0), feed: OneReading::new(), skew }
    }

    /// Whether requests that begin now may be judged on what is remembered.
    #[must_use]
    pub fn holds_lease(&self) -> bool {
        clock::boot_micros() < self.until.load(Ordering::Acquire) || sabotage::chosen(sabotage::NO_LEASE)
    }

    /// What is left of the lease.
    #[must_use]
    pub fn lease_left(&self) -> Duration {
        let until = self.until.load(Ordering::Acquire);
        Duration::from_micros(until.saturating_sub(clock::boot_micros()))
    }

    /// Without a lease: read what changed since, in a statement that begins after this call, and apply it. Requests that
    /// wait at once share one.
    ///
    /// # Errors
    /// Those of the store: nothing can be told.
    pub async fn catch_up(&self, app: &App) -> Result<()> {
        let late = |_| Err(StoreError::Unavailable("it does not answer".to_owned()));
        let read = async { timeout(self.terms.lease(), feed::catch_up(app)).await.unwrap_or_else(late) };
        self.feed.after_now(read).await
    }

    /// Give up the lease and the row: for a process that answers no more.
    ///
    /// # Errors
    /// Those of the store; the row is then struck out by others.
    pub async fn leave(&self, nodes: &dyn Nodes) -> Result<()> {
        self.until.store(0, Ordering::Release);
        let id = self.state().row().id;
        nodes.leave(id).await
    }

    fn state(&self) -> MutexGuard<'_, lease::Node> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One beat: apply what changed, renew, apply what changed until then. Returns the revision that the others see.
    async fn beat(&self, app: &App, nodes: &dyn Nodes) -> Result<Revision> {
        self.look(app).await?;
        self.register(nodes).await?;
        let renewal = {
            let mut state = self.state();
            state.apply(app.applied.confirmed());
            state.renew(clock::boot())
        };
        let Some(renewal) = renewal else { return Ok(Revision(0)) };
        let told = renewal.applied();
        let asked = clock::boot_micros();
        let renewed = nodes.renew(renewal.id(), told, clock::now()).await?;
        if let Some(store) = renewed {
            self.skew.compared(asked, clock::boot_micros(), store);
            self.skew.tell();
        }
        let outcome = self.state().renewed(renewal, u64::from(renewed.is_some()));
        match outcome {
            Renewed::ReadChanges(granted) => {
                self.look(app).await?;
                let mut state = self.state();
                // What is told to others is less than what is applied here, while a follower lacks some of it.
                state.grant(granted, app.applied.confirmed());
                let now = clock::boot_micros();
                let left = state.lease_left(Moment::from_micros(now));
                let until = now + u64::try_from(left.as_micros()).unwrap_or(0);
                self.until.store(if left.is_zero() { 0 } else { until }, Ordering::Release);
            }
            Renewed::StruckOut => {
                self.until.store(0, Ordering::Release);
                app.verifier.facts.forget_all();
                self.state().begin_again(fresh_id());
                tracing::warn!("this node was taken for dead by another; it registers anew");
                return Ok(Revision(0));
            }
            Renewed::Outdated => {}
        }
        Ok(told)
    }

    /// Apply what changed; not so in a build that only reads when somebody rang.
    async fn look(&self, app: &App) -> Result<()> {
        if sabotage::deaf() { Ok(()) } else { self.catch_up(app).await }
    }

    /// Commit the row of a node that has none.
    async fn register(&self, nodes: &dyn Nodes) -> Result<()> {
        let row = {
            let state = self.state();
            if state.renew(clock::boot()).is_some() {
                return Ok(());
            }
            state.row()
        };
        match nodes.register(&row).await {
            Ok(()) => self.state().registered(row.id),
            Err(error) => {
                // It may be there all the same: whoever reads it waits for a lease that is never held.
                self.state().begin_again(fresh_id());
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Keep the lease and follow the feed until the process stops.
pub async fn keep(app: Arc<App>, node: Arc<Node>) {
    let store = Arc::clone(app.store());
    let Some(nodes) = store.nodes() else { return };
    let mut doorbell = store.doorbell();
    let mut watch = Watch::new(node.terms);
    let mut closed = 0;
    loop {
        let told = match timeout(node.terms.lease(), node.beat(&app, nodes)).await {
            Ok(Ok(told)) => told,
            Ok(Err(StoreError::Moved(place))) => {
                // No lease is ever granted again: what is remembered of that store is worth nothing.
                node.until.store(0, Ordering::Release);
                app.verifier.facts.forget_all();
                tracing::error!(%place, "the store has moved: this node ends");
                return;
            }
            Ok(Err(error)) => {
                if nodes.closed().is_some() {
                    reopen(&app, &node, nodes, closed).await;
                    closed += 1;
                } else {
                    tracing::warn!(%error, "the lease could not be renewed");
                }
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            Err(_) => {
                tracing::warn!("the lease was not renewed in time");
                continue;
            }
        };
        closed = 0;
        if let Err(error) = strike_out(nodes, &mut watch).await {
            tracing::warn!(%error, "the other nodes cannot be watched");
        }
        // What was applied while the renewal was under way is told at once: somebody may be waiting for it.
        let mut followers = app.applied.following.moved();
        if app.applied.confirmed() <= told {
            let heard = async {
                tokio::select! {
                    rang = doorbell.changed() => rang.is_ok(),
                    _ = followers.wait_for(|_| app.applied.confirmed() > told) => true,
                }
            };
            let heard = timeout(node.terms.lease() / 4, heard).await;
            sabotage::heard(heard.is_ok());
            if heard.is_ok_and(|open| !open) {
                return;
            }
        }
    }
}

/// Write down how far the database has come, until the process stops. Apart from everything else: a disk may be slow.
pub async fn write_down(app: Arc<App>) {
    let Some(nodes) = app.store().nodes() else { return };
    loop {
        tokio::time::sleep(WRITE_DOWN_EVERY).await;
        if let Err(error) = nodes.remember().await {
            tracing::warn!(%error, "an older database would not be noticed after a restart");
        }
    }
}

/// The database is not the one that was last served, with nothing missing: nobody is let in, nor on what is remembered.
/// Goes over to the life that an operator may have begun since.
async fn reopen(app: &App, node: &Node, nodes: &dyn Nodes, tries: u32) {
    node.until.store(0, Ordering::Release);
    app.verifier.facts.forget_all();
    match nodes.next_life().await {
        Ok(Some(_)) => tracing::warn!(
            "an operator has accepted the database as it is: a new life begins, every session has ended, and API keys and \
            clients are suspended until they are resumed"
        ),
        Ok(None) if tries % REMIND_AFTER == REMIND_AFTER - 1 => {
            tracing::error!(
                "the store is CLOSED still: put the right database back, or run `keyfob restore --accept-rollback`"
            );
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the database cannot be looked at"),
    }
}

/// Delete the rows of nodes that have been silent for so long that none of their leases can be left.
async fn strike_out(nodes: &dyn Nodes, watch: &mut Watch) -> Result<()> {
    let rows = nodes.rows().await?;
    for strike in watch.read(&rows, clock::boot()) {
        if nodes.strike_out(strike.id, strike.beat).await? {
            tracing::warn!(node = %strike.id, "a node has been silent for two leases and was struck out");
        }
    }
    Ok(())
}

fn fresh_id() -> NodeId {
    NodeId::from_bytes(clock::random())
}
