//! The installation and its event loop: five nodes, one store, and a network that delays, reorders and loses. Faults stop
//! after a while, and then everything must be well again.

use std::time::Duration;

use keyfob_core::change::Revision;
use keyfob_core::id::NodeId;
use keyfob_core::lease::Terms;
use model::{Flaw, Guard, Store};

use crate::clock::Clock;
use crate::event::{Ask, Event, Queue, Reply, Task, Timer};
use crate::node::Node;
use crate::random::Random;

pub(crate) const NODES: usize = 5;
pub(crate) const FACTS: usize = 6;
/// Until here there are faults.
const STORM: Duration = Duration::from_secs(40);
/// From here on everything must work: the longest pause or cut has ended, and rows of the dead were struck out.
const CALM: Duration = Duration::from_mins(1);
const END: Duration = Duration::from_secs(66);

/// What went wrong, and when.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) promise: &'static str,
    pub(crate) what: String,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    pub(crate) requests: u64,
    pub(crate) hits: u64,
    pub(crate) acknowledged: u64,
    pub(crate) struck_out: u64,
}

pub(crate) struct Installation {
    pub(crate) now: Duration,
    pub(crate) terms: Terms,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) random: Random,
    pub(crate) queue: Queue,
    pub(crate) store: Store,
    pub(crate) nodes: Vec<Node>,
    /// The newest acknowledged denial of each fact.
    pub(crate) denied: Vec<Revision>,
    pub(crate) counts: Counts,
    pub(crate) broken: Option<Broken>,
    ids: u64,
    away_until: Duration,
    trace: bool,
}

/// Run one seed to its end, or to the first promise that is broken.
pub(crate) fn run(seed: u64, flaw: Option<Flaw>, trace: bool) -> Result<Counts, Broken> {
    let mut all = Installation::new(seed, flaw, trace);
    while all.broken.is_none() {
        let Some((at, event)) = all.queue.pop() else { break };
        if at >= END {
            break;
        }
        all.now = at;
        all.counts.events += 1;
        all.happen(event);
    }
    all.finish();
    all.broken.map_or(Ok(all.counts), Err)
}

impl Installation {
    fn new(seed: u64, flaw: Option<Flaw>, trace: bool) -> Self {
        let mut random = Random::new(seed);
        // Half of the seeds have the clocks that are assumed, the others much worse ones, and know it.
        let (parts, of) = if random.happens(500) { (1, 1000) } else { (1, 5) };
        let terms = Terms::new(Duration::from_secs(2), parts, of).expect("such terms there are");
        let mut all = Self {
            now: Duration::ZERO,
            terms,
            flaw,
            random,
            queue: Queue::default(),
            store: Store::new(FACTS),
            nodes: Vec::new(),
            denied: vec![Revision(0); FACTS],
            counts: Counts::default(),
            broken: None,
            ids: 0,
            away_until: Duration::ZERO,
            trace,
        };
        for node in 0..NODES {
            let clock = Clock::new(&mut all.random, parts, of);
            let guard = all.fresh_guard();
            all.nodes.push(Node::new(clock, guard, terms));
            all.start_timers(node);
        }
        all.plan_faults();
        all
    }

    pub(crate) fn fresh_id(&mut self) -> NodeId {
        self.ids += 1;
        NodeId::from_bytes(u128::from(self.ids).to_be_bytes())
    }

    fn fresh_guard(&mut self) -> Guard {
        let id = self.fresh_id();
        Guard::start(self.terms, id, self.store.revision(), FACTS, self.flaw)
    }

    fn plan_faults(&mut self) {
        let second = Duration::from_secs(1);
        for _ in 0..30 {
            let at = self.random.between(second, STORM);
            let node = self.random.below(NODES);
            // A third of them about as long as it takes to be struck out.
            let (least, most) =
                if self.random.happens(333) { (second * 7 / 2, second * 6) } else { (second / 10, second * 10) };
            let length = self.random.between(least, most);
            let event = match self.random.below(8) {
                0 | 1 => Event::Kill { node },
                2..=4 => Event::Pause { node, length },
                5 => Event::Cut { node, length, one_way: false },
                6 => Event::Cut { node, length, one_way: true },
                _ => Event::Outage { length: length / 2 },
            };
            self.queue.push(at, event);
        }
    }

    /// The promise `promise` is broken.
    pub(crate) fn breaks(&mut self, promise: &'static str, what: &str) {
        let what = format!("{:.6} s: {what}", self.now.as_secs_f64());
        self.broken.get_or_insert(Broken { promise, what });
    }

    #[expect(clippy::print_stderr, reason = "asked for, to see what one seed does")]
    fn happen(&mut self, event: Event) {
        if self.trace {
            eprintln!("{:>12.6} {event:?}", self.now.as_secs_f64());
        }
        match event {
            Event::Asked { node, life, task, ask } => self.asked(node, life, task, ask),
            Event::Kill { node } => self.kill(node),
            Event::Pause { node, length } => self.nodes[node].paused_until = self.now + length,
            Event::Cut { node, length, one_way } => self.nodes[node].cut = (self.now + length, one_way),
            Event::Outage { length } => self.away_until = self.now + length,
            // A process that is stopped gets everything when it goes on.
            Event::Answered { node, .. }
            | Event::Doorbell { node }
            | Event::Timer { node, .. }
            | Event::Request { node, .. }
            | Event::Start { node }
                if self.now < self.nodes[node].paused_until =>
            {
                self.queue.push(self.nodes[node].paused_until, event);
            }
            Event::Start { node } => self.start(node),
            _ => self.happen_at_a_node(event),
        }
    }

    /// A question leaves a node.
    pub(crate) fn ask(&mut self, node: usize, task: Task, ask: Ask) {
        let (life, delay) = (self.nodes[node].life, self.delay());
        let patience = self.nodes[node].patience;
        self.queue.push(self.now + patience, Event::Timer { node, life, timer: Timer::GiveUp(task) });
        let (until, one_way) = self.nodes[node].cut;
        if (one_way || self.now >= until) && !self.is_lost(10) {
            self.queue.push(self.now + delay, Event::Asked { node, life, task, ask });
        }
    }

    /// The store gets it, and its answer leaves.
    fn asked(&mut self, node: usize, life: u64, task: Task, ask: Ask) {
        if self.now < self.away_until {
            return;
        }
        let before = self.store.revision();
        let reply = self.answer_of_the_store(node, life, ask);
        if let Some(fact) = (0..FACTS).find(|fact| self.is_stale(*fact)) {
            self.breaks("G8", &format!("the store has taken back the acknowledged denial of fact {fact}"));
        }
        if self.store.revision() > before {
            for other in 0..NODES {
                let delay = self.delay();
                if self.now >= self.nodes[other].cut.0 && !self.is_lost(300) {
                    self.queue.push(self.now + delay, Event::Doorbell { node: other });
                }
            }
        }
        let delay = self.delay();
        if self.now >= self.nodes[node].cut.0 && !self.is_lost(10) {
            self.queue.push(self.now + delay, Event::Answered { node, life, task, reply });
        }
    }

    fn answer_of_the_store(&mut self, node: usize, life: u64, ask: Ask) -> Reply {
        match ask {
            Ask::Insert(row) => {
                self.store.insert(row);
                Reply::Inserted
            }
            Ask::Renew(renewal) => {
                let rows = self.store.renew(&renewal);
                self.nodes[node].heard(life, self.now);
                Reply::Renewed(rows)
            }
            Ask::Changes(from) => {
                Reply::Changes { facts: self.store.changed_since(from).to_vec(), upto: self.store.revision() }
            }
            Ask::Read(fact) => Reply::Value(self.store.value(fact)),
            Ask::Commit { fact, allow } => Reply::Committed(self.store.commit(fact, allow)),
            Ask::Rows => Reply::Rows(self.store.rows().to_vec()),
            Ask::Strike(strike) => {
                let rows = self.store.rows().len();
                self.store.strike(strike, self.flaw);
                self.counts.struck_out += u64::from(self.store.rows().len() < rows);
                Reply::Done
            }
            Ask::Refresh { fact, judged } => {
                self.store.refresh(fact, judged, self.flaw);
                Reply::Done
            }
        }
    }

    fn is_stale(&self, fact: usize) -> bool {
        let value = self.store.value(fact);
        value.allow && value.at < self.denied[fact]
    }

    /// Whether a message is lost that is so `times` times in a thousand, during the storm.
    fn is_lost(&mut self, times: u64) -> bool {
        self.now < STORM && self.random.happens(times)
    }

    /// How long a message is under way: mostly a fraction of a millisecond, now and then seconds.
    fn delay(&mut self) -> Duration {
        let (most, seldom) =
            if self.now < STORM { (Duration::from_secs(3), 40) } else { (Duration::from_millis(9), 20) };
        let most = if self.random.happens(seldom) { most } else { Duration::from_millis(2) };
        self.random.between(Duration::from_micros(100), most)
    }

    fn kill(&mut self, node: usize) {
        self.nodes[node].die();
        let delay = self.random.between(Duration::from_millis(10), Duration::from_secs(3));
        self.queue.push(self.now + delay, Event::Start { node });
    }

    fn start(&mut self, node: usize) {
        if self.nodes[node].up {
            return;
        }
        let guard = self.fresh_guard();
        self.nodes[node].start(guard, self.terms);
        self.start_timers(node);
    }

    fn start_timers(&mut self, node: usize) {
        for timer in [Timer::Renew, Timer::Watch, Timer::Refresh, Timer::Change, Timer::Request] {
            self.set(node, timer, Duration::from_millis(100));
        }
    }

    /// Let a timer of this life run out within `most`.
    pub(crate) fn set(&mut self, node: usize, timer: Timer, most: Duration) {
        let (life, length) = (self.nodes[node].life, self.random.between(most / 4, most));
        self.queue.push(self.now + length, Event::Timer { node, life, timer });
    }

    /// Whether faults have been over for long enough that everything must work.
    pub(crate) fn is_calm(&self) -> bool {
        self.now >= CALM
    }

    /// G3: recovery needs no restart.
    fn finish(&mut self) {
        let leased = self.nodes.iter().filter(|node| node.guard.leased(node.moment(self.now))).count();
        if leased < NODES {
            self.breaks(
                "recovery",
                &format!("{leased} of {NODES} nodes hold a lease although nothing is wrong any more"),
            );
        }
    }
}
