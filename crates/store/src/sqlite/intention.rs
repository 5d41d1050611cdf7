//! One intention on its way through the writer: run inside the transaction, settled after it. Never answered before the
//! transaction that it was part of has ended.

use tokio::sync::oneshot;

use super::failure::{Failure, Outcome};
use super::writer::Transaction;
use crate::{Result, StoreError};

/// What an intention must survive once it is answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Durability {
    /// The end of this process.
    Process,
    /// A loss of power.
    Power,
}

/// One intention: run inside the transaction, settled after it.
pub(super) trait Intention: Send {
    /// Do the work and keep its result; the error, if any, is kept too, and returned as whether it is fatal.
    fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fatal>;
    /// Whether the work failed and must be undone.
    fn failed(&self) -> bool;
    /// What it must survive.
    fn durability(&self) -> Durability;
    /// Answer the caller: the work's own result, or the failure of the transaction that it was part of.
    fn settle(self: Box<Self>, transaction: &Result<(), String>);
}

/// Whether work has shown that the file cannot be trusted any more.
pub(super) struct Fatal(pub(super) String);

/// One whose caller waits at a channel.
pub(super) struct Pending<T, F> {
    pub(super) work: Option<F>,
    pub(super) result: Option<Result<T>>,
    pub(super) durability: Durability,
    pub(super) reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Intention for Pending<T, F>
where
    T: Send,
    F: FnOnce(&mut Transaction<'_>) -> Outcome<T> + Send,
{
    fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fatal> {
        let Some(work) = self.work.take() else { return Ok(()) };
        match work(transaction) {
            Ok(answer) => self.result = Some(Ok(answer)),
            Err(Failure { fatal: true, error }) => return Err(Fatal(error.to_string())),
            Err(Failure { error, .. }) => self.result = Some(Err(error)),
        }
        Ok(())
    }

    fn failed(&self) -> bool {
        matches!(self.result, Some(Err(_)))
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn settle(self: Box<Self>, transaction: &Result<(), String>) {
        let result = match (transaction, self.result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(StoreError::Unavailable("it was not tried".to_owned())),
            // The work's own error says more than that of the transaction it was undone in.
            (Err(_), Some(Err(error))) => Err(error),
            (Err(text), _) => Err(StoreError::Unavailable(text.clone())),
        };
        // Nobody may be waiting any more: the work counts all the same.
        let _ = self.reply.send(result);
    }
}
