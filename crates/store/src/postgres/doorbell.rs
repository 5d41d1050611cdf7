//! Hears of the changes of other nodes: LISTEN, over a connection of its own. Only a doorbell: a ring that is lost, or a
//! connection that breaks, costs the time until the feed is read anyway, never truth.

use std::sync::Weak;
use std::time::Duration;

use keyfob_core::change::Revision;
use tokio::sync::watch;
use tokio::time::timeout;

use super::address::Address;
use super::failure::Outcome;
use super::meta;
use super::transaction::{self, Reader};

/// Each change sends its revision there ([`super::changes`]); it is heard when that is committed, and not before.
const LISTEN: &str = "LISTEN keyfob_changes";

/// Between two tries to connect, and between two looks whether anybody listens still.
const PATIENCE: Duration = Duration::from_secs(1);

/// Ring `bell` at each change of any node, until it is gone.
pub(super) async fn listen(address: Address, bell: Weak<watch::Sender<Revision>>) {
    while bell.strong_count() > 0 {
        if let Err(failure) = hear(&address, &bell).await {
            tracing::warn!(cause = %failure, "the doorbell of the database is not heard; changes are looked for in turn");
            tokio::time::sleep(PATIENCE).await;
        }
    }
}

/// Until the connection breaks.
async fn hear(address: &Address, bell: &Weak<watch::Sender<Revision>>) -> Outcome<()> {
    let connection = address.connect().await?;
    connection.run(LISTEN).await?;
    // What was committed before that rang for nobody.
    let mut newest = meta::revision(&mut Reader(&connection)).await?;
    while !connection.is_closed() {
        match bell.upgrade() {
            Some(bell) => transaction::ring(&bell, newest),
            None => return Ok(()),
        }
        while timeout(PATIENCE, connection.notified()).await.is_err() {
            if bell.strong_count() == 0 {
                return Ok(());
            }
        }
        newest = connection.heard();
    }
    Ok(())
}
