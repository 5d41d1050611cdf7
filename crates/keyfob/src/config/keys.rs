//! Every setting there is: its name, what it takes, and where it goes. The one list that the file, the variables and
//! the flags are read with; `upstream-ca` is `KEYFOB_UPSTREAM_CA` and `tls.key` is `KEYFOB_TLS_KEY`.

use std::time::Duration;

use keyfob_core::refusal::Profile;
use keyfob_core::signing_key::Algorithm;

use super::draft::Draft;
use super::value::{Value, network, origin};
use super::{Ack, LogFormat, Tls, database, upstreams};

/// One setting.
pub(super) struct Key {
    /// Its name in the file; a dot stands for a table.
    pub(super) name: &'static str,
    /// What it takes, for the hint.
    pub(super) takes: &'static str,
    /// Put the value in its place, or refuse it.
    pub(super) apply: fn(&mut Draft, &Value) -> Option<()>,
}

/// The key of that name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The variable that sets a key.
pub(super) fn variable(key: &str) -> String {
    format!("KEYFOB_{}", key.replace(['-', '.'], "_").to_ascii_uppercase())
}

/// A known key that `name` may have been meant to be: one or two letters off.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let best = KEYS.iter().map(|key| (distance(name, key.name), key.name)).min()?;
    (best.0 <= 2).then_some(best.1)
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// The least memory of OWASP's equivalent Argon2id settings, in KiB; the passes it needs grow as it shrinks.
const MEMORY_KIB_MIN: u32 = 7_168;
const TIME_TO_AN_HOUR: &str = "a length of time from 1s to 1h, such as `30s`";
const COUNT: &str = "a whole number from 1 to 1000000";
const COUNT_MAX: usize = 1_000_000;
const MIB: usize = 1024 * 1024;

pub(super) const KEYS: &[Key] = &[
    key("data", "the path of a folder", |d, v| v.path().map(|path| d.settings.data = path)),
    key("database", "a URL such as `postgres://keyfob@db.example.com/keyfob`, without a password", |d, v| {
        database::url(v.text()?).map(|url| d.database = Some(url))
    }),
    key("database-password-file", "the path of a file with nothing but the password", |d, v| {
        v.path().map(|path| d.database_password = Some(path))
    }),
    key("database-direct", "a URL as of `database`, past a pooler", |d, v| {
        database::url(v.text()?).map(|url| d.database_direct = Some(url))
    }),
    key("database-connections", "a whole number from 1 to 1000", |d, v| {
        v.count(1, 1_000).map(|most| d.database_connections = most)
    }),
    key("ack", "`all` or `local`", |d, v| {
        one_of(v, &[("all", Ack::All), ("local", Ack::Local)]).map(|ack| d.settings.ack = ack)
    }),
    key("guard-only", TRUTH, |d, v| v.truth().map(|guard| d.settings.guard_only = guard)),
    key("listen", ADDRESS, |d, v| v.address().map(|address| d.settings.listen = address)),
    key("internal-listen", ADDRESS, |d, v| v.address().map(|address| d.settings.internal_listen = address)),
    key("public-url", ORIGIN, |d, v| origin(v.text()?).map(|url| d.settings.public_url = Some(url))),
    key("prefix", "a path such as `/auth`: no slash at its end, letters, digits, `-`, `_` and `.` only", |d, v| {
        prefix(v.text()?).map(|prefix| d.settings.prefix = prefix)
    }),
    key("policy", "the path of a policy file", |d, v| v.path().map(|path| d.settings.policy = Some(path))),
    key("refusals", "`uniform` or `rfc6750`", |d, v| {
        one_of(v, &[("uniform", Profile::Uniform), ("rfc6750", Profile::Rfc6750)]).map(|to| d.settings.refusals = to)
    }),
    key("realm", "up to 64 visible ASCII characters without `\"` and `\\`", |d, v| {
        realm(v.text()?).map(|realm| d.settings.realm = realm)
    }),
    key("upstream", upstreams::ORIGINS, |d, v| upstreams::origins(v).map(|origins| d.upstream.origins = origins)),
    key("upstream-ca", PEM, |d, v| v.path().map(|path| d.upstream.ca = Some(path))),
    key("upstream-preserve-host", TRUTH, |d, v| v.truth().map(|keep| d.upstream.preserve_host = keep)),
    key("upstream-http2", TRUTH, |d, v| v.truth().map(|speak| d.upstream.http2 = speak)),
    key("upstream-connect-timeout", TIME_TO_AN_HOUR, |d, v| {
        v.duration(SECOND, HOUR).map(|length| d.upstream.connect_timeout = length)
    }),
    key("upstream-response-timeout", TIME_TO_AN_HOUR, |d, v| {
        v.duration(SECOND, HOUR).map(|length| d.upstream.response_timeout = length)
    }),
    key("tls", "`loopback`, `terminated-upstream`, or a table with `certificate` and `key`", |d, v| {
        one_of(v, &[("loopback", Tls::Loopback), ("terminated-upstream", Tls::TerminatedUpstream)])
            .map(|tls| d.settings.tls = tls)
    }),
    key("tls.certificate", PEM, |d, v| v.path().map(|path| d.certificate = Some(path))),
    key("tls.key", PEM, |d, v| v.path().map(|path| d.key = Some(path))),
    key("trusted-proxies", "a list of address ranges such as `10.0.0.0/8`, bits after the prefix zero", |d, v| {
        v.list()?.into_iter().map(network).collect::<Option<_>>().map(|list| d.settings.trusted_proxies = list)
    }),
    key("proxy-protocol", TRUTH, |d, v| v.truth().map(|speak| d.settings.proxy_protocol = speak)),
    key("cors-origins", "a list of exact origins such as `https://app.example.com`", |d, v| {
        v.list()?.into_iter().map(origin).collect::<Option<_>>().map(|list| d.settings.cors_origins = list)
    }),
    key("access-life", "a length of time from 1s to 60m, such as `15m`", |d, v| {
        v.duration(SECOND, HOUR).map(|length| d.settings.access_life = length)
    }),
    key("refresh-idle", "a length of time from 1s to 400d, such as `7d`", |d, v| {
        v.duration(SECOND, 400 * DAY).map(|length| d.settings.refresh.idle = length)
    }),
    key("refresh-absolute", "a length of time from 1s to 400d, such as `30d`", |d, v| {
        v.duration(SECOND, 400 * DAY).map(|length| d.settings.refresh.absolute = length)
    }),
    key("sessions-per-user", "a whole number from 1 to 100000", |d, v| {
        v.count32(1, 100_000).map(|most| d.settings.sessions_per_user = most)
    }),
    key("api-key-life", "a length of time from 1s to 366d, such as `90d`", |d, v| {
        v.duration(SECOND, 366 * DAY).map(|length| d.settings.api_key_life = length)
    }),
    key("leeway", "a length of time from 0s to 60s, such as `30s`", |d, v| {
        v.duration(Duration::ZERO, MINUTE).map(|length| d.settings.leeway = length)
    }),
    key("signing-algorithm", "`ES256`, `EdDSA` or `RS256`", |d, v| {
        one_of(v, &[("ES256", Algorithm::Es256), ("EdDSA", Algorithm::EdDsa), ("RS256", Algorithm::Rs256)])
            .map(|algorithm| d.settings.signing_algorithm = algorithm)
    }),
    key("signing-key-life", "a length of time from 1s to 400d, such as `30d`", |d, v| {
        v.duration(SECOND, 400 * DAY).map(|length| d.settings.signing_key_life = length)
    }),
    key("publish-ahead", "a length of time from 0s to 30d, such as `24h`", |d, v| {
        v.duration(Duration::ZERO, 30 * DAY).map(|length| d.settings.publish_ahead = length)
    }),
    key("password-min-length", "a whole number from 8 to 64", |d, v| {
        v.count(8, 64).map(|least| d.settings.password_min = least)
    }),
    key("password-memory-kib", "a whole number of KiB from 7168 (7 MiB) to 1048576 (1 GiB)", |d, v| {
        v.count32(MEMORY_KIB_MIN, 1_048_576).map(|kib| d.settings.password_cost.memory_kib = kib)
    }),
    key("password-passes", "a whole number from 1 to 64", |d, v| {
        v.count32(1, 64).map(|passes| d.settings.password_cost.passes = passes)
    }),
    key("password-lanes", "a whole number from 1 to 16", |d, v| {
        v.count32(1, 16).map(|lanes| d.settings.password_cost.lanes = lanes)
    }),
    key("hash-threads", "a whole number from 0 (one for each core) to 1024", |d, v| {
        v.count(0, 1024).map(|threads| d.settings.hash_threads = threads)
    }),
    key("hash-queue", COUNT, |d, v| v.count(1, COUNT_MAX).map(|queue| d.settings.hash_queue = queue)),
    key("throttle.account-failures", "a whole number from 1 to 100", |d, v| {
        // SP 800-63B-4 §3.2.2: no more than 100 consecutive failures for an account.
        v.count32(1, 100).map(|failures| d.settings.throttle.account_failures = failures)
    }),
    key("throttle.address-failures", COUNT, |d, v| {
        v.count32(1, 1_000_000).map(|failures| d.settings.throttle.address_failures = failures)
    }),
    key("throttle.window", "a length of time from 1s to 1d, such as `15m`", |d, v| {
        v.duration(SECOND, DAY).map(|length| d.settings.throttle.window = length)
    }),
    key("throttle.consecutive-failures", "a whole number from 1 to 100", |d, v| {
        v.count32(1, 100).map(|failures| d.settings.throttle.consecutive_failures = failures)
    }),
    key("throttle.unknown-names", "a whole number from 100 to 1000000", |d, v| {
        v.count32(100, 1_000_000).map(|names| d.settings.throttle.unknown_names = names)
    }),
    key("cache-entries", "a whole number from 1 to 100000000", |d, v| {
        v.count(1, 100_000_000).map(|entries| d.settings.cache_entries = entries)
    }),
    key("limits.connections", COUNT, |d, v| v.count(1, COUNT_MAX).map(|most| d.settings.limits.connections = most)),
    key("limits.head-bytes", "a whole number of bytes from 8192 to 1048576", |d, v| {
        v.count(8 * 1024, MIB).map(|most| d.settings.limits.head_bytes = most)
    }),
    key("limits.head-timeout", TIME_TO_AN_HOUR, |d, v| {
        v.duration(SECOND, HOUR).map(|length| d.settings.limits.head_timeout = length)
    }),
    key("limits.idle-timeout", TIME_TO_AN_HOUR, |d, v| {
        v.duration(SECOND, HOUR).map(|length| d.settings.limits.idle_timeout = length)
    }),
    key("limits.own-body-bytes", "a whole number of bytes from 1024 to 1048576", |d, v| {
        v.count(1024, MIB).map(|most| d.settings.limits.own_body_bytes = most)
    }),
    key("limits.upstream-body-bytes", "a whole number of bytes", |d, v| {
        v.number(0, u64::MAX).map(|most| d.settings.limits.upstream_body_bytes = Some(most))
    }),
    key("limits.body-idle-timeout", TIME_TO_AN_HOUR, |d, v| {
        v.duration(SECOND, HOUR).map(|length| d.settings.limits.body_idle_timeout = length)
    }),
    key("drain-delay", "a length of time from 0s to 10m, such as `10s`", |d, v| {
        v.duration(Duration::ZERO, 10 * MINUTE).map(|length| d.settings.drain_delay = length)
    }),
    key("drain", "a length of time from 0s to 1h, such as `30s`", |d, v| {
        v.duration(Duration::ZERO, HOUR).map(|length| d.settings.drain = length)
    }),
    key("log-format", "`text` or `json`", |d, v| {
        one_of(v, &[("text", LogFormat::Text), ("json", LogFormat::Json)]).map(|format| d.settings.log_format = format)
    }),
    key(
        "log-level",
        "a level (`error`, `warn`, `info`, `debug`, `trace`) or a filter such as `keyfob=debug`",
        |d, v| {
            let text = v.text()?;
            tracing_subscriber::EnvFilter::builder().parse(text).ok()?;
            text.clone_into(&mut d.settings.log_level);
            Some(())
        },
    ),
];

const ADDRESS: &str = "an IP address and a port, such as `127.0.0.1:8080`";
const ORIGIN: &str = "an http or https origin without a path, such as `https://api.example.com`";
const PEM: &str = "the path of a PEM file";
const TRUTH: &str = "`true` or `false`";

const fn key(name: &'static str, takes: &'static str, apply: fn(&mut Draft, &Value) -> Option<()>) -> Key {
    Key { name, takes, apply }
}

fn one_of<T: Clone>(value: &Value, choices: &[(&str, T)]) -> Option<T> {
    let text = value.text()?;
    choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| choice.clone())
}

fn prefix(text: &str) -> Option<String> {
    let segments = text.strip_prefix('/')?;
    let plain = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    segments.split('/').all(plain).then(|| text.to_owned())
}

fn realm(text: &str) -> Option<String> {
    let plain = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
    (text.len() <= 64 && text.chars().all(plain)).then(|| text.to_owned())
}

/// Levenshtein's distance, bounded by the short names it is asked about.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
