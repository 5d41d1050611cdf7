//! Settings: `keyfob.toml`, `KEYFOB_…` variables and flags, in rising order of precedence, parsed once into valid values.
//! Unknown keys are refused with line and column. Nothing later re-checks what this file accepted. A secret is never
//! a setting: passwords come from a terminal or standard input, keys from files of their own.

mod blocks;
mod database;
mod draft;
mod keys;
mod layers;
mod problem;
mod upstreams;
mod value;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use keyfob_core::password::Cost;
use keyfob_core::policy::Ask;
use keyfob_core::refresh::Lives;
use keyfob_core::refusal::Profile;
use keyfob_core::rotation::Schedule;
use keyfob_core::signing_key::Algorithm;
use keyfob_core::throttle::Limits;

pub(crate) use value::{duration, origin};

pub use database::Database;

pub use layers::{Loaded, Sources, load};
pub use problem::{ConfigProblem, Origin};
pub use upstreams::{Place, Share, Upstream};

/// Everything an operator can set. Built by [`crate::cli`], or by `Settings::default()` in tests.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Data directory (`./keyfob-data`).
    pub data: PathBuf,
    /// The PostgreSQL database that several nodes share; `None`: SQLite in the data directory.
    pub database: Option<Database>,
    /// Whom a denial waits for before it is acknowledged, where several nodes share a database.
    pub ack: Ack,
    /// Judge requests, and sign nobody in and change nothing: a node whose database role may only read (false).
    pub guard_only: bool,
    /// Where clients connect (`127.0.0.1:8080`).
    pub listen: SocketAddr,
    /// Where operators and proxies connect (`127.0.0.1:8081`): checks, health, metrics.
    pub internal_listen: SocketAddr,
    /// Issuer, resource and default audience: an origin. `None`: the stored one, else the listen address.
    pub public_url: Option<String>,
    /// The prefix of keyfob's own endpoints (`/auth`), without a trailing slash.
    pub prefix: String,
    /// The policy file to import, if any.
    pub policy: Option<PathBuf>,
    /// How refusals map to status codes.
    pub refusals: Profile,
    /// The `realm` of challenges (`keyfob`).
    pub realm: String,
    /// The API behind, if this keyfob is a gateway.
    pub upstream: Option<Upstream>,
    /// APIs for the requests of a host or below a path, the most particular first; all others go to `upstream`.
    pub upstreams: Vec<Place>,
    /// How clients' connections are protected.
    pub tls: Tls,
    /// Proxies whose `X-Forwarded-For` names the client. Empty: trust nobody.
    pub trusted_proxies: Vec<Network>,
    /// Connections of clients come from those proxies alone, and begin with the PROXY protocol (false).
    pub proxy_protocol: bool,
    /// Origins that may call keyfob's own endpoints from a browser. Exact.
    pub cors_origins: Vec<String>,
    /// Life of an access token (15 min; 1 s to 60 min).
    pub access_life: Duration,
    /// How long a session lives without a refresh (7 d; 1 s to 400 d), and with (30 d; 1 s to 400 d).
    pub refresh: Lives,
    /// Live sessions of one user; the sign-in that is one too many ends the least recently used one (1,000; 1 to 100,000).
    pub sessions_per_user: u32,
    /// The longest life of an API key, and the usual one (90 d; 1 s to 366 d).
    pub api_key_life: Duration,
    /// Allowed clock difference (30 s; 0 to 60 s).
    pub leeway: Duration,
    /// The algorithm of new signing keys.
    pub signing_algorithm: Algorithm,
    /// How long a key signs (30 days; 1 s to 400 days).
    pub signing_key_life: Duration,
    /// How long the next key is published before it signs (24 h; 0 to 30 days).
    pub publish_ahead: Duration,
    /// Fewest code points of a new password (15; 8 to 64).
    pub password_min: usize,
    /// Argon2id cost of new hashes.
    pub password_cost: Cost,
    /// Hashing threads; 0 means one for each core.
    pub hash_threads: usize,
    /// Sign-ins that may wait for a hashing thread; beyond it 429 (64).
    pub hash_queue: usize,
    /// Sign-in limits.
    pub throttle: Limits,
    /// Sessions, users and tokens the cache may hold, each (1,000,000).
    pub cache_entries: usize,
    /// Limits of connections and messages.
    pub limits: HttpLimits,
    /// How long it serves on after SIGTERM, no longer ready, so that balancers look elsewhere first (0 s; up to 10 min).
    pub drain_delay: Duration,
    /// How long open requests may take after that (30 s).
    pub drain: Duration,
    /// `text` or `json`.
    pub log_format: LogFormat,
    /// A tracing filter such as `info` or `keyfob=debug`.
    pub log_level: String,
}

/// How clients' connections are protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Plaintext, on loopback only.
    Loopback,
    /// Plaintext off loopback is allowed: the configuration says TLS ends in front of keyfob.
    TerminatedUpstream,
    /// rustls with this certificate chain and key.
    Files {
        /// PEM certificate chain.
        certificate: PathBuf,
        /// PEM private key.
        key: PathBuf,
    },
}

/// Whom a denial waits for before it is acknowledged, where several nodes share a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ack {
    /// For every node: it is final everywhere.
    #[default]
    All,
    /// For the node that made it: the others follow within a lease, two seconds.
    Local,
}

/// An address range in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its first address.
    pub address: std::net::IpAddr,
    /// Leading bits that count.
    pub prefix_length: u8,
}

/// Limits of connections and messages. Every one is there so that no client can make keyfob hold on for ever.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// Open client connections (10,000).
    pub connections: usize,
    /// Bytes of a request head (16 KiB).
    pub head_bytes: usize,
    /// To send a request head (10 s).
    pub head_timeout: Duration,
    /// Between requests of a connection (75 s).
    pub idle_timeout: Duration,
    /// Bytes of a body to keyfob's own endpoints (64 KiB).
    pub own_body_bytes: usize,
    /// Bytes of a body to the API (none by default).
    pub upstream_body_bytes: Option<u64>,
    /// Between two pieces of a streamed body; the whole of a body to keyfob's own endpoints (60 s).
    pub body_idle_timeout: Duration,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Settings {
    /// Where a request goes, if anywhere.
    #[must_use]
    pub fn upstream_of(&self, ask: &Ask) -> Option<&Upstream> {
        let place = self.upstreams.iter().find(|place| place.share.takes(ask));
        place.map(|place| &place.upstream).or(self.upstream.as_ref())
    }

    /// How often signing keys change, and what they sign.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        Schedule {
            key_life: self.signing_key_life,
            publish_ahead: self.publish_ahead,
            token_life: self.access_life,
            leeway: self.leeway,
            algorithm: self.signing_algorithm,
        }
    }

    /// The address where passwords and tokens would cross a network in the clear (RFC 6750 §5.3), if there is one. The one
    /// place that decides it. The internal listener never speaks TLS, so a certificate does not protect it.
    #[must_use]
    pub fn exposed_listener(&self) -> Option<SocketAddr> {
        let exposed = |address: &SocketAddr| !address.ip().to_canonical().is_loopback();
        let plain = match self.tls {
            Tls::TerminatedUpstream => return None,
            Tls::Loopback => vec![self.listen, self.internal_listen],
            Tls::Files { .. } => vec![self.internal_listen],
        };
        plain.into_iter().find(exposed)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: PathBuf::from("keyfob-data"),
            database: None,
            ack: Ack::All,
            guard_only: false,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            internal_listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            public_url: None,
            prefix: "/auth".to_owned(),
            policy: None,
            refusals: Profile::default(),
            realm: "keyfob".to_owned(),
            upstream: None,
            upstreams: Vec::new(),
            tls: Tls::Loopback,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            cors_origins: Vec::new(),
            access_life: Duration::from_mins(15),
            refresh: Lives { idle: Duration::from_hours(7 * 24), absolute: Duration::from_hours(30 * 24) },
            sessions_per_user: 1_000,
            api_key_life: Duration::from_hours(90 * 24),
            leeway: Duration::from_secs(30),
            signing_algorithm: Algorithm::default(),
            signing_key_life: Duration::from_hours(30 * 24),
            publish_ahead: Duration::from_hours(24),
            password_min: keyfob_core::password::CODE_POINTS_MIN,
            password_cost: Cost::default(),
            hash_threads: 0,
            hash_queue: 64,
            throttle: Limits::default(),
            cache_entries: 1_000_000,
            limits: HttpLimits::default(),
            drain_delay: Duration::ZERO,
            drain: Duration::from_secs(30),
            log_format: LogFormat::Text,
            log_level: "info".to_owned(),
        }
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            head_bytes: 16 * 1024,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            own_body_bytes: 64 * 1024,
            upstream_body_bytes: None,
            body_idle_timeout: Duration::from_mins(1),
        }
    }
}
