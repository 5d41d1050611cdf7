//! Intentions about the nodes that share a store: who they are, and who has fallen silent. Changes nothing.

use std::time::Duration;

use super::unavailable;
use crate::control::{Desk, NodeView, Outcome, Problem};

/// A node that lives renews its lease several times in this.
const LOOK: Duration = Duration::from_millis(1_500);

pub(super) async fn status(desk: &Desk) -> Result<Outcome, Problem> {
    let Some(nodes) = desk.store.nodes() else { return Ok(Outcome::Nodes(None)) };
    let before = nodes.rows().await.map_err(unavailable)?;
    tokio::time::sleep(LOOK).await;
    let newest = desk.store.revision().await.map_err(unavailable)?;
    let rows = nodes.rows().await.map_err(unavailable)?;
    let skews = nodes.skews().await.map_err(unavailable)?;
    let view = |row: &keyfob_core::lease::Row| NodeView {
        id: row.id.to_string(),
        alive: before.iter().all(|earlier| earlier.id != row.id || earlier.beat != row.beat),
        applied: row.applied.0,
        behind: newest.0.saturating_sub(row.applied.0),
        clock_skew_ms: skews.iter().find(|(id, _)| *id == row.id).map(|(_, micros)| micros / 1000),
    };
    Ok(Outcome::Nodes(Some(rows.iter().map(view).collect())))
}
