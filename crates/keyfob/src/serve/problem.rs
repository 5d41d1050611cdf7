//! What keeps keyfob from serving, in words an operator can act on; the check of plaintext exposure (RFC 6750 §5.3); and
//! the two lines that say where it listens.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::Running;
use super::tls::TlsProblem;
use crate::config::Settings;
use crate::control;
use crate::gateway::GatewayProblem;

/// Why serving does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeProblem {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Plaintext on an address that others can reach.
    #[error("{address} is not a loopback address and there is no TLS certificate")]
    Exposed {
        /// The address.
        address: SocketAddr,
    },
    /// The data directory, its lock or its root key.
    #[error("{}", .0.message)]
    Open(control::Problem),
    /// The store.
    #[error(transparent)]
    Store(#[from] keyfob_store::StoreError),
    /// The policy file.
    #[error("the policy file {} is refused: {reason}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong; or why it cannot be read.
        reason: String,
    },
    /// The certificate or its key.
    #[error(transparent)]
    Tls(#[from] TlsProblem),
    /// The upstream.
    #[error(transparent)]
    Gateway(#[from] GatewayProblem),
    /// A guard finds no installation that it could be a node of.
    #[error("this node only guards, and {0}")]
    Guard(String),
    /// This machine's clock is not that of the database.
    #[error("{0}")]
    Clock(String),
    /// The hashing parameters cannot be used.
    #[error("passwords cannot be hashed at this cost")]
    Hash,
    /// The operating system refused something else.
    #[error("the operating system refused: {0}")]
    System(#[from] std::io::Error),
    /// The store is served from elsewhere now.
    #[error("the store has moved to {0}")]
    Moved(String),
    /// A commit could not be made durable.
    #[error("the store stopped: a commit could not be made durable, and nothing more was acknowledged")]
    StoreStopped,
}

impl From<control::Problem> for ServeProblem {
    fn from(problem: control::Problem) -> Self {
        Self::Open(problem)
    }
}

impl ServeProblem {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Bind { address, .. } => {
                format!(
                    "see who has port {} with `ss -ltnp`, or choose another with --listen or --internal-listen",
                    address.port()
                )
            }
            Self::Exposed { .. } => {
                "give [tls] certificate and key, or write tls = \"terminated-upstream\" if a proxy in front speaks TLS"
                    .to_owned()
            }
            Self::Open(problem) => problem.hint.clone().unwrap_or_else(|| "see `keyfob doctor`".to_owned()),
            Self::Store(keyfob_store::StoreError::WrongRootKey) => {
                "put back the root key this database was made with: `keyfob root-key import`".to_owned()
            }
            Self::Store(_) => "see what is wrong with `keyfob doctor`".to_owned(),
            Self::Policy { path, .. } => format!("try it with `keyfob policy check {}`", path.display()),
            Self::Tls(_) => "both files are PEM: the chain first, and the key that belongs to it".to_owned(),
            Self::Gateway(_) => "an upstream is an origin such as http://127.0.0.1:3000".to_owned(),
            Self::Guard(_) => {
                "start a node without `guard-only` first; leave `public-url` out here, or set it to the same".to_owned()
            }
            Self::Clock(_) => "let NTP keep the clocks of this machine and of the database's".to_owned(),
            Self::Hash => "lower password-memory-kib".to_owned(),
            Self::System(_) => "see `keyfob doctor`".to_owned(),
            Self::Moved(place) if place.starts_with("postgres") => {
                format!("start it again with `database = \"{place}\"`")
            }
            Self::Moved(place) => format!("start it again without `database`, on the data directory {place}"),
            Self::StoreStopped => "check the disk: free space and health; then start again".to_owned(),
        }
    }
}

/// Refuse plaintext where others could read it (RFC 6750 §5.3).
///
/// # Errors
/// [`ServeProblem::Exposed`].
pub(super) fn check_exposure(settings: &Settings) -> Result<(), ServeProblem> {
    settings.exposed_listener().map_or(Ok(()), |address| Err(ServeProblem::Exposed { address }))
}

/// Say where it listens: data for scripts, so on stdout. The first start also says how to make the first user.
pub(super) async fn announce(running: &Running) {
    let scheme = if running.secure { "https" } else { "http" };
    let (public, internal) = (running.public, running.internal);
    // Nobody may be reading, as after `keyfob serve | head -1`: that is no reason to stop.
    let _ = writeln!(std::io::stdout(), "listening on {scheme}://{public}\ninternal on http://{internal}");
    let users = running.app.store().counts().await.map_or(0, |counts| counts.users);
    if users == 0 && !running.app.settings.guard_only {
        let data = running.app.settings.data.display();
        let line = "there is no user yet; make one with `keyfob user add NAME --data";
        let _ = writeln!(std::io::stderr(), "{line} {data}`");
    }
}
