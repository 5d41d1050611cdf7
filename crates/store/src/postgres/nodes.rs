//! The rows of the nodes that share the database. What a node writes about itself goes over a connection of its own, so that
//! no lease runs out because requests hold all the others. A statement that came with a warning, or whose answer was lost,
//! "could not tell".

use async_trait::async_trait;
use keyfob_core::change::Revision;
use keyfob_core::id::NodeId;
use keyfob_core::lease::{self, Beat};
use tokio::sync::Mutex;
use tokio_postgres::Row;

use super::Postgres;
use super::address::Address;
use super::connection::Connection;
use super::failure::Outcome;
use super::row::{self, Value};
use super::transaction::Db;
use crate::{Nodes, Result, StoreError, column};

const REGISTER: &str = "INSERT INTO nodes (id, applied, beat) VALUES ($1, $2, $3)";
const RENEW: &str = "UPDATE nodes SET applied = greatest(applied, $2), beat = beat + 1 WHERE id = $1 RETURNING beat";
const STRIKE_OUT: &str = "DELETE FROM nodes WHERE id = $1 AND beat = $2 RETURNING beat";
const LEAVE: &str = "DELETE FROM nodes WHERE id = $1";
const ALL: &str = "SELECT id, applied, beat FROM nodes ORDER BY id";

/// Writes the rows, over a connection that nothing else uses.
pub(super) struct Clerk {
    address: Address,
    connection: Mutex<Option<Connection>>,
}

impl Clerk {
    /// One that has not connected yet.
    pub(super) fn new(address: Address) -> Self {
        Self { address, connection: Mutex::new(None) }
    }

    /// Insert the row.
    pub(super) async fn register(&self, node: &lease::Row) -> Outcome<()> {
        let (applied, beat) = (column::signed(node.applied.0)?, column::signed(node.beat.0)?);
        self.write(REGISTER, &[&node.id.to_bytes(), &applied, &beat]).await.map(|_| ())
    }

    /// Renew it; how many rows that were.
    pub(super) async fn renew(&self, id: NodeId, applied: Revision) -> Outcome<u64> {
        Ok(self.write(RENEW, &[&id.to_bytes(), &column::signed(applied.0)?]).await?.len() as u64)
    }

    /// Delete it if its beat has not moved; whether it was deleted.
    pub(super) async fn strike_out(&self, id: NodeId, beat: Beat) -> Outcome<bool> {
        Ok(!self.write(STRIKE_OUT, &[&id.to_bytes(), &column::signed(beat.0)?]).await?.is_empty())
    }

    /// Delete it.
    pub(super) async fn leave(&self, id: NodeId) -> Outcome<()> {
        self.write(LEAVE, &[&id.to_bytes()]).await.map(|_| ())
    }

    async fn write(&self, sql: &str, values: &[&dyn Value]) -> Outcome<Vec<Row>> {
        let mut held = self.connection.lock().await;
        // Taken, so that one that fails, or whose caller does not wait for the answer, is not used again.
        let connection = match held.take().filter(|connection| !connection.is_closed()) {
            Some(connection) => connection,
            None => self.address.connect().await?,
        };
        let before = connection.warnings();
        let rows = connection.rows(sql, values).await?;
        if connection.warnings() != before {
            return Err(StoreError::Unavailable("a node's row was committed with a warning".to_owned()).into());
        }
        *held = Some(connection);
        Ok(rows)
    }
}

#[async_trait]
impl Nodes for Postgres {
    async fn register(&self, row: &lease::Row) -> Result<()> {
        Ok(self.clerk.register(row).await?)
    }

    async fn renew(&self, id: NodeId, applied: Revision) -> Result<u64> {
        Ok(self.clerk.renew(id, applied).await?)
    }

    async fn rows(&self) -> Result<Vec<lease::Row>> {
        self.read((), |db, ()| Box::pin(all(db))).await
    }

    async fn strike_out(&self, id: NodeId, beat: Beat) -> Result<bool> {
        Ok(self.clerk.strike_out(id, beat).await?)
    }

    async fn leave(&self, id: NodeId) -> Result<()> {
        Ok(self.clerk.leave(id).await?)
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
