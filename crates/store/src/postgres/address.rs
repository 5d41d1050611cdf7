//! Where the database is: its URL, and TLS with the server's certificate and name verified (`verify-full`) wherever the
//! database is not on this machine. A URL may name several hosts, as libpq's do: the one of them that can be written to is
//! the database, whichever that is today. Never shows a URL: a password may be in it.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::task::JoinSet;
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

/// How long one host is tried alone before the next is tried as well (the delay of RFC 8305 §5): a primary that is switched
/// off does not even refuse.
const HEAD_START: Duration = Duration::from_millis(250);

/// Where the database is, and how to talk to it.
#[derive(Clone)]
pub(super) struct Address {
    // One for each host.
    configs: Arc<[Config]>,
    // The host that was the database last.
    last: Arc<AtomicUsize>,
    tls: Option<MakeRustlsConnect>,
}

impl Address {
    /// Read a URL `postgres://user:password@host:port,host:port/database?sslrootcert=FILE`. Its texts never reach an error.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let (plain, sslmode, roots) = split(url);
        let urls = each_host(&plain);
        let mut configs: Vec<Config> =
            urls.iter().map(|url| url.parse()).collect::<Result<_, _>>().map_err(|cause: tokio_postgres::Error| {
                refused(&format!("the URL of the database cannot be read: {cause}"))
            })?;
        let hosts = || configs.iter().flat_map(Config::get_hosts);
        if configs.iter().any(|config| config.get_hosts().is_empty()) {
            return Err(refused("the URL of the database names no host"));
        }
        // `hostaddr` is where the connection goes, whatever the host's name says.
        let here = hosts().all(is_here) && configs.iter().flat_map(Config::get_hostaddrs).all(IpAddr::is_loopback);
        let encrypted = match sslmode.as_deref() {
            None => !here,
            Some("verify-full") => true,
            Some("disable") if here => false,
            Some("disable") => return Err(refused("sslmode=disable is for a database on this machine only")),
            Some(_) => return Err(refused("sslmode can be verify-full, or disable on this machine")),
        };
        for config in &mut configs {
            config.application_name("keyfob").connect_timeout(CONNECT_MAX).tcp_user_timeout(UNACKNOWLEDGED_MAX);
            config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
            // What reads from a standby, behind whatever name, keeps a lease on facts that may be old. Asking also takes away
            // what the server warns each new connection of, which is no word on a commit.
            config.keepalives_idle(UNACKNOWLEDGED_MAX).target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        let tls = if encrypted { Some(verified(roots.as_deref())?) } else { None };
        Ok(Self { configs: configs.into(), last: Arc::default(), tls })
    }

    /// Connect: to the host that was the database last, and, if that does not answer at once, to the first of the others that is.
    pub(super) async fn connect(&self) -> Outcome<Connection> {
        timeout(CONNECT_MAX, self.first_of_all()).await.unwrap_or_else(|_| Err(Failure::late()))
    }

    async fn first_of_all(&self) -> Outcome<Connection> {
        let (count, last) = (self.configs.len(), self.last.load(Ordering::Relaxed));
        let mut untried = (0..count).map(|step| (last + step) % count);
        let (mut tries, mut failures) = (JoinSet::new(), Vec::new());
        loop {
            if let Some(place) = untried.next() {
                let (address, all) = (self.clone(), Arc::clone(&self.configs));
                tries.spawn(async move { (place, address.connect_to(&all[place]).await) });
            }
            let patience = if untried.len() == 0 { CONNECT_MAX } else { HEAD_START };
            match timeout(patience, tries.join_next()).await {
                // Those that are still under way are given up.
                Ok(Some(Ok((place, Ok(connection))))) => {
                    self.last.store(place, Ordering::Relaxed);
                    return Ok(connection);
                }
                Ok(Some(Ok((_, Err(failure))))) => failures.push(failure),
                Ok(Some(Err(broken))) => failures.push(StoreError::Unavailable(broken.to_string()).into()),
                Ok(None) => return Err(none_of(failures)),
                Err(_) => {}
            }
        }
    }

    async fn connect_to(&self, config: &Config) -> Outcome<Connection> {
        match &self.tls {
            None => {
                let (client, driver) = config.connect(NoTls).await?;
                Ok(Connection::drive(client, driver, None))
            }
            Some(tls) => {
                let (client, driver) = config.connect(tls.clone()).await?;
                Ok(Connection::drive(client, driver, Some(tls.clone())))
            }
        }
    }
}

/// No host is the database: what each said.
fn none_of(mut failures: Vec<Failure>) -> Failure {
    if failures.len() == 1 {
        return failures.remove(0);
    }
    let again = failures.iter().any(|failure| failure.again);
    let said: Vec<String> = failures.iter().map(ToString::to_string).collect();
    let text = format!("no host of it is a primary that answers: {}", said.join("; "));
    Failure { again, ..StoreError::Unavailable(text).into() }
}

/// A URL of its own for each host that is named between the user and the path.
fn each_host(url: &str) -> Vec<String> {
    let whole = || vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else { return whole() };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}{path}")).collect()
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
    fn several_hosts_are_tried_one_by_one_and_each_must_show_its_name() {
        let hosts = |url: &str| Address::parse(url).unwrap().configs.len();
        assert_eq!(hosts("postgres://u:p@127.0.0.1:1,localhost:2/d?target_session_attrs=read-write"), 2);
        assert_eq!(hosts("postgres://%2Frun%2Fpg/d"), 1);
        let address = Address::parse("postgres://u@127.0.0.1:1,db.example:2,db2.example/d").unwrap();
        assert!(address.tls.is_some(), "one of them is elsewhere");
        let ports: Vec<_> = address.configs.iter().map(|config| config.get_ports().to_vec()).collect();
        assert_eq!(ports, [vec![1], vec![2], vec![5432]]);
        assert!(address.configs.iter().all(|config| config.get_user() == Some("u")));
        assert!(refusal("postgres://u@127.0.0.1,db.example/d?sslmode=disable").contains("this machine"));
    }

    #[test]
    fn a_refused_url_does_not_tell_its_password() {
        for wrong in ["postgres://u:hunter2@h:port/d", "postgres://u:hunter2@h/d?nonsense=1", "hunter2"] {
            assert!(!refusal(wrong).contains("hunter2"), "{wrong}");
        }
    }
}
