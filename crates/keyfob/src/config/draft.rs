//! Settings while they are being gathered: what only makes sense together is put together at the end.

use std::path::PathBuf;

use super::{Database, Settings, Tls, Upstream};

/// Settings, and the parts of those that several keys make up.
pub(super) struct Draft {
    pub(super) settings: Settings,
    pub(super) database: Option<String>,
    pub(super) database_direct: Option<String>,
    pub(super) database_password: Option<PathBuf>,
    pub(super) database_connections: usize,
    pub(super) upstream: Upstream,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

impl Draft {
    pub(super) fn new() -> Self {
        Self {
            settings: Settings::default(),
            database: None,
            database_direct: None,
            database_password: None,
            database_connections: 16,
            upstream: Upstream::at(Vec::new()),
            certificate: None,
            key: None,
        }
    }

    /// The settings, or what does not fit together.
    pub(super) fn finish(self) -> Result<Settings, (&'static str, &'static str)> {
        let mut settings = self.settings;
        settings.tls = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Tls::Files { certificate, key },
            (None, None) => settings.tls,
            (Some(_), None) => return Err(("`tls.certificate` is set and `tls.key` is not", TLS_HINT)),
            (None, Some(_)) => return Err(("`tls.key` is set and `tls.certificate` is not", TLS_HINT)),
        };
        if self.database.is_none() && (self.database_direct.is_some() || self.database_password.is_some()) {
            return Err((
                "`database-direct` and `database-password-file` are set and `database` is not",
                DATABASE_HINT,
            ));
        }
        if settings.guard_only && (self.database.is_none() || settings.policy.is_some()) {
            return Err(("`guard-only` is set, and `database` is not, or `policy` is", GUARD_HINT));
        }
        if settings.proxy_protocol && settings.trusted_proxies.is_empty() {
            return Err(("`proxy-protocol` is set, and `trusted-proxies` is not", PROXY_HINT));
        }
        settings.database = self.database.map(|url| Database {
            url,
            direct: self.database_direct,
            password: self.database_password,
            connections: self.database_connections,
        });
        settings.upstream = Some(self.upstream).filter(|upstream| !upstream.origins.is_empty());
        let cost = settings.password_cost;
        if !OWASP.iter().any(|(memory_kib, passes)| cost.memory_kib >= *memory_kib && cost.passes >= *passes) {
            return Err((
                "`password-memory-kib` and `password-passes` are cheaper together than OWASP's minimum",
                "the least pairs are 47104 and 1, 19456 and 2, 12288 and 3, 9216 and 4, 7168 and 5",
            ));
        }
        if settings.listen == settings.internal_listen && settings.listen.port() != 0 {
            return Err(("`listen` and `internal-listen` are the same address", "give one of them another port"));
        }
        // What an address may try must be remembered, or it would be forgotten before it is too much.
        let throttle = &mut settings.throttle;
        throttle.unknown_names = throttle.unknown_names.max(throttle.address_failures);
        Ok(settings)
    }
}

/// OWASP's Argon2id settings of equal strength (Password Storage Cheat Sheet): KiB of memory, and passes.
const OWASP: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

const DATABASE_HINT: &str = "name the database that nodes share with `database`, or leave all of them out for SQLite";

const GUARD_HINT: &str = "a guard shares the database of nodes that sign people in, and takes the policy from there";

const PROXY_HINT: &str = "list the balancers in `trusted-proxies`: nobody else may say whose a connection is";

const TLS_HINT: &str = "a certificate needs its private key: set both, as paths of PEM files";
