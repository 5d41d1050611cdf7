//! Addresses: whether they are protected, free, and whether the API behind can be reached.

use std::net::{SocketAddr, TcpListener};

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Finding;
use crate::config::{Settings, Upstream};
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
    if let Some(upstream) = &settings.upstream {
        findings.push(reachable(upstream).await);
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

async fn reachable(upstream: &Upstream) -> Finding {
    let name = "upstream";
    let shown = &upstream.origin;
    let host = shown.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = shown.port_u16().unwrap_or(if shown.scheme_str() == Some("https") { 443 } else { 80 });
    match timeout(upstream.connect_timeout, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Finding::ok(name, format!("{shown} accepts connections")),
        Ok(Err(error)) => {
            Finding::fail(name, format!("cannot connect to {shown}: {error}"), "start the API, or mend `upstream`")
        }
        Err(_) => {
            let detail = format!("{shown} did not answer within {:?}", upstream.connect_timeout);
            Finding::fail(name, detail, "check the address and the firewalls between")
        }
    }
}
