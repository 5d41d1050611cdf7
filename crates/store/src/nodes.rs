//! The nodes that share one store (DESIGN §6): their rows, which a store of many processes keeps. Decides nothing:
//! [`keyfob_core::lease`] says when a row is written, renewed and deleted. A store that one process owns has none.

use async_trait::async_trait;
use keyfob_core::change::Revision;
use keyfob_core::id::{Incarnation, NodeId};
use keyfob_core::lease::{Beat, Row};
use keyfob_core::time::Timestamp;

use crate::{Result, StoreError};

/// The rows of the nodes.
#[async_trait]
pub trait Nodes: Send + Sync {
    /// Insert the row of a node that holds no lease yet. An error leaves it unknown whether it is there: the node goes on
    /// under another id.
    async fn register(&self, row: &Row) -> Result<()>;

    /// Raise the row's beat by one and its `applied` to at least this one, in one committed transaction on a connection that
    /// nothing else waits for. Keeps by how much `now`, the node's wall clock, is ahead of the store's, and returns what the
    /// store's said; `None` if there was no such row: the node was struck out.
    async fn renew(&self, id: NodeId, applied: Revision, now: Timestamp) -> Result<Option<Timestamp>>;

    /// What the store's wall clock says.
    async fn clock(&self) -> Result<Timestamp>;

    /// By how many microseconds each node's wall clock was ahead of the store's at its last renewal; behind, if negative.
    async fn skews(&self) -> Result<Vec<(NodeId, i64)>>;

    /// All rows, in a statement that begins after the call.
    async fn rows(&self) -> Result<Vec<Row>>;

    /// Delete the row if its beat is still `beat`, in one statement. Whether it was.
    async fn strike_out(&self, id: NodeId, beat: Beat) -> Result<bool>;

    /// Delete the row of a node that answers no more.
    async fn leave(&self, id: NodeId) -> Result<()>;

    /// Why the store is closed, if it is: its database is not the one that was last served, with nothing missing. Every call
    /// "could not tell" until [`Store::changes_since`] finds the right one again, or [`Nodes::next_life`] another life.
    ///
    /// [`Store::changes_since`]: crate::Store::changes_since
    fn closed(&self) -> Option<StoreError>;

    /// Where the store is closed: go over to the life that an operator has begun since, which opens it, and return that. All
    /// sessions of the life before have ended, and its feed is not continued: nothing that is remembered may be believed
    /// until the feed was read. `None` if there is none yet; then the loss is told to the other nodes, which close as well.
    async fn next_life(&self) -> Result<Option<Incarnation>>;

    /// Write down beside the root key how far the database has come: what an older one is known by after a restart.
    async fn remember(&self) -> Result<()>;
}
