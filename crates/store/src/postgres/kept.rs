//! A connection that is kept for one purpose: what a node's lease hangs on never waits because requests hold all those of
//! the pool. Whoever uses it has it alone. One that failed, whose answer was late or not waited for, is never used again.

use tokio::sync::Mutex;
use tokio_postgres::Row;

use super::address::Address;
use super::connection::Connection;
use super::failure::Outcome;
use super::row::Value;
use super::transaction::Db;
use crate::StoreError;

/// The connection, made when it is needed.
pub(super) struct Kept {
    address: Address,
    connection: Mutex<Option<Connection>>,
}

impl Kept {
    /// One that has not connected yet.
    pub(super) fn new(address: Address) -> Self {
        Self { address, connection: Mutex::new(None) }
    }

    /// The rows of one statement, which is a transaction by itself. If it came with a warning it "could not tell".
    pub(super) async fn rows(&self, sql: &str, values: &[&dyn Value]) -> Outcome<Vec<Row>> {
        let mut held = self.connection.lock().await;
        // Taken, so that one whose caller does not wait for the answer is not used again.
        let connection = match held.take().filter(|connection| !connection.is_closed()) {
            Some(connection) => connection,
            None => self.address.connect().await?,
        };
        let before = connection.warnings();
        let rows = connection.rows(sql, values).await?;
        if connection.warnings() != before {
            return Err(StoreError::Unavailable("the database answered with a warning".to_owned()).into());
        }
        *held = Some(connection);
        Ok(rows)
    }
}

impl Db for &Kept {
    async fn rows(&mut self, sql: &str, values: &[&dyn Value]) -> Outcome<Vec<Row>> {
        Kept::rows(self, sql, values).await
    }
}
