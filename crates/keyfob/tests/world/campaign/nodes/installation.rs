//! Three nodes on a PostgreSQL of their own, each behind a proxy that can be cut. Everything can be done to them while others
//! call them.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::line;
use super::proxy::Proxy;
use crate::support::clock;
use crate::support::house::POLICY;
use crate::support::http::Request;
use crate::support::keyfob::Keyfob;
use crate::support::recorder::Recorder;
use crate::support::server::Server;
use crate::support::shift::Shift;

/// Nodes.
pub const NODES: usize = 3;
/// How long a node may take to start and to get its lease.
const START_MAX: Duration = Duration::from_secs(30);
const SETTINGS: &[(&str, &str)] = &[
    ("KEYFOB_ACCESS_LIFE", "1h"),
    ("KEYFOB_THROTTLE_ADDRESS_FAILURES", "100000"),
    // A sign-in that a fault cut off counts as a failure, rightly.
    ("KEYFOB_THROTTLE_ACCOUNT_FAILURES", "100"),
    ("KEYFOB_THROTTLE_CONSECUTIVE_FAILURES", "100"),
    ("KEYFOB_THROTTLE_WINDOW", "10s"),
    ("KEYFOB_SESSIONS_PER_USER", "100000"),
    ("KEYFOB_PASSWORD_MEMORY_KIB", "7168"),
    ("KEYFOB_PASSWORD_PASSES", "5"),
];

/// A node, which may be down, and its way to the database.
pub struct Node {
    keyfob: Mutex<Option<Keyfob>>,
    /// Where clients connect, and where operators do. A restart moves it.
    doors: Mutex<[SocketAddr; 2]>,
    folder: TempDir,
    /// Its wall clock, where that can be set.
    shift: Option<Shift>,
    /// Between it and the database.
    pub proxy: Proxy,
}

impl Node {
    /// Where clients connect.
    pub fn public(&self) -> SocketAddr {
        self.doors.lock().expect("nobody panics with it")[0]
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Whether it holds a lease.
    pub fn is_ready(&self) -> bool {
        let internal = self.doors.lock().expect("nobody panics with it")[1];
        let asked = line::ask(internal, &Request::new("GET", "/auth/health/ready"), Duration::from_secs(2));
        asked.is_some_and(|reply| reply.status == 200)
    }

    /// SIGKILL.
    pub fn kill(&self) {
        if let Some(keyfob) = self.keyfob.lock().expect("nobody panics with it").take() {
            keyfob.kill();
        }
    }

    /// SIGSTOP or SIGCONT.
    pub fn signal(&self, signal: Signal) {
        let keyfob = self.keyfob.lock().expect("nobody panics with it");
        let id = keyfob.as_ref().and_then(|keyfob| Pid::from_raw(i32::try_from(keyfob.id()).ok()?));
        kill_process(id.expect("it runs"), signal).expect("the process is there");
    }

    /// Its wall clock is ahead by so many seconds from now on.
    pub fn shift_clock(&self, seconds: i64) {
        self.shift.as_ref().expect("an installation whose clocks can be set").by(seconds);
    }
}

/// The nodes and what is around them.
pub struct Installation {
    // Before the database: the programs end first.
    pub nodes: Vec<Node>,
    arguments: Vec<String>,
    /// The API behind the gateways.
    pub api: Recorder,
    /// The database's server, which may give way to another.
    server: Mutex<Server>,
}

impl Installation {
    /// Make and start all of it. `clocks`: whether those of the nodes can be set.
    pub fn start(clocks: bool) -> Self {
        let (api, server) = (Recorder::start(), Server::start());
        let database = server.address();
        let mut installation = Self { nodes: Vec::new(), arguments: Vec::new(), api, server: Mutex::new(server) };
        for index in 0..NODES {
            let (folder, proxy) = (TempDir::new().expect("a temporary directory"), Proxy::before(database));
            let url = format!("postgres://keyfob@{}/keyfob", proxy.address);
            fs::write(folder.path().join("keyfob.toml"), format!("database = \"{url}\"\n")).expect("written");
            if index == 0 {
                let policy = folder.path().join("policy.toml");
                fs::write(&policy, POLICY).expect("written");
                let (origin, policy) = (installation.api.origin(), policy.display().to_string());
                installation.arguments = ["--upstream", &origin, "--policy", &policy].map(str::to_owned).to_vec();
            } else {
                fs::create_dir(folder.path().join("data")).expect("made");
                let key = installation.nodes[0].data().join("root.key");
                fs::copy(key, folder.path().join("data/root.key")).expect("copied");
            }
            let doors = Mutex::new([SocketAddr::from(([127, 0, 0, 1], 1)); 2]);
            let shift = clocks.then(|| Shift::in_folder(folder.path()));
            installation.nodes.push(Node { keyfob: Mutex::new(None), doors, folder, shift, proxy });
            installation.start_node(index);
            let ready = || installation.nodes[index].is_ready().then_some(());
            clock::until(START_MAX, ready).expect("a node that started gets a lease");
        }
        installation
    }

    /// Start a node that is down.
    pub fn start_node(&self, index: usize) {
        let (node, arguments) = (&self.nodes[index], self.arguments.iter().map(String::as_str).collect::<Vec<_>>());
        // A start in a database that is just restarting is refused, rightly: whoever supervises it tries again.
        let own: Vec<(&str, String)> = node.shift.iter().flat_map(Shift::settings).collect();
        let settings: Vec<(&str, &str)> =
            SETTINGS.iter().copied().chain(own.iter().map(|(name, value)| (*name, value.as_str()))).collect();
        let start = || Keyfob::try_serve(&node.data(), &arguments, &settings).ok();
        let keyfob = clock::until(START_MAX, start).expect("a node starts");
        *node.doors.lock().expect("nobody panics with it") = [keyfob.public, keyfob.internal];
        *node.keyfob.lock().expect("nobody panics with it") = Some(keyfob);
    }

    /// Run these in the database, past every proxy, in one session; whether it could.
    pub fn administer(&self, statements: &[&str]) -> bool {
        let mut psql = Command::new("psql");
        let url = format!("postgres://keyfob@{}/keyfob", self.server().host());
        psql.args(["--no-psqlrc", "--quiet", "--output=/dev/null", &url]);
        for statement in statements {
            psql.args(["--command", statement]);
        }
        psql.current_dir("/").stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// Restart the database's server.
    pub fn restart_server(&self, mode: &str) {
        self.server().restart(mode);
    }

    /// The server is lost, and a standby that has all that was acknowledged takes its place. `lost` is told when there is no
    /// server any more, and when there may be one again.
    pub fn fail_over(&self, calm: Duration, lost: impl Fn(bool)) {
        let mut server = self.server();
        let standby = server.standby();
        server.wait_for_standby();
        // Meanwhile commits wait for both.
        thread::sleep(calm);
        server.crash();
        lost(true);
        standby.promote();
        lost(false);
        for node in &self.nodes {
            node.proxy.lead_to(standby.address());
        }
        *server = standby;
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().expect("nobody panics with it")
    }
}
