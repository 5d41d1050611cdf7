//! The rows of the nodes that share the database. What a node writes about itself goes over a connection of its own
//! ([`super::kept`]). A statement that came with a warning, or whose answer was lost, "could not tell".

use async_trait::async_trait;
use keyfob_core::change::Revision;
use keyfob_core::id::NodeId;
use keyfob_core::lease::{self, Beat};

use super::Postgres;
use super::failure::Outcome;
use super::kept::Kept;
use super::row;
use super::transaction::Db;
use crate::{Nodes, Result, column};

const REGISTER: &str = "INSERT INTO nodes (id, applied, beat) VALUES ($1, $2, $3)";
const RENEW: &str = "UPDATE nodes SET applied = greatest(applied, $2), beat = beat + 1 WHERE id = $1 RETURNING beat";
const STRIKE_OUT: &str = "DELETE FROM nodes WHERE id = $1 AND beat = $2 RETURNING beat";
const LEAVE: &str = "DELETE FROM nodes WHERE id = $1";
const ALL: &str = "SELECT id, applied, beat FROM nodes ORDER BY id";

/// Insert the row.
async fn register(own: &Kept, node: &lease::Row) -> Outcome<()> {
    let (applied, beat) = (column::signed(node.applied.0)?, column::signed(node.beat.0)?);
    own.rows(REGISTER, &[&node.id.to_bytes(), &applied, &beat]).await.map(|_| ())
}

/// Renew it; how many rows that were.
async fn renew(own: &Kept, id: NodeId, applied: Revision) -> Outcome<u64> {
    Ok(own.rows(RENEW, &[&id.to_bytes(), &column::signed(applied.0)?]).await?.len() as u64)
}

/// Delete it if its beat has not moved; whether it was deleted.
async fn strike_out(own: &Kept, id: NodeId, beat: Beat) -> Outcome<bool> {
    Ok(!own.rows(STRIKE_OUT, &[&id.to_bytes(), &column::signed(beat.0)?]).await?.is_empty())
}

/// Delete it.
async fn leave(own: &Kept, id: NodeId) -> Outcome<()> {
    own.rows(LEAVE, &[&id.to_bytes()]).await.map(|_| ())
}

#[async_trait]
impl Nodes for Postgres {
    async fn register(&self, row: &lease::Row) -> Result<()> {
        Ok(register(&self.clerk, row).await?)
    }

    async fn renew(&self, id: NodeId, applied: Revision) -> Result<u64> {
        Ok(renew(&self.clerk, id, applied).await?)
    }

    async fn rows(&self) -> Result<Vec<lease::Row>> {
        Ok(all(&mut self.feed()).await?)
    }

    async fn strike_out(&self, id: NodeId, beat: Beat) -> Result<bool> {
        Ok(strike_out(&self.clerk, id, beat).await?)
    }

    async fn leave(&self, id: NodeId) -> Result<()> {
        Ok(leave(&self.clerk, id).await?)
    }
}

/// All rows.
async fn all(db: &mut impl Db) -> Outcome<Vec<lease::Row>> {
    let rows = db.rows(ALL, &[]).await?;
    rows.iter()
        .map(|found| {
            Ok(lease::Row {
                id: NodeId::from_bytes(row::bytes(found, 0)?),
                applied: Revision(column::unsigned(row::column(found, 1)?)?),
                beat: Beat(column::unsigned(row::column(found, 2)?)?),
            })
        })
        .collect()
}
