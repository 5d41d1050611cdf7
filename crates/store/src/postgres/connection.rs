//! One connection: unnamed statements only, a deadline for each answer, and every warning noticed. Never sets anything for
//! the session: behind a pooler in transaction mode the next transaction has another one.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use keyfob_core::change::Revision;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::{AsyncMessage, Client, CopyInSink, NoTls, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::CONNECT_MAX;
use super::failure::{Failure, Outcome};
use super::row::Value;

/// How long one answer may take: a little more than the database gives a statement, and less than the lease of a node (2 s).
const ANSWER_MAX: Duration = Duration::from_millis(1750);

/// A statement to be sent: unnamed, or fixed texts that take no parameter.
pub(super) enum Statement {
    /// One or more statements without parameters.
    Plain(&'static str),
    /// One statement with its parameters.
    With(&'static str, Vec<Box<dyn Value>>),
}

/// What a statement gives: its rows, or none.
type Answer<'c> = Pin<Box<dyn Future<Output = Outcome<Vec<Row>>> + Send + 'c>>;

/// A connection in use.
pub(super) struct Connection {
    client: Client,
    warnings: Arc<AtomicU64>,
    tls: Option<MakeRustlsConnect>,
    notified: Arc<Notify>,
    heard: Arc<AtomicU64>,
    engaged: AtomicBool,
}

impl Connection {
    /// Take a connection that was made, and the TLS that another one to the same server needs.
    pub(super) fn drive<S, T>(
        client: Client,
        mut driver: tokio_postgres::Connection<S, T>,
        tls: Option<MakeRustlsConnect>,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let warnings = Arc::new(AtomicU64::new(0));
        let noticed = Arc::clone(&warnings);
        let notified = Arc::new(Notify::new());
        let heard = Arc::new(AtomicU64::new(0));
        let (bell, newest) = (Arc::clone(&notified), Arc::clone(&heard));
        // Ends when the client is dropped or the connection breaks. A notice is counted before the answer that it came
        // with is handed on, for both arrive in order.
        tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| driver.poll_message(context)).await {
                match message {
                    Ok(AsyncMessage::Notice(notice)) if is_warning(&notice) => {
                        tracing::warn!(cause = notice.message(), "the database warns");
                        noticed.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok(AsyncMessage::Notification(change)) => {
                        newest.fetch_max(change.payload().parse().unwrap_or(0), Ordering::SeqCst);
                        bell.notify_one();
                    }
                    Ok(_) => {}
                    Err(cause) => {
                        tracing::debug!(%cause, "a connection to the database broke");
                        break;
                    }
                }
            }
            bell.notify_one();
        });
        Self { client, warnings, tls, notified, heard, engaged: AtomicBool::new(false) }
    }

    /// Give it up, and ask the database to do the same: whatever it was asked last may wait there for a lock, and it would
    /// not notice that nobody waits for it any more. Never for a COMMIT: cut short, it could show what a standby has not.
    pub(super) fn abandon(self) {
        if self.is_closed() {
            return;
        }
        tokio::spawn(async move {
            let cancel = self.client.cancel_token();
            let cancelled = timeout(CONNECT_MAX, async {
                match self.tls.clone() {
                    None => cancel.cancel_query(NoTls).await,
                    Some(tls) => cancel.cancel_query(tls).await,
                }
            });
            if !matches!(cancelled.await, Ok(Ok(()))) {
                tracing::debug!("a statement that was given up may go on at the database");
            }
        });
    }

    /// Warnings since it was made.
    pub(super) fn warnings(&self) -> u64 {
        self.warnings.load(Ordering::SeqCst)
    }

    /// Waits until a NOTIFY comes that this connection listens to, or it breaks. One that came before is not lost.
    pub(super) async fn notified(&self) {
        self.notified.notified().await;
    }

    /// The newest revision that a NOTIFY told.
    pub(super) fn heard(&self) -> Revision {
        Revision(self.heard.load(Ordering::SeqCst))
    }

    /// Say that a transaction begins on it, or that it has ended.
    pub(super) fn engage(&self, engaged: bool) {
        self.engaged.store(engaged, Ordering::SeqCst);
    }

    /// Whether a transaction may be open on it: one that a panic broke off would be committed with the next.
    pub(super) fn is_engaged(&self) -> bool {
        self.engaged.load(Ordering::SeqCst)
    }

    /// Whether it is broken.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Fixed texts, without parameters.
    pub(super) async fn run(&self, sql: &str) -> Outcome<()> {
        in_time(self.client.batch_execute(sql)).await
    }

    /// The same without a deadline: a migration takes as long as it takes.
    pub(super) async fn run_at_leisure(&self, sql: &str) -> Outcome<()> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// One statement; its rows.
    pub(super) async fn rows(&self, sql: &str, values: &[&dyn Value]) -> Outcome<Vec<Row>> {
        let parameters: Vec<_> = values.iter().map(|value| (value.sql(), value.kind())).collect();
        in_time(self.client.query_typed(sql, &parameters)).await
    }

    /// The same without a deadline: an operator waits for it.
    pub(super) async fn rows_at_leisure(&self, sql: &str, values: &[&dyn Value]) -> Outcome<Vec<Row>> {
        let parameters: Vec<_> = values.iter().map(|value| (value.sql(), value.kind())).collect();
        Ok(self.client.query_typed(sql, &parameters).await?)
    }

    /// Rows that are sent as fast as they can be written, to a table that `sql` names.
    pub(super) async fn copy_in(&self, sql: &str) -> Outcome<CopyInSink<Bytes>> {
        in_time(self.client.copy_in(sql)).await
    }

    /// Several statements in one batch: all are sent before the first answer is waited for. The answer of each, in order.
    pub(super) async fn batch(
        &self,
        statements: &[Statement],
        last: Option<(&str, &[&dyn Value])>,
    ) -> Vec<Outcome<Vec<Row>>> {
        let mut answers: Vec<Answer<'_>> = Vec::with_capacity(statements.len() + 1);
        for statement in statements {
            answers.push(match statement {
                Statement::Plain(sql) => Box::pin(async { self.run(sql).await.map(|()| Vec::new()) }),
                Statement::With(sql, values) => Box::pin(async {
                    let values: Vec<&dyn Value> = values.iter().map(|value| &**value).collect();
                    self.rows(sql, &values).await
                }),
            });
        }
        if let Some((sql, values)) = last {
            answers.push(Box::pin(self.rows(sql, values)));
        }
        all(answers).await
    }
}

/// Not by the word that is shown, which is in the language of the server.
fn is_warning(notice: &DbError) -> bool {
    use Severity::{Debug, Info, Log, Notice};
    !matches!(notice.parsed_severity(), Some(Debug | Info | Log | Notice))
}

/// Polls them in order, so that they are sent in order.
async fn all(mut answers: Vec<Answer<'_>>) -> Vec<Outcome<Vec<Row>>> {
    let mut done: Vec<Option<Outcome<Vec<Row>>>> = answers.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut left = false;
        for (answer, done) in answers.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            match answer.as_mut().poll(context) {
                Poll::Ready(outcome) => *done = Some(outcome),
                Poll::Pending => left = true,
            }
        }
        if left { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    done.into_iter().flatten().collect()
}

async fn in_time<T>(answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Outcome<T> {
    match timeout(ANSWER_MAX, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::late()),
    }
}
