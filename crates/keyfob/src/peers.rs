//! When a change is in force at every node that shares the store (DESIGN §6, [`keyfob_core::lease::Acknowledgement`]).
//! Many changes that wait at once share one reading of the nodes' rows. Never compares clocks of two machines.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyfob_core::change::Revision;
use keyfob_core::lease::{Acknowledgement, Progress, Row, Terms};
use keyfob_store::{Result, Store};

use crate::clock;
use crate::control::Acknowledge;
use crate::one_reading::OneReading;
use crate::sabotage;

/// Between two readings of the rows while somebody waits for them.
const STEP: Duration = Duration::from_millis(4);
/// How long one reading may take. A store that does not answer costs the whole wait, and no more.
const READING_MAX: Duration = Duration::from_millis(500);

/// The nodes that share a store, as whoever made a change sees them.
pub struct Peers {
    store: Arc<dyn Store>,
    terms: Terms,
    rows: OneReading<Arc<[Row]>>,
}

impl Peers {
    /// The nodes of `store`, which have agreed on `terms`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, terms: Terms) -> Self {
        Self { store, terms, rows: OneReading::new() }
    }

    /// Wait until the change of `revision`, whose commit has returned, is in force at every node: each has applied it, or
    /// every lease from before the commit has run out. Takes at most [`Terms::wait`].
    pub async fn confirmed(&self, revision: Revision) {
        let began = clock::boot();
        let mut change = Acknowledgement::new(self.terms, revision, began);
        loop {
            match tokio::time::timeout(READING_MAX, self.rows()).await {
                Ok(Ok(rows)) => change.read(&rows),
                Ok(Err(error)) => tracing::warn!(%error, "the nodes' rows cannot be read"),
                Err(_) => tracing::warn!("the nodes' rows were not read in time"),
            }
            let now = clock::boot();
            match change.progress(now) {
                Progress::Acknowledge => break,
                Progress::Wait { .. } if impatient(now.since(began)) => break,
                Progress::Wait { until } => {
                    tokio::time::sleep(until.since(now).unwrap_or(STEP).min(STEP)).await;
                }
            }
        }
        if !change.lagging().is_empty() {
            tracing::warn!(revision = revision.0, nodes = ?change.lagging(), "in force only after their leases ran out");
        }
    }

    async fn rows(&self) -> Result<Arc<[Row]>> {
        let Some(nodes) = self.store.nodes() else { return Ok(Arc::default()) };
        self.rows.after_now(async { nodes.rows().await.map(Arc::from) }).await
    }
}

/// Whether a sabotaged build has waited long enough.
fn impatient(waited: Option<Duration>) -> bool {
    sabotage::chosen(sabotage::LONE_ACK)
        || (sabotage::chosen(sabotage::IMPATIENT) && waited > Some(Duration::from_millis(300)))
}

/// A command that changes a shared store itself is no node, and waits for those there are.
#[async_trait]
impl Acknowledge for Peers {
    async fn applied(&self, revision: Revision) -> bool {
        self.confirmed(revision).await;
        true
    }
}
