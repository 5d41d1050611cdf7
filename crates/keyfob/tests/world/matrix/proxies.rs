//! The proxies, run with the very files of `deploy/`: only addresses and the places of files are replaced. Everything
//! listens on free loopback ports, and nothing is written outside a temporary folder.

mod apache;

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use super::door::Kind;
use super::witness::Dialect;
use crate::support::house::House;
use crate::support::nginx::{Nginx, free};
use crate::support::upstream::Upstream;
use crate::support::{root, world};

/// The gateway and every proxy there is a folder for.
pub static KINDS: &[Kind] = &[
    Kind { name: "keyfob gateway", dialect: Dialect::None, tidies: false, keeps_trailers: false, start: None },
    Kind { name: "nginx", dialect: Dialect::Nginx, tidies: false, keeps_trailers: false, start: Some(nginx) },
    Kind { name: "Caddy", dialect: Dialect::Forward, tidies: false, keeps_trailers: false, start: Some(caddy) },
    Kind { name: "Traefik", dialect: Dialect::Forward, tidies: true, keeps_trailers: false, start: Some(traefik) },
    Kind { name: "Envoy", dialect: Dialect::Envoy, tidies: false, keeps_trailers: false, start: Some(envoy) },
    Kind { name: "HAProxy", dialect: Dialect::Forward, tidies: false, keeps_trailers: true, start: Some(haproxy) },
    Kind {
        name: "Apache, mod_oauth2",
        dialect: Dialect::Introspection,
        tidies: false,
        keeps_trailers: false,
        start: Some(apache::with_oauth2),
    },
    Kind {
        name: "Apache, mod_auth_openidc",
        dialect: Dialect::Introspection,
        tidies: false,
        keeps_trailers: false,
        start: Some(apache::with_openidc),
    },
];

/// What the files of `deploy/` have to know.
pub struct Places<'h> {
    pub house: &'h House,
    /// Stands for keyfob's internal listener.
    pub check: SocketAddr,
    pub api: SocketAddr,
    /// A rule to break, and what stands there then.
    pub broken: Option<Break>,
    /// Whether it stood in any file.
    pub found: Cell<bool>,
}

/// Text of a configuration, and what takes its place.
pub type Break = (&'static str, &'static str);

/// A running proxy; ended when dropped.
pub enum Program {
    Nginx(Nginx),
    Other { program: Upstream, _folder: TempDir, _tls: Option<(Nginx, TempDir)> },
}

impl Program {
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Nginx(nginx) => nginx.address(),
            Self::Other { program, .. } => program.address,
        }
    }

    fn run(command: &[&str], address: SocketAddr, folder: TempDir) -> Self {
        Self::run_with(command, address, folder, None)
    }

    /// The same with something that ends TLS before what it asks.
    fn run_with(command: &[&str], address: SocketAddr, folder: TempDir, tls: Option<(Nginx, TempDir)>) -> Self {
        // Programs that keep state in a home get one that goes with them.
        let home = folder.path().display().to_string();
        let variables = ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"].map(|name| format!("{name}={home}"));
        let words = variables.iter().map(String::as_str);
        let line: Vec<&str> = ["env"].into_iter().chain(words).chain(command.iter().copied()).collect();
        Self::Other { program: Upstream::run_at(&line, address), _folder: folder, _tls: tls }
    }
}

impl Places<'_> {
    /// A file of `deploy/` with the addresses of this test.
    fn file(&self, path: &str) -> String {
        let text =
            fs::read_to_string(root().join("deploy").join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let text = match self.broken {
            Some((rule, instead)) if text.contains(rule) => {
                self.found.set(true);
                text.replace(rule, instead)
            }
            _ => text,
        };
        // Introspection is asked of the public listener; nothing else that is asked is.
        let asked = "/auth/introspect";
        let text = text.replace(&format!("127.0.0.1:8080{asked}"), &format!("{}{asked}", self.check));
        let places =
            [("127.0.0.1:8080", self.house.public()), ("127.0.0.1:8081", self.check), ("127.0.0.1:9000", self.api)];
        places.iter().fold(text, |text, (from, to)| {
            let yaml = |address: &SocketAddr| format!("port_value: {} }}", address.port());
            let from_yaml = format!("port_value: {} }}", from.rsplit(':').next().unwrap_or_default());
            text.replace(from, &to.to_string()).replace(&from_yaml, &yaml(to))
        })
    }
}

/// Replace what must be there.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "`{from}` is not in\n{text}");
    text.replace(from, to)
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("a configuration can be written");
    path.display().to_string()
}

/// A program of a Python wheel.
fn wheel(name: &str) -> String {
    let path = world().join("venv/bin").join(name);
    assert!(path.exists(), "{name} is not installed; run `cargo xtask prepare` once");
    path.display().to_string()
}

fn folder() -> TempDir {
    TempDir::new().expect("a temporary directory")
}

fn nginx(places: &Places) -> Program {
    Program::Nginx(Nginx::start(&replaced(&places.file("nginx/keyfob.conf"), "listen 80;", "listen $LISTEN;")))
}

fn caddy(places: &Places) -> Program {
    let (folder, address) = (folder(), free());
    let text = replaced(&places.file("caddy/Caddyfile"), ":80 {", &format!(":{} {{\n\tbind 127.0.0.1", address.port()));
    // The port of its administration is one for the whole machine.
    let file = write(folder.path(), "Caddyfile", &format!("{{\n\tadmin off\n}}\n{text}"));
    Program::run(&[&wheel("caddy"), "run", "--config", &file, "--adapter", "caddyfile"], address, folder)
}

fn traefik(places: &Places) -> Program {
    let (folder, address) = (folder(), free());
    let dynamic = write(folder.path(), "keyfob.yaml", &places.file("traefik/keyfob.yaml"));
    let text = replaced(&places.file("traefik/traefik.yaml"), "\":80\"", &format!("\"{address}\""));
    let file = write(folder.path(), "traefik.yaml", &replaced(&text, "/etc/traefik/keyfob.yaml", &dynamic));
    Program::run(&[&wheel("traefik"), &format!("--configfile={file}")], address, folder)
}

fn envoy(places: &Places) -> Program {
    let (folder, address) = (folder(), free());
    let listen = format!("address: 127.0.0.1, port_value: {}", address.port());
    let text = replaced(&places.file("envoy/envoy.yaml"), "address: 0.0.0.0, port_value: 80", &listen);
    let file = write(folder.path(), "envoy.yaml", &text);
    let command =
        [&wheel("envoy"), "--config-path", &file, "--disable-hot-restart", "--concurrency", "1", "--log-level", "warn"];
    Program::run(&command, address, folder)
}

fn haproxy(places: &Places) -> Program {
    let (folder, address) = (folder(), free());
    let lua = write(folder.path(), "keyfob.lua", &places.file("haproxy/keyfob.lua"));
    let text = replaced(&places.file("haproxy/haproxy.cfg"), "bind :80", &format!("bind {address}"));
    let file = write(folder.path(), "haproxy.cfg", &replaced(&text, "/etc/haproxy/keyfob.lua", &lua));
    let program = ["/usr/sbin/haproxy", "/usr/bin/haproxy"].into_iter().find(|path| Path::new(path).exists());
    Program::run(&[program.unwrap_or("haproxy"), "-db", "-f", &file], address, folder)
}
