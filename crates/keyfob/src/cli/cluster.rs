//! `keyfob cluster …`: the nodes that share a PostgreSQL database.

use clap::Subcommand;

use super::failure::Failure;
use super::{Common, say};
use crate::control::{Intention, NodeView, Outcome, carry_out};
use crate::skew;

#[derive(Debug, Subcommand)]
pub(super) enum Cluster {
    /// List the nodes: who renews its lease, and who has changes yet to apply
    Status,
}

impl Cluster {
    pub(super) async fn run(self, common: &Common) -> Result<(), Failure> {
        let Self::Status = self;
        let Outcome::Nodes(nodes) = carry_out(&common.settings(Vec::new())?, Intention::ClusterStatus).await? else {
            return Err(Failure::unexpected());
        };
        let Some(nodes) = nodes else {
            return Err(Failure::failed("there is no cluster: one process owns this SQLite store")
                .hint("nodes share a PostgreSQL database, see docs/postgresql.md"));
        };
        if nodes.is_empty() {
            say::note("no node is up: `keyfob serve` starts one");
        }
        if common.json { say::json(&nodes) } else { list(&nodes) }
    }
}

fn list(nodes: &[NodeView]) -> Result<(), Failure> {
    let row = |node: &NodeView| {
        let state = if node.alive { "alive" } else { "silent" };
        let clock = node.clock_skew_ms.map_or_else(|| "-".to_owned(), |ms| skew::shown(ms * 1000));
        [node.id.clone(), state.to_owned(), node.applied.to_string(), node.behind.to_string(), clock]
    };
    say::data(&say::table(["node", "state", "applied", "behind", "clock"], &nodes.iter().map(row).collect::<Vec<_>>()))
}
