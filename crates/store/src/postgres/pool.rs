//! The connections of this process: a bounded number, made when they are needed, used by one piece of work at a time. One
//! that broke, whose answer was late, or whose transaction did not end, is never used again. Whoever finds none free waits a bounded time.

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, PoolError, RecycleError, RecycleResult, TimeoutType};
use deadpool::{Runtime, managed};

use super::address::Address;
use super::connection::Connection;
use super::failure::{Failure, Outcome};
use super::life::Life;
use super::transaction::Reader;
use crate::{Result, StoreError};

/// The connections.
pub(super) struct Pool(managed::Pool<Maker>);

/// A connection for one piece of work; goes back when it is dropped.
pub(super) type Lease = Object<Maker>;

/// Makes connections, and looks what they lead to.
pub(super) struct Maker {
    address: Address,
    life: Arc<Life>,
}

impl Manager for Maker {
    type Type = Connection;
    type Error = Failure;

    async fn create(&self) -> Outcome<Connection> {
        let connection = self.address.connect().await?;
        self.life.examine(&mut Reader(&connection)).await?;
        Ok(connection)
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Failure> {
        let sound = !connection.is_closed() && !connection.is_engaged();
        if sound { Ok(()) } else { Err(RecycleError::message("it broke, or a transaction on it did not end")) }
    }
}

impl Pool {
    /// At most `most` connections to `address`, and so long a wait for a free one; none is made yet.
    pub(super) fn new(address: Address, life: Arc<Life>, most: usize, patience: Duration) -> Result<Self> {
        let pool = managed::Pool::builder(Maker { address, life }).max_size(most.max(1)).wait_timeout(Some(patience));
        let pool = pool.runtime(Runtime::Tokio1).build();
        pool.map(Self).map_err(|cause| StoreError::Unavailable(cause.to_string()))
    }

    /// A free connection, or a new one.
    pub(super) async fn lease(&self) -> Outcome<Lease> {
        self.0.get().await.map_err(|problem| match problem {
            PoolError::Backend(failure) => failure,
            PoolError::Timeout(TimeoutType::Wait) => {
                StoreError::Unavailable("all connections to the database are in use".to_owned()).into()
            }
            other => StoreError::Unavailable(other.to_string()).into(),
        })
    }

    /// Give up a connection that must not be used again. Its place is free when the database has let go of it too: a COMMIT
    /// that waits for a standby waits without end, and with another connection for each the server would soon have none left.
    pub(super) fn discard(lease: Lease) {
        tokio::spawn(async move {
            // Answered after all that was asked before, or when the connection breaks.
            let _ = lease.run_at_leisure("").await;
            drop(Object::take(lease));
        });
    }

    /// The same, after a read, which is cut short: see [`Connection::abandon`].
    pub(super) fn abandon(lease: Lease) {
        Object::take(lease).abandon();
    }
}
