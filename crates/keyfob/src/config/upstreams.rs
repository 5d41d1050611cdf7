//! The APIs behind: `upstream` for all requests, and `[[upstreams]]` for those of a host or below a path, each with limits of
//! its own. What is wrong in a block is named with line and column. Says nothing of who may call what: the policy does.

use std::path::PathBuf;
use std::time::Duration;

use keyfob_core::policy::Ask;

use super::value::{Value, origin};

/// Most `[[upstreams]]` blocks: each request is held against them one after the other.
pub(super) const BLOCKS_MAX: usize = 100;

/// Most origins of one API.
pub(super) const ORIGINS_MAX: usize = 32;

/// Most connections to each origin, idle ones included, unless a block says less: as many as clients may have
/// (`HttpLimits::connections`), so that HTTP/2 clients with many streams cannot use up the file descriptors.
const CONNECTIONS_MAX: usize = 10_000;

/// An API behind the gateway.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// `http://` or `https://` origins, without a path, that all serve the same; one at least.
    pub origins: Vec<http::Uri>,
    /// PEM file of certificate authorities to trust for `https://`, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Send the client's `Host` on (true), or the upstream's own authority (false).
    pub preserve_host: bool,
    /// Speak HTTP/2 to it (false: HTTP/1.1), without TLS by prior knowledge: what gRPC needs.
    pub http2: bool,
    /// To connect (2 s).
    pub connect_timeout: Duration,
    /// Until response headers (60 s).
    pub response_timeout: Duration,
    /// Bytes of a request body; `None`: what `HttpLimits` says.
    pub body_bytes: Option<u64>,
    /// Connections to each origin (10,000).
    pub connections: usize,
}

impl Upstream {
    /// With the usual settings, and nowhere yet. Caddy and Traefik too keep the host: the API sees the name its clients
    /// use, and builds right links.
    #[must_use]
    pub fn at(origins: Vec<http::Uri>) -> Self {
        Self {
            origins,
            ca: None,
            preserve_host: true,
            http2: false,
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_mins(1),
            body_bytes: None,
            connections: CONNECTIONS_MAX,
        }
    }
}

/// An API that takes a part of the requests.
#[derive(Clone, Debug)]
pub struct Place {
    /// Which.
    pub share: Share,
    /// Where they go.
    pub upstream: Upstream,
}

/// Which requests an API is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Those to this host, in lower case, whatever the port; `None`: to any.
    pub host: Option<String>,
    /// Those to this path and below it, in the form that routes are matched on ([`Ask::path`]); `None`: all.
    pub path: Option<String>,
}

impl Share {
    /// Whether a request that was judged belongs here.
    #[must_use]
    pub fn takes(&self, ask: &Ask) -> bool {
        let host = self.host.as_deref().is_none_or(|host| host.eq_ignore_ascii_case(name_of(ask.host())));
        host && self.path.as_deref().is_none_or(|path| is_below(path, ask.path()))
    }

    /// Blocks of a host come before those of any, and then the longer path.
    pub(super) fn rank(&self) -> (bool, usize) {
        (self.host.is_some(), self.path.as_ref().map_or(0, String::len))
    }
}

/// The host without its port, and without the dot that ends a fully qualified name.
fn name_of(host: &str) -> &str {
    let name = match host.rfind(':') {
        Some(at) if !host[at..].contains(']') => &host[..at],
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

/// Whether `path` is `above`, or begins with its segments.
fn is_below(above: &str, path: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A key of a block.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) takes: &'static str,
    pub(super) apply: fn(&mut Place, &Value) -> Option<()>,
}

pub(super) const FIELDS: &[Field] = &[
    field("host", "a host name without a port, such as `reports.example.com`", |place, value| {
        host(value.text()?).map(|host| place.share.host = Some(host))
    }),
    field("path", "a path such as `/reports`: it and all below it, without a slash at its end", |place, value| {
        path(value.text()?).map(|path| place.share.path = Some(path))
    }),
    field("origins", ORIGINS, |place, value| origins(value).map(|origins| place.upstream.origins = origins)),
    field("ca", "the path of a PEM file", |place, value| value.path().map(|path| place.upstream.ca = Some(path))),
    field("preserve-host", "`true` or `false`", |place, value| {
        value.truth().map(|keep| place.upstream.preserve_host = keep)
    }),
    field("http2", "`true` or `false`", |place, value| value.truth().map(|speak| place.upstream.http2 = speak)),
    field("connect-timeout", TIME, |place, value| time(value).map(|length| place.upstream.connect_timeout = length)),
    field("response-timeout", TIME, |place, value| time(value).map(|length| place.upstream.response_timeout = length)),
    field("body-bytes", "a whole number of bytes", |place, value| {
        value.number(0, u64::MAX).map(|most| place.upstream.body_bytes = Some(most))
    }),
    field("connections", "a whole number from 1 to 10000", |place, value| {
        value.count(1, CONNECTIONS_MAX).map(|most| place.upstream.connections = most)
    }),
];

pub(super) const ORIGINS: &str = "an http or https origin without a path, such as `http://127.0.0.1:3000`, or a list of up to 32 that serve the same";
const TIME: &str = "a length of time from 1s to 1h, such as `30s`";

const fn field(name: &'static str, takes: &'static str, apply: fn(&mut Place, &Value) -> Option<()>) -> Field {
    Field { name, takes, apply }
}

/// One origin, or several, none of them twice.
pub(super) fn origins(value: &Value) -> Option<Vec<http::Uri>> {
    let written = value.list().or_else(|| value.text().map(|text| vec![text]))?;
    let mut origins: Vec<String> = written.into_iter().map(origin).collect::<Option<_>>()?;
    let all = origins.len();
    origins.sort_unstable();
    origins.dedup();
    let sound = all == origins.len() && (1..=ORIGINS_MAX).contains(&all);
    sound.then(|| origins.iter().map(|origin| origin.parse().ok()).collect())?
}

fn time(value: &Value) -> Option<Duration> {
    value.duration(Duration::from_secs(1), Duration::from_hours(1))
}

fn host(text: &str) -> Option<String> {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let literal = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let valid = match literal {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !text.is_empty() && text.len() <= 253 && !text.ends_with('.') && text.bytes().all(name),
    };
    valid.then(|| text.to_ascii_lowercase())
}

/// A path of one reading, as requests are matched on it.
fn path(text: &str) -> Option<String> {
    let plain = text.len() > 1 && !text.ends_with('/') && !text.contains(['?', '*', '{', '}']);
    let ask = Ask::parse("GET", "", text.as_bytes()).ok().filter(|ask| plain && !ask.keeps_escapes())?;
    Some(ask.path().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(host: Option<&str>, path: Option<&str>, asked: (&str, &str)) -> bool {
        let share = Share { host: host.map(str::to_owned), path: path.map(str::to_owned) };
        share.takes(&Ask::parse("GET", asked.0, asked.1.as_bytes()).expect("one reading"))
    }

    #[test]
    fn a_host_is_compared_without_its_port_and_case() {
        for asked in ["a.test", "A.TEST", "a.test:8080", "a.test.", "a.test.:80"] {
            assert!(takes(Some("a.test"), None, (asked, "/x")), "{asked}");
        }
        for asked in ["", "b.test", "a.test.b", "xa.test", "a.test:80:90"] {
            assert!(!takes(Some("a.test"), None, (asked, "/x")), "{asked}");
        }
        assert!(takes(Some("[::1]"), None, ("[::1]:80", "/")) && !takes(Some("[::1]"), None, ("[::2]", "/")));
    }

    #[test]
    fn a_path_is_compared_by_whole_segments_as_they_are_judged() {
        for asked in ["/r", "/r/", "/r/7", "/r?x", "/%72", "/%72/7"] {
            assert!(takes(None, Some("/r"), ("", asked)), "{asked}");
        }
        for asked in ["/", "/rr", "/R", "/x/r", "/r%2f7", "/?/r"] {
            assert!(!takes(None, Some("/r"), ("", asked)), "{asked}");
        }
    }

    #[test]
    fn what_has_two_readings_is_no_path_of_a_block() {
        for bad in ["", "/", "r", "/r/", "/r//s", "/r/../s", "/r;x", "/r?x", "/{id}", "/r%2fs", "//r"] {
            assert_eq!(path(bad), None, "{bad}");
        }
        assert_eq!(path("/caf%C3%A9").as_deref(), Some("/café"));
    }
}
