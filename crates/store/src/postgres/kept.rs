//! A connection that is kept for one purpose: what a node's lease hangs on never waits because requests hold all those of
//! the pool. Whoever uses it has it alone. One that failed, whose answer was late or not waited for, is never used again, and the
//! database is asked to give up what it was asked: a renewal that waits for a standby may wait without end, and each would
//! leave a connection behind. Cut short, it "could not tell", and nobody counts on it.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_postgres::Row;

use super::address::Address;
use super::connection::Connection;
use super::failure::{Failure, Outcome};
use super::life::Life;
use super::row::Value;
use super::transaction::{Db, Reader};
use crate::StoreError;

/// The connection, made when it is needed.
pub(super) struct Kept {
    address: Address,
    /// What it leads to is looked at as those of the pool are; `None`: it is used to look.
    life: Option<Arc<Life>>,
    connection: Mutex<Option<Connection>>,
}

impl Kept {
    /// One that has not connected yet, and goes to whatever there is.
    pub(super) fn new(address: Address) -> Self {
        Self { address, life: None, connection: Mutex::new(None) }
    }

    /// One that goes to a database which is not behind `life`.
    pub(super) fn admitted(address: Address, life: Arc<Life>) -> Self {
        Self { life: Some(life), ..Self::new(address) }
    }

    /// The rows of one statement, which is a transaction by itself. If it came with a warning it "could not tell".
    pub(super) async fn rows(&self, sql: &str, values: &[&dyn Value]) -> Outcome<Vec<Row>> {
        let mut held = self.connection.lock().await;
        let connection = match held.take().filter(|connection| !connection.is_closed()) {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let taken = Taken(connection.into());
        let rows = taken.rows(sql, values).await?;
        *held = taken.put_back();
        Ok(rows)
    }

    async fn connect(&self) -> Outcome<Connection> {
        let connection = self.address.connect().await?;
        if let Some(life) = &self.life {
            life.examine(&mut Reader(&connection)).await?;
        }
        Ok(connection)
    }
}

/// The connection while it is used; given up if it is not put back.
struct Taken(Option<Connection>);

impl Taken {
    async fn rows(&self, sql: &str, values: &[&dyn Value]) -> Outcome<Vec<Row>> {
        let connection = self.0.as_ref().ok_or_else(Failure::late)?;
        let before = connection.warnings();
        let rows = connection.rows(sql, values).await?;
        if connection.warnings() == before {
            return Ok(rows);
        }
        Err(StoreError::Unavailable("the database answered with a warning".to_owned()).into())
    }

    fn put_back(mut self) -> Option<Connection> {
        self.0.take()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.abandon();
        }
    }
}

impl Db for &Kept {
    async fn rows(&mut self, sql: &str, values: &[&dyn Value]) -> Outcome<Vec<Row>> {
        Kept::rows(self, sql, values).await
    }
}
