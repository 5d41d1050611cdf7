//! Where the database is: its URL, and TLS with the server's certificate and name verified (`verify-full`) wherever the
//! database is not on this machine. Never shows a URL: a password may be in it.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::Connection;
use super::failure::{Failure, Outcome};
use crate::{Result, StoreError};

/// How long a connection may take to be made.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(5);

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
        // What reads from a standby, behind whatever name, keeps a lease on facts that may be old. Asking also takes away what
        // the server warns each new connection of, which is no word on a commit.
        config.keepalives_idle(UNACKNOWLEDGED_MAX).target_session_attrs(TargetSessionAttrs::ReadWrite);
        // `hostaddr` is where the connection goes, whatever the host's name says.
        let here = config.get_hosts().iter().all(is_here) && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        let encrypted = match sslmode.as_deref() {
            None => !here,
            Some("verify-full") => true,
            Some("disable") if here => false,
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
        for elsewhere in ["postgres://u@db.example/d", "postgres://u@localhost/d?hostaddr=192.0.2.1"] {
            assert!(Address::parse(elsewhere).unwrap().tls.is_some(), "{elsewhere}");
            let joined = if elsewhere.contains('?') { '&' } else { '?' };
            assert!(refusal(&format!("{elsewhere}{joined}sslmode=disable")).contains("this machine"), "{elsewhere}");
        }
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
