//! The rows of the nodes that share the database. What a node writes about itself goes over a connection of its own
//! ([`super::kept`]). A statement that came with a warning, or whose answer was lost, "could not tell".

use std::sync::Arc;

use async_trait::async_trait;
use keyfob_core::change::Revision;
use keyfob_core::id::{Incarnation, NodeId};
use keyfob_core::lease::{self, Beat};
use keyfob_core::time::Timestamp;

use super::Postgres;
use super::failure::{Outcome, corrupt};
use super::kept::Kept;
use super::life::{self, Life};
use super::row::{self, Value};
use super::transaction::Db;
use crate::{Nodes, Result, StoreError, column};

const REGISTER: &str = "INSERT INTO nodes (id, applied, beat) VALUES ($1, $2, $3)";
const RENEW: &str = "UPDATE nodes SET applied = greatest(applied, $2), beat = beat + 1, \
    skew = $3 - (extract(epoch FROM clock_timestamp()) * 1000000)::bigint WHERE id = $1 \
    RETURNING (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
const SKEWS: &str = "SELECT id, skew FROM nodes WHERE skew IS NOT NULL ORDER BY id";
const STRIKE_OUT: &str = "DELETE FROM nodes WHERE id = $1 AND beat = $2 RETURNING beat";
const LEAVE: &str = "DELETE FROM nodes WHERE id = $1";
const TELL_LOSS: &str = "INSERT INTO losses (incarnation, revision) VALUES ($1, $2) ON CONFLICT (incarnation) \
    DO UPDATE SET revision = greatest(losses.revision, excluded.revision)";
const ALL: &str = "SELECT id, applied, beat FROM nodes ORDER BY id";

/// Insert the row.
async fn register(own: &Kept, node: &lease::Row) -> Outcome<()> {
    let (applied, beat) = (column::signed(node.applied.0)?, column::signed(node.beat.0)?);
    own.rows(REGISTER, &[&node.id.to_bytes(), &applied, &beat]).await.map(|_| ())
}

/// Renew it; what the clock says here.
async fn renew(own: &Kept, id: NodeId, applied: Revision, now: Timestamp) -> Outcome<Option<Timestamp>> {
    let rows = own.rows(RENEW, &[&id.to_bytes(), &column::signed(applied.0)?, &now.micros()]).await?;
    rows.first().map(|found| Ok(column::time(row::column(found, 0)?))).transpose()
}

/// Delete it if its beat has not moved; whether it was deleted.
async fn strike_out(own: &Kept, id: NodeId, beat: Beat) -> Outcome<bool> {
    Ok(!own.rows(STRIKE_OUT, &[&id.to_bytes(), &column::signed(beat.0)?]).await?.is_empty())
}

/// Delete it.
async fn leave(own: &Kept, id: NodeId) -> Outcome<()> {
    own.rows(LEAVE, &[&id.to_bytes()]).await.map(|_| ())
}

/// Look at the database where the store is closed: over to the life that an operator has begun since, or tell the other nodes
/// what is missing.
async fn next_life(mut own: &Kept, life: &Life) -> Outcome<Option<Incarnation>> {
    let (Some(floor), Some(_)) = (life.floor(), life.closed()) else { return Ok(None) };
    let (seen, print, over) = life::look(&mut own, &floor).await?;
    let here = seen.here;
    if here.incarnation != life.incarnation() && over {
        life.go_over(here);
        return Ok(Some(here.incarnation));
    }
    // By what is there now: the right database may be back since it was closed.
    let lacks = life::compare(&floor, &seen, print.as_slice()).is_err_and(|error| error.went_backwards());
    if lacks && !seen.is_told() {
        let values: [&dyn Value; 2] = [&here.incarnation.0, &column::signed(life.revision().0)?];
        // A node that only guards may not.
        if let Err(cause) = own.rows(TELL_LOSS, &values).await {
            tracing::debug!(%cause, "the other nodes cannot be told");
        }
    }
    Ok(None)
}

#[async_trait]
impl Nodes for Postgres {
    async fn register(&self, row: &lease::Row) -> Result<()> {
        Ok(register(&self.clerk, row).await?)
    }

    async fn renew(&self, id: NodeId, applied: Revision, now: Timestamp) -> Result<Option<Timestamp>> {
        Ok(renew(&self.clerk, id, applied, now).await?)
    }

    async fn clock(&self) -> Result<Timestamp> {
        self.read((), |db, ()| Box::pin(clock(db))).await
    }

    async fn skews(&self) -> Result<Vec<(NodeId, i64)>> {
        self.read((), |db, ()| Box::pin(skews(db))).await
    }

    async fn rows(&self) -> Result<Vec<lease::Row>> {
        self.life.admit()?;
        Ok(all(&mut self.feed()).await?)
    }

    async fn strike_out(&self, id: NodeId, beat: Beat) -> Result<bool> {
        Ok(strike_out(&self.clerk, id, beat).await?)
    }

    async fn leave(&self, id: NodeId) -> Result<()> {
        Ok(leave(&self.clerk, id).await?)
    }

    fn closed(&self) -> Option<StoreError> {
        self.life.closed()
    }

    async fn next_life(&self) -> Result<Option<Incarnation>> {
        Ok(next_life(&self.clerk, &self.life).await?)
    }

    async fn remember(&self) -> Result<()> {
        let life = Arc::clone(&self.life);
        let written = tokio::task::spawn_blocking(move || life.remember()).await;
        let failed = |cause: String| StoreError::HighWater(cause);
        written.map_err(|cause| failed(cause.to_string()))?.map_err(|cause| failed(cause.to_string()))
    }
}

/// What the clock says.
async fn clock(db: &mut impl Db) -> Outcome<Timestamp> {
    let found = db.row(CLOCK, &[]).await?.ok_or_else(|| corrupt("a clock has no row"))?;
    Ok(column::time(row::column(&found, 0)?))
}

/// By how much each is ahead.
async fn skews(db: &mut impl Db) -> Outcome<Vec<(NodeId, i64)>> {
    let rows = db.rows(SKEWS, &[]).await?;
    rows.iter().map(|found| Ok((NodeId::from_bytes(row::bytes(found, 0)?), row::column(found, 1)?))).collect()
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
