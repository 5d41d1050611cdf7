//! The one thread that writes. Intentions that wait together share one transaction and one fsync (group commit), each
//! in a savepoint of its own, so that one that fails takes nobody with it. Nothing is answered before COMMIT returned.
//! A batch whose intentions all survive without it goes without the fsync: the next one that needs it syncs the log
//! from where the last sync left off, so what is durable is always a prefix of what happened.
//!
//! The thread runs below those that answer requests: a check never waits for a commit, neither for its disk nor for its
//! turn of the processor.
//!
//! If a commit fails, every intention of it "could not tell" and the writer closes: after a failed fsync nothing that
//! the system says about the file can be believed, so there is no retry and no acknowledgement ever after. The doorbell
//! closes with it, which is how the program learns that it should stop. A full disk is no such failure: `SQLite` wrote
//! no commit record, the transaction is rolled back, and writing goes on when there is room again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use keyfob_core::change::{Fact, Revision};
use keyfob_core::time::Timestamp;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot, watch};

use super::failure::{Failure, Outcome};
use super::intention::{Durability, Fatal, Intention, Pending};
use super::{changes, meta, moving};
use crate::high_water::Mark;
use crate::{Result, StoreError, sabotage};

/// Intentions in one transaction. Keeps a batch to a few milliseconds beside its fsync.
const BATCH_MAX: usize = 256;

/// How far below other threads this one runs: where a processor is wanted by both it has a tenth of it.
const NICE: i32 = 10;

/// Intentions that wait; one more waits in its caller. Four batches keep the writer busy.
const QUEUE_MAX: usize = 1024;

const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
const SAVEPOINT: &str = "SAVEPOINT intention";
const RELEASE: &str = "RELEASE intention";
const UNDO: &str = "ROLLBACK TO intention";

const CLOSED: &str = "it has stopped writing after a failure of the disk; restart keyfob when the disk is sound";

/// The sending side: where intentions are handed in.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Intention>>>,
    thread: Option<JoinHandle<()>>,
    doorbell: watch::Receiver<Revision>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    closed: AtomicBool,
    /// Where the store went, once this process knows that it did.
    moved: OnceLock<String>,
    commits: AtomicU64,
    intentions: AtomicU64,
}

impl Writer {
    /// Start the thread, which owns `db` from here on.
    pub(super) fn start(db: Connection, mark: Option<Mark>) -> Outcome<Self> {
        let revision = meta::revision(&db)?;
        let (queue, intentions) = mpsc::channel(QUEUE_MAX);
        let (bell, doorbell) = watch::channel(revision);
        let shared = Arc::new(Shared::default());
        let durability = Durability::Power;
        let desk = Desk { db, mark, bell, revision, durability, shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new()
            .name("keyfob-writer".to_owned())
            .spawn(move || desk.run(intentions))
            .map_err(|cause| StoreError::Unavailable(format!("cannot start the writing thread: {cause}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), doorbell, shared })
    }

    /// Do `work` in a transaction; answer when that is durable. Once handed in it is done even if nobody waits for it.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Transaction<'_>) -> Outcome<T> + Send + 'static,
    {
        self.hand_in(work, Durability::Power).await
    }

    /// The same for what is acknowledged to nobody: answer when it is committed. It survives the end of the process, by
    /// whatever signal; a loss of power may take it, unless a durable transaction followed.
    pub(super) async fn note<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Transaction<'_>) -> Outcome<T> + Send + 'static,
    {
        self.hand_in(work, Durability::Process).await
    }

    async fn hand_in<T, F>(&self, work: F, durability: Durability) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Transaction<'_>) -> Outcome<T> + Send + 'static,
    {
        self.shared.intentions.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let intention = Box::new(Pending { work: Some(work), result: None, durability, reply });
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.send(intention).await.map_err(|_| self.why_closed())?;
        answer.await.unwrap_or_else(|_| Err(self.why_closed()))
    }

    /// Intentions handed in since the start.
    pub(super) fn intentions(&self) -> u64 {
        self.shared.intentions.load(Ordering::Relaxed)
    }

    /// Rings after each commit that raised the revision; closed when the writer has closed.
    pub(super) fn doorbell(&self) -> watch::Receiver<Revision> {
        self.doorbell.clone()
    }

    /// Fail if the writer has closed: then reads are not to be trusted either.
    pub(super) fn check_open(&self) -> Result<()> {
        if self.shared.closed.load(Ordering::Acquire) { Err(self.why_closed()) } else { Ok(()) }
    }

    fn why_closed(&self) -> StoreError {
        self.shared.moved.get().map_or_else(closed, |place| StoreError::Moved(place.clone()))
    }

    /// How many transactions were committed.
    #[cfg(test)]
    pub(super) fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    /// Finish what was handed in and close the file.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic over there was reported by its hook and closed the writer.
            let _ = thread.join();
        }
    }
}

/// What an intention sees: the database inside its savepoint, and the revision.
pub(super) struct Transaction<'db> {
    db: &'db Connection,
    revision: Revision,
}

impl Transaction<'_> {
    /// The database.
    pub(super) fn db(&self) -> &Connection {
        self.db
    }

    /// The newest revision, this transaction's own included.
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// Raise the revision by one and tell the feed what to forget.
    pub(super) fn publish(&mut self, fact: Fact, at: Timestamp) -> Outcome<()> {
        if sabotage::chosen(sabotage::UNPUBLISHED) {
            return Ok(());
        }
        let revision = Revision(self.revision.0 + 1);
        changes::append(self.db, revision, fact, at)?;
        self.revision = revision;
        Ok(())
    }
}

/// The thread's own side.
struct Desk {
    db: Connection,
    mark: Option<Mark>,
    bell: watch::Sender<Revision>,
    revision: Revision,
    /// What a commit survives as the connection is set now.
    durability: Durability,
    shared: Arc<Shared>,
}

impl Desk {
    fn run(mut self, mut intentions: mpsc::Receiver<Box<dyn Intention>>) {
        // Linux gives each thread its own nice value; a system that does not let us is only slower.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
        // Set on a return and on a panic alike, before the queue and the doorbell close.
        let shared = Arc::clone(&self.shared);
        let _closing = Closing(&shared);
        while let Some(first) = intentions.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH_MAX {
                let Ok(next) = intentions.try_recv() else { break };
                batch.push(next);
            }
            let outcome = self.commit(&mut batch);
            let fatal = matches!(&outcome, Err(failure) if failure.fatal);
            if fatal {
                self.shared.closed.store(true, Ordering::Release);
            }
            let outcome = outcome.map_err(|failure| failure.error.to_string());
            if let Err(text) = &outcome {
                tracing::error!(cause = text, fatal, "a transaction of {} intentions failed", batch.len());
            }
            for intention in batch {
                intention.settle(&outcome);
            }
            if fatal {
                return;
            }
        }
    }

    /// Run the batch in one transaction and commit it. Rings the doorbell.
    fn commit(&mut self, batch: &mut Vec<Box<dyn Intention>>) -> Outcome<()> {
        self.make_durable(batch.iter().map(|intention| intention.durability()).max().unwrap_or(Durability::Power))?;
        let outcome = self.run_batch(batch);
        match outcome {
            Ok(revision) => {
                self.shared.commits.fetch_add(1, Ordering::Relaxed);
                if revision != self.revision {
                    self.revision = revision;
                    self.raise_mark(revision)?;
                    self.bell.send_replace(revision);
                }
                Ok(())
            }
            Err(failure) if failure.fatal => Err(failure),
            Err(failure) => {
                if !self.db.is_autocommit() {
                    // A transaction that can neither commit nor roll back leaves nothing to go on with.
                    self.execute(ROLLBACK).map_err(|failure| Failure { fatal: true, ..failure })?;
                }
                Err(failure)
            }
        }
    }

    /// Set what the next commit survives: the most that anybody in it needs.
    fn make_durable(&mut self, wanted: Durability) -> Outcome<()> {
        if self.durability != wanted {
            let synchronous = if wanted == Durability::Power { "FULL" } else { "NORMAL" };
            self.db.pragma_update(None, "synchronous", synchronous)?;
            self.durability = wanted;
        }
        Ok(())
    }

    /// Before anybody is answered: no acknowledged revocation is above the mark. The commit is durable already, but a
    /// disk that fails here cannot be trusted with the next one either.
    fn raise_mark(&mut self, revision: Revision) -> Outcome<()> {
        let Some(mark) = &mut self.mark else { return Ok(()) };
        mark.raise(revision).map_err(|cause| Failure {
            fatal: true,
            error: StoreError::Unavailable(format!("the high-water mark cannot be kept: {cause}")),
        })
    }

    fn run_batch(&self, batch: &mut Vec<Box<dyn Intention>>) -> Outcome<Revision> {
        self.execute(BEGIN)?;
        self.refuse_moved()?;
        let mut transaction = Transaction { db: &self.db, revision: self.revision };
        for intention in batch.iter_mut() {
            let before = transaction.revision;
            self.execute(SAVEPOINT)?;
            let ran = intention.run(&mut transaction);
            if let Err(Fatal(text)) = ran {
                return Err(Failure { fatal: true, error: StoreError::Unavailable(text) });
            }
            if self.db.is_autocommit() {
                // A full disk can make SQLite roll back the whole transaction by itself.
                return Err(StoreError::Unavailable("SQLite rolled the transaction back".to_owned()).into());
            }
            if intention.failed() {
                self.execute(UNDO)?;
                transaction.revision = before;
            }
            self.execute(RELEASE)?;
        }
        if transaction.revision != self.revision {
            meta::set_revision(&self.db, transaction.revision)?;
        }
        if sabotage::chosen(sabotage::EARLY_ACK) {
            batch.drain(..).for_each(|intention| intention.settle(&Ok(())));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let committed = self.db.prepare_cached(COMMIT).and_then(|mut statement| statement.execute([]));
        committed.map_err(|cause| Failure {
            fatal: cause.sqlite_error_code() != Some(ErrorCode::DiskFull),
            error: StoreError::Unavailable(format!("the commit failed: {cause}")),
        })?;
        Ok(transaction.revision)
    }

    /// Another process may have moved the store since the last transaction: then this was the last. Once it was moved away
    /// nothing is written here, and nothing that is remembered of it may be believed.
    fn refuse_moved(&self) -> Outcome<()> {
        moving::admit(&self.db).map_err(|failure| {
            if let StoreError::Moved(place) = &failure.error {
                let _ = self.shared.moved.set(place.clone());
            }
            Failure { fatal: failure.fatal || matches!(failure.error, StoreError::Moved(_)), ..failure }
        })
    }

    fn execute(&self, sql: &str) -> Outcome<()> {
        self.db.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable(CLOSED.to_owned())
}
