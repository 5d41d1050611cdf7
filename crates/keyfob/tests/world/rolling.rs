//! Nodes that start at once, and a rolling restart: three nodes on one PostgreSQL, each stopped and started in turn behind a balancer that knows nothing
//! but `/auth/health/ready` and tries nothing twice. Not one call, refresh or sign-in fails, and no revocation waits for a
//! node that leaves.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::cluster::{Cluster, PATIENCE};
use crate::support::clock;
use crate::support::house::{PASSWORD, POLICY, login, login_request, token_of};
use crate::support::http::{Answer, Connection, Request, ask};
use crate::support::keyfob::{Keyfob, must};
use crate::support::postgres::Database;

/// How often the balancer asks each node whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// Refreshes of one session between two sign-ins.
const REFRESHES: usize = 20;
/// Successes of each kind of load between two steps of the restart.
const BETWEEN: u64 = 10;

/// A node, as the balancer sees it.
struct Place {
    public: SocketAddr,
    internal: SocketAddr,
    ready: bool,
    /// Requests under way.
    busy: usize,
}

/// Sends each request to a node that said it was ready when it was last asked.
struct Balancer {
    places: Mutex<Vec<Place>>,
    stop: AtomicBool,
    /// Calls, and refreshes and sign-ins, that were answered as they should be.
    calls: AtomicU64,
    issued: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Balancer {
    fn of(cluster: &Cluster) -> Self {
        let place = |node| Place { ready: false, busy: 0, ..at(cluster, node) };
        Self {
            places: Mutex::new((0..3).map(place).collect()),
            stop: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            issued: AtomicU64::new(0),
            failures: Mutex::new(Vec::new()),
        }
    }

    fn places(&self) -> MutexGuard<'_, Vec<Place>> {
        self.places.lock().expect("nobody panics with it")
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Ask the nodes whether they are ready.
    fn watch(&self) {
        while !self.stopped() {
            let internals: Vec<SocketAddr> = self.places().iter().map(|place| place.internal).collect();
            for (node, internal) in internals.into_iter().enumerate() {
                let asked = Connection::open(internal)
                    .and_then(|mut connection| connection.ask(&Request::new("GET", "/auth/health/ready")));
                let ready = asked.is_ok_and(|answer| answer.status == 200);
                let place = &mut self.places()[node];
                place.ready = ready && place.internal == internal;
            }
            thread::sleep(ASK_EVERY);
        }
    }

    /// One request at whichever node is next and ready, over a connection that is kept for it.
    fn send(&self, turn: &mut usize, kept: &mut [Option<Connection>], request: &Request) -> io::Result<Answer> {
        let (node, public) = {
            let mut places = self.places();
            for (place, kept) in places.iter().zip(kept.iter_mut()) {
                kept.take_if(|_| !place.ready);
            }
            *turn += 1;
            let next = (0..places.len()).map(|step| (*turn + step) % places.len()).find(|node| places[*node].ready);
            let node = next.ok_or_else(|| io::Error::other("no node is ready"))?;
            places[node].busy += 1;
            (node, places[node].public)
        };
        let mut connection = kept[node].take().map_or_else(|| Connection::open(public), Ok);
        let answer = connection.as_mut().map_or_else(|error| Err(error.kind().into()), |it| it.ask(request));
        kept[node] = connection.ok();
        self.places()[node].busy -= 1;
        answer
    }

    /// The same; it must be answered with 200.
    fn must(&self, turn: &mut usize, kept: &mut [Option<Connection>], request: &Request) -> Option<Answer> {
        match self.send(turn, kept, request) {
            Ok(answer) if answer.status == 200 => return Some(answer),
            Ok(answer) => self.fail(format!("{}: {}", answer.status, answer.text())),
            Err(error) => self.fail(error.to_string()),
        }
        None
    }

    fn fail(&self, what: String) {
        self.failures.lock().expect("nobody panics with it").push(what);
    }

    fn call(&self, token: &str) {
        let (mut turn, mut kept) = (0, [None, None, None]);
        let request = Request::new("GET", "/things/1").bearer(token);
        while !self.stopped() {
            self.calls.fetch_add(u64::from(self.must(&mut turn, &mut kept, &request).is_some()), Ordering::AcqRel);
        }
    }

    /// Sign in, refresh a few times, and again.
    fn issue(&self) {
        let (mut turn, mut kept) = (0, [None, None, None]);
        while !self.stopped() {
            let mut answer = self.must(&mut turn, &mut kept, &login_request("ada", PASSWORD));
            for _ in 0..REFRESHES {
                let Some(tokens) = answer else { break };
                self.issued.fetch_add(1, Ordering::AcqRel);
                let document = tokens.json();
                let refresh = document["refresh_token"].as_str().expect("a refresh token");
                let body = format!("grant_type=refresh_token&refresh_token={refresh}");
                let request = Request::new("POST", "/auth/token").body(body);
                let request = request.header("Content-Type", "application/x-www-form-urlencoded");
                answer = self.must(&mut turn, &mut kept, &request);
            }
        }
    }

    /// Wait until everybody who uses keyfob went on for a while.
    fn went_on(&self) {
        let count = || (self.calls.load(Ordering::Acquire), self.issued.load(Ordering::Acquire));
        let (calls, issued) = count();
        let more = || {
            let now = count();
            (now.0 >= calls + BETWEEN && now.1 >= issued + BETWEEN).then_some(())
        };
        let failed = || self.failures.lock().expect("nobody panics with it").first().cloned();
        let done = clock::until(PATIENCE, || more().map(|()| None).or_else(|| failed().map(Some)));
        assert_eq!(done, Some(None), "nobody is refused, and everybody goes on");
    }
}

fn at(cluster: &Cluster, node: usize) -> Place {
    let Some(keyfob) = &cluster.nodes[node] else { panic!("it runs") };
    Place { public: keyfob.public, internal: keyfob.internal, ready: false, busy: 0 }
}

#[test]
fn a_rolling_restart_fails_no_request_and_holds_up_no_revocation() {
    let mut cluster = Cluster::with(3, "drain-delay = \"10m\"\n");
    let token = cluster.signed_in("ada");
    let victims: Vec<String> = (0..6).map(|number| cluster.signed_in(&format!("victim{number}"))).collect();
    let balancer = Balancer::of(&cluster);
    thread::scope(|scope| {
        let guard = StopAtEnd(&balancer);
        scope.spawn(|| balancer.watch());
        let ready = || balancer.places().iter().all(|place| place.ready).then_some(());
        clock::until(PATIENCE, ready).expect("all nodes are ready");
        (0..3).for_each(|_| drop(scope.spawn(|| balancer.call(&token))));
        scope.spawn(|| balancer.issue());
        for node in 0..3 {
            balancer.went_on();
            restart(&mut cluster, &balancer, node, &victims[node * 2..node * 2 + 2]);
        }
        balancer.went_on();
        drop(guard);
    });
    assert_eq!(*balancer.failures.lock().expect("nobody panics"), Vec::<String>::new());
}

fn restart(cluster: &mut Cluster, balancer: &Balancer, node: usize, victims: &[String]) {
    let call = |at: SocketAddr, token: &str| ask(at, &Request::new("GET", "/things/1").bearer(token)).status;
    let leaving = at(cluster, node);
    cluster.signal(node, Signal::TERM);
    let quiet = || {
        let places = balancer.places();
        (!places[node].ready && places[node].busy == 0).then_some(())
    };
    clock::until(PATIENCE, quiet).expect("it says that it is not ready any more");
    assert_eq!(ask(leaving.internal, &Request::new("GET", "/auth/health/ready")).status, 503);
    assert_eq!(ask(leaving.internal, &Request::new("GET", "/auth/health/live")).status, 200);
    balancer.went_on();
    // Whoever still comes to it is served, and by what is true.
    assert_eq!(call(leaving.public, &victims[0]), 200);
    let other = cluster.data((node + 1) % 3);
    must(&other, &["user", "disable", &format!("victim{}", node * 2)], "");
    assert_eq!(call(leaving.public, &victims[0]), 401, "a node that leaves follows to its end");

    cluster.signal(node, Signal::TERM);
    let keyfob = cluster.nodes[node].take().expect("it runs");
    let log = keyfob.log();
    assert!(keyfob.wait().success(), "{log}");
    let nodes: Vec<serde_json::Value> =
        serde_json::from_str(&must(&other, &["--json", "cluster", "status"], "")).expect("JSON");
    assert_eq!(nodes.len(), 2, "its row went with it: {nodes:?}");
    must(&other, &["user", "disable", &format!("victim{}", node * 2 + 1)], "");
    balancer.went_on();

    cluster.start(node);
    balancer.places()[node] = at(cluster, node);
    let ready = || balancer.places()[node].ready.then_some(());
    clock::until(PATIENCE, ready).expect("it is ready again");
    assert_eq!(call(cluster.node(node).public, &victims[1]), 401);
    for running in cluster.nodes.iter().flatten() {
        let log = running.log();
        assert!(!log.contains("only after their leases ran out"), "a revocation waited for a node that left: {log}");
    }
}

/// Ends the load, also when the test fails: the scope waits for it.
struct StopAtEnd<'b>(&'b Balancer);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Release);
    }
}

#[test]
fn without_another_signal_it_stops_after_the_delay() {
    let cluster = Cluster::with(1, "drain-delay = \"3s\"\n");
    let token = cluster.signed_in("ada");
    let place = at(&cluster, 0);
    let before = clock::now();
    cluster.signal(0, Signal::TERM);
    let ready = || ask(place.internal, &Request::new("GET", "/auth/health/ready")).status;
    clock::until(PATIENCE, || (ready() == 503).then_some(())).expect("not ready at once");
    assert_eq!(ask(place.public, &Request::new("GET", "/things/1").bearer(&token)).status, 200);
    let mut cluster = cluster;
    assert!(cluster.nodes[0].take().expect("it runs").wait().success());
    assert!(before.elapsed() >= Duration::from_secs(3), "it served on");
}

#[test]
fn three_processes_that_start_at_once_on_an_empty_database_are_one_installation() {
    let first = Cluster::of(1);
    let database = Database::own();
    let folders: Vec<TempDir> = (0..3).map(|_| TempDir::new().expect("a temporary directory")).collect();
    let start = |folder: &TempDir| {
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("made");
        fs::copy(first.data(0).join("root.key"), data.join("root.key")).expect("copied");
        fs::write(folder.path().join("keyfob.toml"), format!("database = \"{}\"\n", database.url)).expect("written");
        fs::write(folder.path().join("policy.toml"), POLICY).expect("written");
        let policy = folder.path().join("policy.toml").display().to_string();
        Keyfob::serve(&data, &["--policy", &policy], &[])
    };
    let nodes: Vec<Keyfob> = thread::scope(|scope| {
        let starts: Vec<_> = folders.iter().map(|folder| scope.spawn(|| start(folder))).collect();
        starts.into_iter().map(|start| start.join().expect("it starts")).collect()
    });
    let data = folders[0].path().join("data");
    must(&data, &["user", "add", "ada", "--password-stdin", "--role", "caller"], &format!("{PASSWORD}\n"));
    for (turn, node) in nodes.iter().enumerate() {
        let answer = login(node.public, "ada", PASSWORD);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let token = token_of(&answer);
        let me = |at: SocketAddr| ask(at, &Request::new("GET", "/auth/me").bearer(&token)).status;
        let accepted: Vec<u16> = nodes.iter().map(|node| me(node.public)).collect();
        assert_eq!(accepted, [200; 3], "what node {turn} signed");
    }
    let nodes = must(&data, &["--json", "cluster", "status"], "");
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&nodes).expect("JSON").len(), 3);
}
