//! The outside recorder: what was acknowledged to whom, and the judgement of every use. A use counts as late if the
//! acknowledgement had been read before its first byte was written; none of those may be let in. Nor may a credential
//! that nobody has begun to revoke be refused, nor anybody be let in by a node that has had no database for a lease.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::installation::{Installation, NODES};
use crate::campaign::StopAtEnd;
use crate::support::clock;
use crate::support::http::Request;

/// How long a node may go on by its lease, with what a clock of the test may be late.
const LEASE_AT_MOST: Duration = Duration::from_millis(2_100);
/// How long a credential is used on after its revocation was acknowledged.
const AFTERWARDS: Duration = Duration::from_millis(1_200);

/// Something that opens the API, and what has become of it.
pub struct Credential {
    /// An access token or an API key.
    pub secret: String,
    /// The bytes of a check, and of a call through the gateway.
    pub requests: [Vec<u8>; 2],
    begun: AtomicBool,
    acknowledged: OnceLock<(Instant, String)>,
    passed: [AtomicU32; NODES],
}

impl Credential {
    /// One that nobody has begun to revoke.
    pub fn live(secret: String) -> Arc<Self> {
        let check = Request::new("GET", "/auth/check/forward")
            .header("X-Forwarded-Method", "GET")
            .header("X-Forwarded-Uri", "/things/1");
        let requests = [check, Request::new("GET", "/things/1")].map(|request| request.bearer(&secret).bytes());
        Arc::new(Self {
            secret,
            requests,
            begun: AtomicBool::new(false),
            acknowledged: OnceLock::new(),
            passed: [const { AtomicU32::new(0) }; NODES],
        })
    }

    /// From now on nobody knows, until the end is acknowledged.
    pub fn ends(&self) {
        self.begun.store(true, Ordering::SeqCst);
    }

    /// The end of it was acknowledged, to a request that said so.
    pub fn ended(&self, by: &str) {
        let _ = self.acknowledged.set((clock::now(), by.to_owned()));
    }

    /// Whether the end of it is acknowledged.
    pub fn is_dead(&self) -> bool {
        self.acknowledged.get().is_some()
    }

    /// Whether it was let in at every node.
    pub fn is_known_everywhere(&self) -> bool {
        self.passed.iter().all(|passed| passed.load(Ordering::Relaxed) > 0)
    }
}

/// One use under way: what was so before its first byte was written.
pub struct Use {
    credential: Arc<Credential>,
    late: bool,
    /// When the node lost its database, if that was more than a lease ago.
    cut_off: Option<Instant>,
    /// How often the node's clock had been set.
    steps: u64,
}

/// What is known while a cycle runs.
pub struct Stage<'i> {
    /// What is tried.
    pub installation: &'i Installation,
    /// What is wrong with it now, for messages.
    pub fault: String,
    rows: Mutex<Arc<Vec<Arc<Credential>>>>,
    dead: Mutex<Vec<Arc<Credential>>>,
    cuts: [Mutex<Option<Instant>>; NODES],
    /// How often each node's clock was set.
    steps: [AtomicU64; NODES],
    /// Where the fault is.
    ill: [AtomicBool; NODES],
    /// Odd while a fault is felt.
    pub weather: AtomicU64,
    rest: AtomicBool,
    stop: AtomicBool,
    violation: OnceLock<String>,
    counts: Mutex<BTreeMap<&'static str, usize>>,
}

impl<'i> Stage<'i> {
    /// Nothing has happened.
    pub fn of(installation: &'i Installation, fault: String) -> Self {
        Self {
            installation,
            fault,
            rows: Mutex::default(),
            dead: Mutex::default(),
            cuts: [const { Mutex::new(None) }; NODES],
            steps: [const { AtomicU64::new(0) }; NODES],
            ill: [const { AtomicBool::new(false) }; NODES],
            weather: AtomicU64::new(0),
            rest: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            violation: OnceLock::new(),
            counts: Mutex::default(),
        }
    }

    /// What is to be used now, the latest dead first.
    pub fn rows(&self) -> Arc<Vec<Arc<Credential>>> {
        Arc::clone(&self.rows.lock().expect("nobody panics with it"))
    }

    /// Use these too. Those that have been dead for long are put aside.
    pub fn use_also(&self, more: &[Arc<Credential>]) {
        self.change(|rows| rows.extend_from_slice(more));
    }

    /// Use none of these any more.
    pub fn drop_all(&self, gone: &[Arc<Credential>]) {
        self.change(|rows| rows.retain(|row| !gone.iter().any(|gone| Arc::ptr_eq(gone, row))));
    }

    /// The dead ones to the front: a node that stands still is to find them when it wakes.
    pub fn died(&self) {
        self.change(|_| {});
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Arc<Credential>>)) {
        let mut rows = self.rows.lock().expect("nobody panics with it");
        let mut next = rows.to_vec();
        change(&mut next);
        let long_dead = |row: &Arc<Credential>| row.acknowledged.get().is_some_and(|(at, _)| at.elapsed() > AFTERWARDS);
        let mut dead = self.dead.lock().expect("nobody panics with it");
        dead.extend(next.extract_if(.., |row| long_dead(row)));
        next.sort_by_key(|row| Reverse(row.acknowledged.get().map(|(at, _)| *at)));
        *rows = Arc::new(next);
    }

    /// Those whose end was acknowledged in this cycle.
    pub fn dead(&self) -> Vec<Arc<Credential>> {
        let rows = self.rows();
        let mut dead = self.dead.lock().expect("nobody panics with it").clone();
        dead.extend(rows.iter().filter(|row| row.is_dead()).cloned());
        dead
    }

    /// The fault is there from now on, or no more.
    pub fn note_ill(&self, node: usize, ill: bool) {
        self.ill[node].store(ill, Ordering::SeqCst);
    }

    /// Whether the fault is there.
    pub fn is_ill(&self, node: usize) -> bool {
        self.ill[node].load(Ordering::SeqCst)
    }

    /// The node has no database from now on, or may have one again.
    pub fn note_cut(&self, node: usize, cut: bool) {
        *self.cuts[node].lock().expect("nobody panics with it") = cut.then(clock::now);
    }

    fn cut(&self, node: usize) -> Option<Instant> {
        *self.cuts[node].lock().expect("nobody panics with it")
    }

    /// The clock of the node is wrong by so many seconds from now on.
    pub fn set_clock(&self, node: usize, seconds: i64) {
        // Whatever is under way then may have been judged by either time.
        self.steps[node].fetch_add(1, Ordering::SeqCst);
        self.installation.nodes[node].shift_clock(seconds);
        self.steps[node].fetch_add(1, Ordering::SeqCst);
    }

    /// To be called before the first byte is written.
    pub fn begin(&self, node: usize, credential: &Arc<Credential>) -> Use {
        let cut_off = self.cut(node).filter(|at| at.elapsed() > LEASE_AT_MOST);
        let steps = self.steps[node].load(Ordering::SeqCst);
        Use { credential: Arc::clone(credential), late: credential.is_dead(), cut_off, steps }
    }

    /// To be called when the answer was read. What it was is counted by its name.
    pub fn judge(&self, node: usize, used: &Use, status: u16) -> &'static str {
        let Use { credential, late, cut_off, steps } = used;
        match status {
            200 if *late => {
                let (at, by) = credential.acknowledged.get().expect("it is dead");
                let ago = at.elapsed().as_millis();
                self.violated(format!("node {node} let somebody in {ago} ms after {by} was acknowledged"));
                "violations"
            }
            200 if cut_off.is_some() && self.cut(node) == *cut_off => {
                self.violated(format!("node {node} let somebody in without a lease"));
                "violations"
            }
            200 => {
                credential.passed[node].fetch_add(1, Ordering::Relaxed);
                "uses that were let in"
            }
            401 | 503 if *late => "uses that began after the acknowledgement and were refused",
            401 if credential.begun.load(Ordering::SeqCst) => "uses refused amid the revocation",
            401 if self.steps[node].load(Ordering::SeqCst) != *steps => "uses refused while the clock was set",
            401 => {
                self.violated(format!("node {node} refused a credential that nobody had revoked"));
                "violations"
            }
            503 => "uses that could not be judged (503)",
            other => {
                self.violated(format!("node {node} answered {other}"));
                "violations"
            }
        }
    }

    /// What must not happen has.
    pub fn violated(&self, what: String) {
        let _ = self.violation.set(what);
        self.stop();
    }

    /// What did, if anything.
    pub fn violation(&self) -> Option<&String> {
        self.violation.get()
    }

    /// Count these.
    pub fn count(&self, counts: &BTreeMap<&'static str, usize>) {
        let mut all = self.counts.lock().expect("nobody panics with it");
        for (what, number) in counts {
            *all.entry(what).or_default() += number;
        }
    }

    /// What was counted.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.counts.lock().expect("nobody panics with it").clone()
    }

    /// Everybody is to go slower from now on, or no more: how soon the nodes recover is not to be a matter of who gets a
    /// processor.
    pub fn rest(&self, rest: bool) {
        self.rest.store(rest, Ordering::SeqCst);
    }

    /// For each step of everybody.
    pub fn pace(&self, pause: Duration) {
        if self.rest.load(Ordering::SeqCst) && !self.stopped() {
            thread::sleep(pause);
        }
    }

    /// Everybody is to stop.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Everybody is to stop when this is dropped.
    pub fn stop_at_end(&self) -> StopAtEnd<'_> {
        StopAtEnd(&self.stop)
    }

    /// Whether everybody is to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}
