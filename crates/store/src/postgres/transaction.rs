//! One intention, one transaction (READ COMMITTED, decided by row locks). A statement whose answer nobody needs waits for the
//! next one that is needed, or for COMMIT, and all are sent in one batch. The revision is raised as the last statement, in one
//! batch with COMMIT: its row, which all changes of all nodes share, is held for that round trip only, and what raises
//! nothing never waits for it.
//!
//! Nothing is answered before COMMIT returned without a warning. PostgreSQL warns there when it committed what a standby
//! may not have; then, and when the answer was lost, it "could not tell".

use std::time::Duration;

use keyfob_core::change::{Fact, Revision};
use keyfob_core::time::Timestamp;
use tokio::sync::{oneshot, watch};
use tokio_postgres::Row;

use super::connection::{Connection, Statement};
use super::failure::{Failure, Outcome};
use super::life::Life;
use super::pool::{Lease, Pool};
use super::row::{self, Value};
use super::{audit, changes, meta};
use crate::{Audit, Result, StoreError, column, sabotage};

/// What a transaction may take of the database: half a second for a lock or for us (a quarter of a node's lease, 2 s), and a
/// statement less than the lease. Set for the transaction only. `durable` ones survive a loss of power once answered.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL lock_timeout = 500; SET LOCAL idle_in_transaction_session_timeout = 500; SET LOCAL statement_timeout = 1500";
const BEGIN_UNSYNCED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off; \
    SET LOCAL lock_timeout = 500; SET LOCAL idle_in_transaction_session_timeout = 500; SET LOCAL statement_timeout = 1500";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// How often work is tried that others were in the way of.
const TRIES_MAX: u32 = 5;

/// How long the first of them waits before it is tried again; each later one that much longer.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// What a transaction must survive once it is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// The end of this process.
    Process,
    /// A loss of power, and whatever else the database is set to survive.
    Power,
}

/// What an intention answers.
pub(super) enum Answer<T> {
    /// This.
    Known(T),
    /// This, with the revision that its transaction raised, or else the newest.
    At(fn(Revision) -> T),
}

/// The work of an intention. It may be done several times, each in a transaction of its own.
pub(super) type Work<A, T> = for<'a> fn(
    &'a mut Transaction<'_>,
    &'a A,
) -> std::pin::Pin<Box<dyn Future<Output = Outcome<Answer<T>>> + Send + 'a>>;

/// What an intention sees.
pub(super) struct Transaction<'c> {
    connection: &'c Connection,
    queue: Vec<Statement>,
    audit: Vec<Audit>,
    facts: Vec<Fact>,
    at: Timestamp,
}

/// Whatever rows can be read from.
pub(super) trait Db: Send {
    /// The rows of one statement.
    fn rows(&mut self, sql: &str, values: &[&dyn Value]) -> impl Future<Output = Outcome<Vec<Row>>> + Send;

    /// The first row, if there is one.
    fn row(&mut self, sql: &str, values: &[&dyn Value]) -> impl Future<Output = Outcome<Option<Row>>> + Send {
        async { Ok(self.rows(sql, values).await?.into_iter().next()) }
    }
}

impl Db for Transaction<'_> {
    async fn rows(&mut self, sql: &str, values: &[&dyn Value]) -> Outcome<Vec<Row>> {
        let queue = std::mem::take(&mut self.queue);
        let mut last = Vec::new();
        for answer in self.connection.batch(&queue, Some((sql, values))).await {
            last = answer?;
        }
        Ok(last)
    }
}

/// A connection that reads outside any transaction.
pub(super) struct Reader<'c>(pub(super) &'c Connection);

impl Db for Reader<'_> {
    async fn rows(&mut self, sql: &str, values: &[&dyn Value]) -> Outcome<Vec<Row>> {
        self.0.rows(sql, values).await
    }
}

impl<'c> Transaction<'c> {
    fn begin(connection: &'c Connection, durability: Durability) -> Self {
        let synced = durability == Durability::Power && !sabotage::chosen(sabotage::UNSYNCED);
        let begin = if synced { BEGIN } else { BEGIN_UNSYNCED };
        let queue = vec![Statement::Plain(begin)];
        Self { connection, queue, audit: Vec::new(), facts: Vec::new(), at: Timestamp::default() }
    }

    /// A statement whose answer nobody needs: sent, in order, with the next one that is needed or with COMMIT.
    pub(super) fn later(&mut self, sql: &'static str, values: Vec<Box<dyn Value>>) {
        self.queue.push(Statement::With(sql, values));
    }

    /// An audit row.
    pub(super) fn audit(&mut self, row: &Audit) {
        self.audit.push(row.clone());
    }

    /// Raise the revision by one and tell the feed what to forget, when the transaction ends.
    pub(super) fn publish(&mut self, fact: Fact, at: Timestamp) {
        if !sabotage::chosen(sabotage::UNPUBLISHED) {
            self.facts.push(fact);
            self.at = at;
        }
    }

    /// By how much it will raise the revision.
    pub(super) fn raises(&self) -> usize {
        self.facts.len()
    }

    /// Send what is left, and COMMIT, in one batch. The answer, and the revision if it was raised.
    async fn commit<T>(
        mut self,
        answer: Answer<T>,
        early: &mut Option<oneshot::Sender<Result<T>>>,
    ) -> Outcome<(Option<T>, Option<Revision>)> {
        if !self.audit.is_empty() {
            let statement = audit::append(&self.audit);
            self.queue.push(statement);
        }
        let raised = !self.facts.is_empty();
        if raised {
            self.queue.push(changes::append(&self.facts, self.at));
        } else if matches!(answer, Answer::At(_)) {
            self.queue.push(meta::read_revision());
        }
        let asked = matches!(answer, Answer::At(_)) || raised;
        if early.is_some() {
            return self.commit_late(answer, early).await;
        }
        if self.connection.is_closed() {
            // The server hung up on a node that was held up for too long, and COMMIT never leaves: nothing was committed.
            return Err(Failure::hung_up());
        }
        let before = self.connection.warnings();
        self.queue.push(Statement::Plain(COMMIT));
        let mut answers = self.connection.batch(&self.queue, None).await;
        let committed = answers.pop();
        let lost = matches!(&committed, Some(Err(failure)) if !failure.refused);
        if lost && sabotage::chosen(sabotage::LOST_IS_DONE) {
            return Ok((Some(settled(answer, Revision::default())), None));
        }
        let mut last = Vec::new();
        for answer in answers {
            last = answer.map_err(Failure::after_commit)?;
        }
        if let Some(committed) = committed {
            committed.map_err(Failure::after_commit)?;
        }
        if self.connection.warnings() != before {
            let text = "the database committed with a warning: others may not have it".to_owned();
            return Err(StoreError::Unavailable(text).into());
        }
        let revision = if asked { Some(revision_in(&last)?) } else { None };
        let answer = settled(answer, revision.unwrap_or_default());
        Ok((Some(answer), revision.filter(|_| raised)))
    }

    /// What a sabotaged build does: it answers, and commits later.
    async fn commit_late<T>(
        self,
        answer: Answer<T>,
        early: &mut Option<oneshot::Sender<Result<T>>>,
    ) -> Outcome<(Option<T>, Option<Revision>)> {
        let mut last = Vec::new();
        for answer in self.connection.batch(&self.queue, None).await {
            last = answer?;
        }
        let revision = if last.is_empty() { Revision(0) } else { revision_in(&last)? };
        if let Some(early) = early.take() {
            let _ = early.send(Ok(settled(answer, revision)));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.connection.run(COMMIT).await?;
        Ok((None, None))
    }
}

fn settled<T>(answer: Answer<T>, revision: Revision) -> T {
    match answer {
        Answer::Known(answer) => answer,
        Answer::At(answer) => answer(revision),
    }
}

/// The highest revision of the rows.
fn revision_in(rows: &[Row]) -> Outcome<Revision> {
    let mut highest = 0;
    for found in rows {
        highest = column::unsigned(row::column(found, 0)?)?.max(highest);
    }
    Ok(Revision(highest))
}

/// Do `work` in a transaction, and again where others were in the way; answer at `reply` when it is committed.
pub(super) async fn write<A, T>(
    pool: &Pool,
    (life, bell): (&Life, &watch::Sender<Revision>),
    durability: Durability,
    (arguments, work): (&A, Work<A, T>),
    reply: oneshot::Sender<Result<T>>,
) where
    A: Send + Sync,
    T: Send,
{
    let early = sabotage::chosen(sabotage::EARLY_ACK);
    let (mut reply, mut early) = if early { (None, Some(reply)) } else { (Some(reply), None) };
    for number in 1..=TRIES_MAX {
        let outcome = once(pool, durability, arguments, work, &mut early).await;
        match outcome {
            Err(failure) if failure.again && number < TRIES_MAX => {
                tracing::debug!(cause = %failure, number, "a transaction is tried again");
                tokio::time::sleep(TRY_AGAIN_AFTER * number).await;
            }
            outcome => {
                if let Ok((_, Some(revision))) = &outcome {
                    life.reached(*revision);
                    ring(bell, *revision);
                }
                let answer = outcome.map(|(answer, _)| answer).map_err(|failure| failure.error);
                if let (Some(reply), Some(answer)) = (reply.take().or_else(|| early.take()), answer.transpose()) {
                    // Nobody may be waiting any more: the work counts all the same.
                    let _ = reply.send(answer);
                }
                return;
            }
        }
    }
}

/// Raise the doorbell. Commits are answered in any order.
pub(super) fn ring(bell: &watch::Sender<Revision>, revision: Revision) {
    bell.send_if_modified(|newest| {
        let newer = revision > *newest;
        *newest = revision.max(*newest);
        newer
    });
}

async fn once<A, T>(
    pool: &Pool,
    durability: Durability,
    arguments: &A,
    work: Work<A, T>,
    early: &mut Option<oneshot::Sender<Result<T>>>,
) -> Outcome<(Option<T>, Option<Revision>)> {
    let lease = pool.lease().await?;
    lease.engage(true);
    let mut transaction = Transaction::begin(&lease, durability);
    let outcome = match work(&mut transaction, arguments).await {
        Ok(answer) => transaction.commit(answer, early).await,
        Err(failure) => Err(failure),
    };
    match &outcome {
        Ok(_) => lease.engage(false),
        Err(failure) => undo(lease, failure).await,
    }
    outcome
}

/// Leave nothing of a failed transaction on the connection, or no connection.
async fn undo(lease: Lease, failure: &Failure) {
    let sound = failure.refused || matches!(failure.error, StoreError::Corrupt(_));
    if !sound || lease.run(ROLLBACK).await.is_err() {
        return Pool::discard(lease);
    }
    lease.engage(false);
}
