//! A PostgreSQL server that a test may stop, copy, put back, and give a standby: for what happens to whole servers. On a free
//! loopback port; it ends with the value, and with the process that made it. Touches no other PostgreSQL.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::clock;
use super::postgres::{as_owner, programs, unprivileged};

/// How long a server may take to start: a busy machine syncs slowly.
const START_MAX: Duration = Duration::from_mins(1);

/// Runs the server until standard input ends, then stops it as a loss of power would.
const KEEPER: &str = r#"
log=$1; shift
"$@" >>"$log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT "$server" 2>/dev/null
wait "$server"
"#;

/// A server, running or not.
pub struct Server {
    // Before the folder: it ends first.
    keeper: Option<Child>,
    folder: TempDir,
    port: u16,
}

impl Server {
    /// A new one, running, with an empty database `keyfob`.
    pub fn start() -> Self {
        let mut server = Self::none();
        let data = server.data().display().to_string();
        let options = ["--no-sync", "--auth=trust", "--username=keyfob", "--encoding=UTF8", "--locale=C", "-D", &data];
        server.run("initdb", &options);
        server.up();
        server.run("createdb", &["-h", "127.0.0.1", "-p", &server.port.to_string(), "-U", "keyfob", "keyfob"]);
        server
    }

    /// A standby of this one, running; it follows once this returns.
    pub fn standby(&self) -> Self {
        let mut standby = Self::none();
        let (port, data) = (self.port.to_string(), standby.data().display().to_string());
        let from = ["-h", "127.0.0.1", "-p", &port, "-U", "keyfob", "-D", &data];
        standby.run("pg_basebackup", &[&from[..], &["-R", "-X", "stream", "--checkpoint=fast", "--no-sync"]].concat());
        standby.up();
        let streams =
            || (self.ask("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1").then_some(());
        clock::until(START_MAX, streams).expect("the standby follows");
        standby
    }

    /// Commits wait for a standby from here on.
    pub fn wait_for_standby(&self) {
        self.ask("ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.ask("SELECT pg_reload_conf()");
        let waits = || (self.ask("SELECT sync_state FROM pg_stat_replication") == "sync").then_some(());
        clock::until(START_MAX, waits).expect("the standby is synchronous");
    }

    /// A standby becomes the primary. Returns when it takes writes.
    pub fn promote(&self) {
        self.run("pg_ctl", &["promote", "--wait", "--silent", "-D", &self.data().display().to_string()]);
    }

    /// Where the database is, as part of a URL.
    pub fn host(&self) -> String {
        self.address().to_string()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Stop it and start it again: in the mode `immediate` as after a loss of power, in the mode `fast` in order.
    pub fn restart(&mut self, mode: &str) {
        self.run("pg_ctl", &["stop", "--silent", "-m", mode, "-D", &self.data().display().to_string()]);
        self.crash();
        self.up();
    }

    /// Start it.
    pub fn up(&mut self) {
        let (owner, data) = (unprivileged(), self.data());
        let mut keeper = as_owner(Command::new("sh"), owner);
        keeper.args(["-c", KEEPER, "keeper"]).arg(self.folder.path().join("log")).arg(programs().join("postgres"));
        keeper.arg("-D").arg(&data).arg("-k").arg(self.folder.path()).args(["-p", &self.port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "max_connections=300", "shared_buffers=32MB"] {
            keeper.args(["-c", setting]);
        }
        let keeper = keeper.current_dir("/").process_group(0).stdin(Stdio::piped()).spawn();
        self.keeper = Some(keeper.expect("a server can be started"));
        let status = |word| fs::read_to_string(data.join("postmaster.pid")).is_ok_and(|text| text.contains(word));
        let up = || (status("ready") || status("standby")).then_some(());
        clock::until(START_MAX, up).unwrap_or_else(|| panic!("PostgreSQL does not start: {}", self.log()));
        let answers = || self.query("SELECT 1").is_some().then_some(());
        clock::until(START_MAX, answers).unwrap_or_else(|| panic!("PostgreSQL does not answer: {}", self.log()));
    }

    /// It is gone, as by a loss of power.
    pub fn crash(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
        let _ = fs::remove_file(self.data().join("postmaster.pid"));
    }

    /// Stop it and copy all of its files. It stays stopped.
    pub fn copy(&mut self, name: &str) {
        self.run("pg_ctl", &["stop", "--silent", "-m", "fast", "-D", &self.data().display().to_string()]);
        self.crash();
        self.files("data", name);
    }

    /// Put such a copy in the place of what is there. The server must be stopped.
    pub fn put_back(&self, name: &str) {
        fs::remove_dir_all(self.data()).expect("removed");
        self.files(name, "data");
    }

    /// What one statement answers, in the database `postgres`.
    pub fn ask(&self, sql: &str) -> String {
        self.query(sql).unwrap_or_else(|| panic!("{sql}: {}", self.log()))
    }

    fn query(&self, sql: &str) -> Option<String> {
        let port = self.port.to_string();
        let mut psql = Self::program("psql");
        psql.args(["--no-psqlrc", "--tuples-only", "--no-align", "-h", "127.0.0.1", "-p", &port, "-U", "keyfob"]);
        let output = psql.args(["-d", "postgres", "-c", sql]).output().expect("psql is there");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn none() -> Self {
        let folder = tempfile::Builder::new().prefix("kfpg").tempdir().expect("a temporary directory");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("changed");
        if let Some((user, group)) = unprivileged() {
            chown(folder.path(), Some(user), Some(group)).expect("changed");
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        Self { keeper: None, folder, port }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn files(&self, from: &str, to: &str) {
        let mut copy = as_owner(Command::new("cp"), unprivileged());
        copy.arg("-a").arg(self.folder.path().join(from)).arg(self.folder.path().join(to));
        assert!(copy.current_dir("/").status().expect("cp is there").success());
    }

    fn run(&self, name: &str, arguments: &[&str]) {
        let made = Self::program(name).args(arguments).output().expect("PostgreSQL's programs are there");
        assert!(made.status.success(), "{name}: {}\n{}", String::from_utf8_lossy(&made.stderr), self.log());
    }

    fn program(name: &str) -> Command {
        let mut command = as_owner(Command::new(programs().join(name)), unprivileged());
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}
