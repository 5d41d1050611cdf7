//! What becomes of nodes when the server of their database does not come back as it was (guarantees G3, G5, G6): an older copy
//! put back, a standby that has everything, a standby that lacks what was acknowledged. Real servers, real nodes, and nobody
//! restarts a node.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::clock;
use crate::support::house::{PASSWORD, POLICY, login, token_of};
use crate::support::http::{Request, ask};
use crate::support::keyfob::{Keyfob, command, must};
use crate::support::recorder::Recorder;
use crate::support::server::Server;

/// How long a node may take to learn or to do something.
const PATIENCE: Duration = Duration::from_secs(20);
/// A lease: within that a node goes on when its database is back (G3).
const LEASE: Duration = Duration::from_secs(2);
/// What a busy machine adds to it.
const SLACK: Duration = Duration::from_secs(3);

/// Nodes on one database.
struct Nodes {
    // Before the folders: the programs end first.
    running: Vec<Option<Keyfob>>,
    folders: Vec<TempDir>,
    arguments: Vec<String>,
    _api: Recorder,
}

impl Nodes {
    /// Two of them, on whichever of these servers is the primary.
    fn on(servers: &[&Server]) -> Self {
        let api = Recorder::start();
        let folders: Vec<TempDir> = (0..2).map(|_| TempDir::new().expect("a temporary directory")).collect();
        let policy = folders[0].path().join("policy.toml");
        fs::write(&policy, POLICY).expect("written");
        let arguments = ["--upstream", &api.origin(), "--policy", &policy.display().to_string()].map(str::to_owned);
        let hosts: Vec<String> = servers.iter().map(|server| server.host()).collect();
        let url = format!("postgres://keyfob@{}/keyfob?target_session_attrs=read-write", hosts.join(","));
        let mut nodes = Self { running: vec![None, None], folders, arguments: arguments.to_vec(), _api: api };
        for index in 0..2 {
            let folder = nodes.folders[index].path().to_owned();
            fs::write(folder.join("keyfob.toml"), format!("database = \"{url}\"\n")).expect("written");
            if index > 0 {
                fs::create_dir(nodes.data(index)).expect("made");
                fs::copy(nodes.data(0).join("root.key"), nodes.data(index).join("root.key")).expect("copied");
            }
            nodes.start(index);
        }
        nodes
    }

    fn start(&mut self, index: usize) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.running[index] = Some(Keyfob::serve(&self.data(index), &arguments, &[]));
        clock::until(PATIENCE, || (self.ready(index).0 == 200).then_some(()))
            .expect("a node that started gets a lease");
    }

    fn data(&self, index: usize) -> PathBuf {
        self.folders[index].path().join("data")
    }

    fn node(&self, index: usize) -> &Keyfob {
        self.running[index].as_ref().expect("it runs")
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.running.iter().flatten().map(|node| node.public).collect()
    }

    fn ready(&self, index: usize) -> (u16, String) {
        let answer = ask(self.node(index).internal, &Request::new("GET", "/auth/health/ready"));
        (answer.status, answer.text())
    }

    /// A call with a token at each node that runs.
    fn calls(&self, token: &str) -> Vec<u16> {
        let call = |at| ask(at, &Request::new("GET", "/things/1").bearer(token)).status;
        self.addresses().into_iter().map(call).collect()
    }

    fn add(&self, name: &str) {
        must(&self.data(0), &["user", "add", name, "--password-stdin", "--role", "caller"], &format!("{PASSWORD}\n"));
    }

    /// A token of a user, from the last node.
    fn token(&self, name: &str) -> String {
        let answer = login(self.addresses()[self.addresses().len() - 1], name, PASSWORD);
        assert_eq!(answer.status, 200, "{name} signs in: {}", answer.text());
        token_of(&answer)
    }

    /// Wait until all nodes are closed and say why. Until then, and then, nobody gets through who must not.
    fn closed(&self, dead: &str) {
        let all = (0..self.running.len()).filter(|index| self.running[*index].is_some());
        let all: Vec<usize> = all.collect();
        let closed = || {
            let calls = self.calls(dead);
            assert!(!calls.contains(&200), "a session that had ended is alive again: {calls:?}");
            all.iter().all(|index| self.ready(*index).1.contains("--accept-rollback")).then_some(())
        };
        clock::until(PATIENCE, closed).unwrap_or_else(|| panic!("the nodes do not close: {:?}", self.ready(0)));
        for index in all {
            assert_eq!(self.ready(index).0, 503);
            assert_eq!(login(self.node(index).public, "ada", PASSWORD).status, 503, "nothing is issued");
            assert!(self.node(index).log().contains("the store is CLOSED"), "it is said loudly");
        }
    }
}

#[test]
fn an_older_copy_under_nodes_closes_them_and_one_acceptance_opens_all() {
    let mut server = Server::start();
    let mut nodes = Nodes::on(&[&server]);
    nodes.add("ada");
    let made = must(&nodes.data(0), &["--json", "key", "create", "ada", "script"], "");
    let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
    let key = made["key"].as_str().expect("a key").to_owned();
    let (dead, live) = (nodes.token("ada"), nodes.token("ada"));
    server.copy("older");
    server.up();
    clock::until(LEASE + SLACK, || (nodes.calls(&dead) == [200, 200]).then_some(())).expect("they go on by themselves");
    must(&nodes.data(0), &["session", "end", "--user", "ada"], "");
    assert_eq!((nodes.calls(&dead), nodes.calls(&live)), (vec![401, 401], vec![401, 401]));
    // One node runs on, and one is stopped the while.
    nodes.running[1].take().expect("it runs").kill();
    server.copy("newer");
    server.put_back("older");
    server.up();
    nodes.closed(&dead);
    let said = command(&nodes.data(0), &["user", "list"], "");
    assert!(String::from_utf8_lossy(&said.stderr).contains("--accept-rollback"), "commands say so: {said:?}");
    let Err(said) = Keyfob::try_serve(&nodes.data(1), &[], &[]) else { panic!("it started") };
    assert!(said.contains("an older copy was put in its place") && said.contains("--accept-rollback"), "{said}");

    let said = command(&nodes.data(0), &["restore", "--accept-rollback"], "");
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success() && words.contains("2 sessions have ended"), "{words}");
    assert!(words.contains("1 API keys are suspended"), "{words}");
    clock::until(PATIENCE, || (nodes.ready(0).0 == 200).then_some(())).expect("it opens by itself");
    nodes.start(1);
    for gone in [&dead, &live, &key] {
        assert_eq!(nodes.calls(gone), [401, 401]);
    }
    assert_eq!(nodes.calls(&nodes.token("ada")), [200, 200]);
    must(&nodes.data(1), &["key", "resume", "--all"], "");
    assert_eq!(nodes.calls(&key), [200, 200]);
    let again = command(&nodes.data(1), &["restore", "--accept-rollback"], "");
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("nothing was done"));

    // The life before that, put back in its turn.
    server.copy("accepted");
    server.put_back("newer");
    server.up();
    nodes.closed(&live);
    // The right one: they open again without anybody.
    server.crash();
    server.put_back("accepted");
    server.up();
    clock::until(PATIENCE, || (nodes.ready(0).0 == 200 && nodes.ready(1).0 == 200).then_some(())).expect("open");
}

#[test]
fn nothing_acknowledged_is_lost_when_a_synchronous_standby_takes_over_and_nodes_go_on_within_a_lease() {
    let mut primary = Server::start();
    let standby = primary.standby();
    primary.wait_for_standby();
    let nodes = Nodes::on(&[&primary, &standby]);
    nodes.add("ada");
    let live = nodes.token("ada");
    assert_eq!(nodes.calls(&live), [200, 200]);
    let mut ended = Vec::new();
    for name in ["bea", "cem", "dan", "eve", "fay"] {
        nodes.add(name);
        ended.push(nodes.token(name));
        must(&nodes.data(ended.len() % 2), &["user", "disable", name], "");
    }
    primary.crash();
    standby.promote();
    let back = clock::now();
    clock::until(PATIENCE, || (nodes.calls(&live) == [200, 200]).then_some(())).expect("they find the new primary");
    assert!(back.elapsed() <= LEASE + SLACK, "{:?} after it took writes", back.elapsed());
    for token in &ended {
        assert_eq!(nodes.calls(token), [401, 401], "what was acknowledged before is so after");
    }
    must(&nodes.data(1), &["session", "end", "--user", "ada"], "");
    assert_eq!(nodes.calls(&live), [401, 401]);
    assert_eq!(nodes.calls(&nodes.token("ada")), [200, 200]);
    assert!(!nodes.node(0).log().contains("CLOSED") && !nodes.node(1).log().contains("CLOSED"));
}

#[test]
fn a_standby_that_lacks_what_was_acknowledged_closes_the_nodes_until_an_operator_accepts_it() {
    let mut primary = Server::start();
    let mut standby = primary.standby();
    let nodes = Nodes::on(&[&primary, &standby]);
    nodes.add("ada");
    let dead = nodes.token("ada");
    // It follows that far, and no further.
    let followed = primary.ask("SELECT pg_current_wal_flush_lsn()");
    let caught_up = format!("SELECT pg_last_wal_replay_lsn() >= '{followed}'::pg_lsn");
    clock::until(PATIENCE, || (standby.ask(&caught_up) == "t").then_some(())).expect("the standby follows");
    standby.crash();
    must(&nodes.data(0), &["session", "end", "--user", "ada"], "");
    assert_eq!(nodes.calls(&dead), [401, 401]);
    primary.crash();
    standby.up();
    standby.promote();
    nodes.closed(&dead);
    must(&nodes.data(1), &["restore", "--accept-rollback"], "");
    let open = || (nodes.ready(0).0 == 200 && nodes.ready(1).0 == 200).then_some(());
    clock::until(PATIENCE, open).expect("one acceptance opens both");
    assert_eq!(nodes.calls(&dead), [401, 401]);
    assert_eq!(nodes.calls(&nodes.token("ada")), [200, 200]);
}

#[test]
fn without_the_standby_that_commits_wait_for_checks_go_on_and_nothing_is_acknowledged_until_it_is_back() {
    let primary = Server::start();
    let mut standby = primary.standby();
    primary.wait_for_standby();
    let nodes = Nodes::on(&[&primary]);
    nodes.add("ada");
    let live = nodes.token("ada");
    standby.crash();
    let without_lease = || (nodes.ready(0).0 == 503 && nodes.ready(1).0 == 503).then_some(());
    clock::until(PATIENCE, without_lease).expect("a renewal is a commit like any other");
    assert_eq!(nodes.calls(&live), [200, 200], "they ask the database, which still answers");
    assert_eq!(login(nodes.node(0).public, "ada", PASSWORD).status, 503, "nothing is issued");
    let said = command(&nodes.data(0), &["session", "end", "--user", "ada"], "");
    assert!(!said.status.success(), "nothing is acknowledged: {said:?}");
    standby.up();
    let ready = || (nodes.ready(0).0 == 200 && nodes.ready(1).0 == 200).then_some(());
    clock::until(PATIENCE, ready).expect("they go on by themselves");
    assert_eq!(nodes.calls(&nodes.token("ada")), [200, 200]);
}
