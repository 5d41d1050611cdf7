//! Addresses: whether they are protected, free, and whether the API behind can be reached.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use http::Uri;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Finding;
use crate::config::{Settings, Share, Upstream};
use crate::control;

pub(super) async fn check(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(address) = settings.exposed_listener() {
        let detail = format!("{address} is not loopback, and nothing protects the connection");
        let hint =
            "set `[tls] certificate` and `key`, or `tls = \"terminated-upstream\"` if TLS ends in front of keyfob";
        findings.push(Finding::fail("listen", detail, hint));
    }
    // With a server at work its addresses are taken, and should be.
    if control::owner(&settings.data).is_none() {
        findings.push(free("listen", settings.listen));
        findings.push(free("internal listen", settings.internal_listen));
    }
    for place in &settings.upstreams {
        let Share { host, path } = &place.share;
        let share = format!("{}{}: ", host.as_deref().unwrap_or_default(), path.as_deref().unwrap_or_default());
        findings.extend(reachable(&place.upstream, &share).await);
    }
    if let Some(upstream) = &settings.upstream {
        findings.extend(reachable(upstream, "").await);
    } else if !settings.upstreams.is_empty() {
        let detail = "what no block of `upstreams` takes is answered 404";
        findings.push(Finding::ok("upstream", detail));
    }
    findings
}

fn free(name: &'static str, address: SocketAddr) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok(name, format!("{address} is free")),
        Err(error) => {
            let hint = format!("see who has port {} with `ss -ltnp`, or choose another address", address.port());
            Finding::fail(name, format!("cannot listen on {address}: {error}"), hint)
        }
    }
}

/// One finding for each origin. `share`: which requests it gets.
async fn reachable(upstream: &Upstream, share: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for origin in &upstream.origins {
        findings.push(answers(origin, upstream.connect_timeout, share).await);
    }
    findings
}

async fn answers(shown: &Uri, limit: Duration, share: &str) -> Finding {
    let name = "upstream";
    let host = shown.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = shown.port_u16().unwrap_or(if shown.scheme_str() == Some("https") { 443 } else { 80 });
    match timeout(limit, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Finding::ok(name, format!("{share}{shown} accepts connections")),
        Ok(Err(error)) => {
            let detail = format!("{share}cannot connect to {shown}: {error}");
            Finding::fail(name, detail, "start the API, or mend `upstream`")
        }
        Err(_) => {
            let detail = format!("{share}{shown} did not answer within {limit:?}");
            Finding::fail(name, detail, "check the address and the firewalls between")
        }
    }
}
