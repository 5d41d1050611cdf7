//! Several nodes on one PostgreSQL (DESIGN §6): what is acknowledged at one is final at all, whatever becomes of the others.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::campaign::revoke_race::{COMMANDS, amid_calls, words};
use crate::support::clock;
use crate::support::house::{PASSWORD, POLICY, login, token_of};
use crate::support::http::{Connection, Request, ask};
use crate::support::keyfob::{Keyfob, command, must};
use crate::support::postgres::Database;
use crate::support::recorder::Recorder;

/// How long a node may take to learn or to do something.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Shut the database, and end what is connected to it.
const AWAY: &[&str] = &[
    "ALTER DATABASE NAME ALLOW_CONNECTIONS false",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'NAME'",
];
/// Open it again.
const BACK: &[&str] = &["ALTER DATABASE NAME ALLOW_CONNECTIONS true"];

/// Nodes on one database, each with a folder of its own and the same root key.
pub struct Cluster {
    // Before the folders and the database: the programs end first.
    pub nodes: Vec<Option<Keyfob>>,
    folders: Vec<TempDir>,
    arguments: Vec<String>,
    pub database: Database,
    _api: Recorder,
}

impl Cluster {
    pub fn of(count: usize) -> Self {
        Self::with(count, "")
    }

    /// The same, with these lines in the settings of each.
    pub fn with(count: usize, settings: &str) -> Self {
        let api = Recorder::start();
        let folder = TempDir::new().expect("a temporary directory");
        fs::write(folder.path().join("policy.toml"), POLICY).expect("written");
        let policy = folder.path().join("policy.toml").display().to_string();
        let arguments = ["--upstream", &api.origin(), "--policy", &policy].map(str::to_owned).to_vec();
        let mut cluster =
            Self { nodes: Vec::new(), folders: vec![folder], arguments, database: Database::own(), _api: api };
        for index in 0..count {
            if index > 0 {
                cluster.folders.push(TempDir::new().expect("a temporary directory"));
                fs::create_dir(cluster.data(index)).expect("made");
                fs::copy(cluster.data(0).join("root.key"), cluster.data(index).join("root.key")).expect("copied");
            }
            let settings = format!("database = \"{}\"\n{settings}", cluster.database.url);
            fs::write(cluster.folders[index].path().join("keyfob.toml"), settings).expect("written");
            cluster.nodes.push(None);
            cluster.start(index);
        }
        cluster
    }

    pub fn start(&mut self, index: usize) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.nodes[index] = Some(Keyfob::serve(&self.data(index), &arguments, &[]));
        let ready =
            || (ask(self.node(index).internal, &Request::new("GET", "/auth/health/ready")).status == 200).then_some(());
        clock::until(PATIENCE, ready).expect("a node that started gets a lease");
    }

    pub fn data(&self, index: usize) -> PathBuf {
        self.folders[index].path().join("data")
    }

    pub fn node(&self, index: usize) -> &Keyfob {
        self.nodes[index].as_ref().expect("it runs")
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().flatten().map(|node| node.public).collect()
    }

    /// Run these on the database's server, not in the database; `NAME` stands for its name.
    fn administer(&self, statements: &[&str]) {
        let (server, name) = self.database.url.rsplit_once('/').expect("a URL names its database");
        let mut psql = Command::new("psql");
        psql.args(["--no-psqlrc", "--quiet", "--output=/dev/null", &format!("{server}/postgres")]);
        for statement in statements {
            psql.args(["--command", &statement.replace("NAME", name)]);
        }
        assert!(psql.current_dir("/").status().expect("psql is there").success());
    }

    pub fn signal(&self, index: usize, signal: Signal) {
        let id = i32::try_from(self.node(index).id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(id, signal).expect("the process is there");
    }

    /// A user of that name, made at one node and signed in at another.
    pub fn signed_in(&self, name: &str) -> String {
        must(&self.data(0), &["user", "add", name, "--password-stdin", "--role", "caller"], &format!("{PASSWORD}\n"));
        let answer = login(self.addresses()[self.nodes.iter().flatten().count() - 1], name, PASSWORD);
        assert_eq!(answer.status, 200, "{name} signs in: {}", answer.text());
        token_of(&answer)
    }
}

fn call(address: SocketAddr, token: &str) -> u16 {
    ask(address, &Request::new("GET", "/things/1").bearer(token)).status
}

#[test]
fn what_a_command_took_away_at_one_node_is_gone_at_all_when_it_returns() {
    let cluster = Cluster::of(3);
    for (turn, command) in COMMANDS.iter().enumerate() {
        let name = format!("victim{turn}");
        let token = cluster.signed_in(&name);
        let words = words(command, &name, "");
        let (calls, returned) = amid_calls(&cluster.addresses(), &token, &cluster.data(turn % 3), &words);
        for (node, calls) in calls.iter().enumerate() {
            let before = calls.iter().filter(|call| call.status == 200).count();
            let late: Vec<u16> = calls.iter().filter(|call| call.began > returned).map(|call| call.status).collect();
            assert!(before > 0 && !late.is_empty(), "node {node}: {before} calls passed and {} came late", late.len());
            assert!(
                late.iter().all(|status| *status == 401),
                "node {node} let somebody in after `keyfob {}` had returned at node {}: {late:?}",
                words.join(" "),
                turn % 3
            );
        }
    }
}

#[test]
fn a_node_that_stood_still_delays_the_answer_and_lets_nobody_in_when_it_goes_on() {
    let cluster = Cluster::of(2);
    let token = cluster.signed_in("ada");
    let request = Request::new("GET", "/things/1").bearer(&token);
    let mut connections: Vec<Connection> =
        (0..32).map(|_| Connection::open(cluster.addresses()[1]).expect("keyfob is there")).collect();
    for connection in &mut connections {
        assert_eq!(connection.ask(&request).expect("an answer").status, 200, "what the second node remembers");
    }
    cluster.signal(1, Signal::STOP);
    must(&cluster.data(0), &["user", "disable", "ada"], "");
    // Each begins after the acknowledgement, and lies before the node when it wakes up.
    for connection in &mut connections {
        connection.send(&request.bytes()).expect("sent");
    }
    cluster.signal(1, Signal::CONT);
    let statuses: Vec<u16> =
        connections.iter_mut().map(|connection| connection.answer(false).expect("an answer").status).collect();
    assert!(statuses.iter().all(|status| *status == 401), "the node had slept through the change: {statuses:?}");
}

#[test]
fn a_node_that_was_killed_holds_up_nobody_for_long_and_one_that_was_struck_out_comes_back() {
    let mut cluster = Cluster::of(3);
    let token = cluster.signed_in("ada");
    cluster.nodes[2].take().expect("it runs").kill();
    must(&cluster.data(0), &["user", "disable", "ada"], "");
    assert_eq!(cluster.addresses().iter().map(|at| call(*at, &token)).collect::<Vec<_>>(), [401, 401]);
    // Silent for two leases: taken for dead.
    cluster.signal(1, Signal::STOP);
    let struck_out = || {
        let said = must(&cluster.data(0), &["--json", "cluster", "status"], "");
        let nodes: Vec<serde_json::Value> = serde_json::from_str(&said).expect("JSON");
        (nodes.len() == 1).then_some(())
    };
    clock::until(PATIENCE, struck_out).expect("the killed node and the silent one are struck out");
    must(&cluster.data(0), &["user", "enable", "ada"], "");
    let token = token_of(&login(cluster.addresses()[0], "ada", PASSWORD));
    cluster.signal(1, Signal::CONT);
    assert_eq!(call(cluster.addresses()[1], &token), 200, "it asks the store until it has a lease again");
    let back = || cluster.node(1).log().contains("registers anew").then_some(());
    clock::until(PATIENCE, back).expect("the node that was struck out registers anew");
    must(&cluster.data(1), &["session", "end", "--user", "ada"], "");
    assert_eq!(cluster.addresses().iter().map(|at| call(*at, &token)).collect::<Vec<_>>(), [401, 401]);
    cluster.start(2);
    assert_eq!(call(cluster.addresses()[2], &token), 401);
}

#[test]
fn without_the_database_a_node_says_that_it_cannot_tell_and_goes_on_when_it_is_back() {
    let cluster = Cluster::of(2);
    let token = cluster.signed_in("ada");
    assert_eq!(cluster.addresses().iter().map(|at| call(*at, &token)).collect::<Vec<_>>(), [200, 200]);
    cluster.administer(AWAY);
    let closed = || (call(cluster.addresses()[0], &token) == 503).then_some(());
    let seen = clock::until(PATIENCE, closed);
    cluster.administer(BACK);
    seen.expect("a node whose lease ran out judges nobody by what it remembers");
    let open = || (call(cluster.addresses()[0], &token) == 200).then_some(());
    clock::until(PATIENCE, open).expect("it goes on when the database is back");
    must(&cluster.data(1), &["session", "end", "--user", "ada"], "");
    assert_eq!(cluster.addresses().iter().map(|at| call(*at, &token)).collect::<Vec<_>>(), [401, 401]);
}

#[test]
fn a_node_with_a_root_key_of_its_own_is_refused_and_told_where_the_right_one_is() {
    let cluster = Cluster::of(1);
    let folder = TempDir::new().expect("a temporary directory");
    let settings = format!("database = \"{}\"\n", cluster.database.url);
    fs::write(folder.path().join("keyfob.toml"), settings).expect("written");
    let data = folder.path().join("data");
    let Err(said) = Keyfob::try_serve(&data, &[], &[]) else { panic!("it started") };
    assert!(said.contains("hint: ") && said.contains("root-key import"), "{said}");
    assert!(!data.join("root.key").exists(), "a key that opens nothing is not left in the way");
}

#[test]
fn cluster_status_tells_who_lives_and_sqlite_has_no_cluster() {
    let cluster = Cluster::of(2);
    let alive = |said: &str| {
        let nodes: Vec<serde_json::Value> = serde_json::from_str(said).expect("JSON");
        nodes.iter().filter(|node| node["alive"] == true && node["behind"] == 0).count()
    };
    assert_eq!(alive(&must(&cluster.data(0), &["--json", "cluster", "status"], "")), 2);
    cluster.signal(1, Signal::STOP);
    assert_eq!(alive(&must(&cluster.data(0), &["--json", "cluster", "status"], "")), 1);
    cluster.signal(1, Signal::CONT);
    let alone = TempDir::new().expect("a temporary directory");
    let data = alone.path().join("data");
    must(&data, &["user", "add", "ada", "--password-stdin"], &format!("{PASSWORD}\n"));
    let refused = command(&data, &["cluster", "status"], "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("docs/postgresql.md"));
}

#[test]
fn the_doctor_looks_at_the_database_that_nodes_share() {
    let cluster = Cluster::of(1);
    let examined = command(&cluster.data(0), &["doctor"], "");
    let report = String::from_utf8_lossy(&examined.stdout);
    assert!(report.contains("ok    database: sound, at revision"), "{report}");
    assert!(!report.contains("SQLite") && !report.contains("there is none yet"), "{report}");
}

#[test]
fn a_token_that_is_dead_here_is_revoked_only_when_it_is_dead_everywhere() {
    let cluster = Cluster::of(2);
    let token = cluster.signed_in("ada");
    assert_eq!(cluster.addresses().iter().map(|at| call(*at, &token)).collect::<Vec<_>>(), [200, 200]);
    // From here on nobody can know for two seconds whether the second node would still let it in.
    cluster.signal(1, Signal::STOP);
    std::thread::scope(|scope| {
        let deletion = scope.spawn(|| must(&cluster.data(0), &["user", "delete", "ada"], ""));
        let dead = || (call(cluster.addresses()[0], &token) == 401).then_some(());
        clock::until(PATIENCE, dead).expect("the first node applies it at once");
        let asked = clock::now();
        let revocation = Request::new("POST", "/auth/revoke")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={token}"));
        assert_eq!(ask(cluster.addresses()[0], &revocation).status, 200);
        assert!(asked.elapsed() > Duration::from_secs(1), "another's change is not in force yet, and was confirmed");
        deletion.join().expect("it returns");
    });
    cluster.signal(1, Signal::CONT);
}

#[test]
fn the_policy_of_all_nodes_is_changed_by_a_command_and_by_no_file_of_one_of_them() {
    let mut cluster = Cluster::of(2);
    let token = cluster.signed_in("ada");
    let narrow = cluster.data(0).with_file_name("narrow.toml");
    fs::write(&narrow, POLICY.replace("caller = [\"api:use\"]", "caller = []")).expect("written");
    let narrow = narrow.display().to_string();
    let statuses = |cluster: &Cluster| cluster.addresses().iter().map(|at| call(*at, &token)).collect::<Vec<_>>();
    assert_eq!(statuses(&cluster), [200, 200]);
    must(&cluster.data(1), &["policy", "apply", &narrow], "");
    assert_eq!(statuses(&cluster), [401, 401], "it is in force at all when the command returns");
    // This one still has the first file.
    cluster.nodes[1].take().expect("it runs").kill();
    cluster.start(1);
    assert_eq!(statuses(&cluster), [401, 401], "what was closed is open again");
    assert!(cluster.node(1).log().contains("keyfob policy apply"), "{}", cluster.node(1).log());
    let again = must(&cluster.data(0), &["--json", "policy", "apply", &narrow], "");
    assert!(again.contains(r#""changed": false"#), "{again}");
    fs::write(&narrow, "default = \"deny\"\nroutes = 7\n").expect("written");
    let refused = command(&cluster.data(0), &["policy", "apply", &narrow], "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("line 2"), "{refused:?}");
}
