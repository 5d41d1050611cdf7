//! One connection: unnamed statements only, a deadline for each answer, and every warning noticed. TLS with the server's
//! certificate and name verified (`verify-full`) wherever the database is not on this machine. Never sets anything for the
//! session: behind a pooler in transaction mode the next transaction has another one.

use std::future::poll_fn;
use std::net::IpAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use keyfob_core::change::Revision;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::{Failure, Outcome};
use super::row::Value;
use crate::{Result, StoreError};

/// How long one answer may take: a little more than the database gives a statement, and less than the lease of a node (2 s).
const ANSWER_MAX: Duration = Duration::from_millis(1750);

/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long sent bytes may stay unacknowledged before the connection is given up.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(5);

/// Where the database is, and how to talk to it.
#[derive(Clone)]
pub(super) struct Address {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Address {
    /// Read a URL `postgres://user:password@host:port/database?sslrootcert=FILE`. Its texts never reach an error.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let (plain, sslmode, roots) = split(url);
        let mut config: Config =
            plain.parse().map_err(|cause| refused(&format!("the URL of the database cannot be read: {cause}")))?;
        if config.get_hosts().is_empty() {
            return Err(refused("the URL of the database names no host"));
        }
        config.application_name("keyfob").connect_timeout(CONNECT_MAX).tcp_user_timeout(UNACKNOWLEDGED_MAX);
        config.keepalives_idle(UNACKNOWLEDGED_MAX);
        let encrypted = match sslmode.as_deref() {
            None => !config.get_hosts().iter().all(is_here),
            Some("verify-full") => true,
            Some("disable") if config.get_hosts().iter().all(is_here) => false,
            Some("disable") => return Err(refused("sslmode=disable is for a database on this machine only")),
            Some(_) => return Err(refused("sslmode can be verify-full, or disable on this machine")),
        };
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        let tls = if encrypted { Some(verified(roots.as_deref())?) } else { None };
        Ok(Self { config, tls })
    }

    /// Connect.
    pub(super) async fn connect(&self) -> Outcome<Connection> {
        let made = timeout(CONNECT_MAX, async {
            match &self.tls {
                None => {
                    let (client, driver) = self.config.connect(NoTls).await?;
                    Ok(Connection::drive(client, driver, None))
                }
                Some(tls) => {
                    let (client, driver) = self.config.connect(tls.clone()).await?;
                    Ok(Connection::drive(client, driver, Some(tls.clone())))
                }
            }
        });
        made.await.unwrap_or_else(|_| Err(Failure::late()))
    }
}

/// A socket file or a loopback address.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

/// Take out what tokio-postgres does not know: `sslmode` (it has no `verify-full`) and `sslrootcert`.
fn split(url: &str) -> (String, Option<String>, Option<String>) {
    let Some((base, query)) = url.split_once('?') else { return (url.to_owned(), None, None) };
    let (mut mode, mut roots, mut rest) = (None, None, Vec::new());
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", value)) => roots = Some(value.to_owned()),
            _ => rest.push(pair),
        }
    }
    let plain = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
    (plain, mode, roots)
}

/// Believe a server whose certificate leads to one of these roots and names the host: those of the file, else the system's.
fn verified(roots: Option<&str>) -> Result<MakeRustlsConnect> {
    let mut store = RootCertStore::empty();
    let added = match roots {
        Some(file) => {
            let unreadable = |cause| refused(&format!("cannot read the certificates of sslrootcert={file}: {cause}"));
            let found = CertificateDer::pem_file_iter(Path::new(file)).map_err(unreadable)?;
            store.add_parsable_certificates(found.collect::<Result<Vec<_>, _>>().map_err(unreadable)?).0
        }
        None => store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs).0,
    };
    if added == 0 {
        return Err(refused("there is no certificate to believe the database by; name a file with sslrootcert=FILE"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| refused(&cause.to_string()))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn refused(text: &str) -> StoreError {
    StoreError::Unavailable(text.to_owned())
}

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
}

impl Connection {
    fn drive<S, T>(client: Client, mut driver: tokio_postgres::Connection<S, T>, tls: Option<MakeRustlsConnect>) -> Self
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
                    Ok(AsyncMessage::Notice(notice)) if notice.severity() == "WARNING" => {
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
        Self { client, warnings, tls, notified, heard }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        Address::parse(url).err().expect("it is refused").to_string()
    }

    #[test]
    fn only_a_database_on_this_machine_is_spoken_to_in_the_clear() {
        for here in
            ["postgres://u@127.0.0.1/d", "postgres://u@localhost/d", "postgres://u@%2Frun%2Fpg/d?sslmode=disable"]
        {
            assert!(Address::parse(here).unwrap().tls.is_none(), "{here}");
        }
        assert!(refusal("postgres://u@db.example/d?sslmode=disable").contains("this machine"));
        for weaker in ["prefer", "require", "verify-ca", "allow"] {
            assert!(refusal(&format!("postgres://u@db.example/d?sslmode={weaker}")).contains("verify-full"));
        }
        assert!(refusal("postgres://u@db.example/d?sslrootcert=/nowhere.pem").contains("/nowhere.pem"));
        assert!(refusal("postgres:///d").contains("no host"));
    }

    #[test]
    fn a_refused_url_does_not_tell_its_password() {
        for wrong in ["postgres://u:hunter2@h:port/d", "postgres://u:hunter2@h/d?nonsense=1", "hunter2"] {
            assert!(!refusal(wrong).contains("hunter2"), "{wrong}");
        }
    }
}
