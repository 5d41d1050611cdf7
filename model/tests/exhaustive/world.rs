//! One state of the installation: the store, the guards with their links to it, and the desk, which is the half of a node
//! that makes changes, acknowledges them, and watches the others.

use keyfob_core::change::Revision;
use keyfob_core::id::NodeId;
use keyfob_core::lease::{Acknowledgement, Granted, Moment, Renewal, Row, Strike, Watch};
use model::{Flaw, Guard, Store, Value};

use crate::bounds::Bounds;

/// The one fact that everything is about.
pub(crate) const FACT: usize = 0;

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) tick: u64,
    /// How fast the clocks go: the guards' and the desk's.
    pub(crate) paces: (u64, u64),
    pub(crate) store: Store,
    /// When the store went away, if it is away.
    pub(crate) away_since: Option<u64>,
    pub(crate) guards: Vec<Process>,
    pub(crate) desk: Desk,
    /// The next id that was never used.
    pub(crate) fresh: u8,
    pub(crate) spent: Spent,
    /// A promise that the last step broke.
    pub(crate) broken: Option<Broken>,
}

/// Faults that have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Spent {
    pub(crate) crashes: u8,
    pub(crate) losses: u8,
    pub(crate) outages: u8,
}

/// A promise that a step can break. (The others can be seen in a state.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Broken {
    /// A change was acknowledged that was not in force somewhere.
    G4,
}

/// A guard and its connection to the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) guard: Guard,
    pub(crate) link: Link,
    /// Whether its row was ever committed.
    pub(crate) row_sent: bool,
    /// Renewals that this registration has sent.
    pub(crate) renewals: u8,
    /// A renewal whose answer it gave up waiting for, which the store may still get.
    pub(crate) astray: Option<Renewal>,
    /// What the fill under way will bring.
    pub(crate) filling: Option<Value>,
}

/// What is between a guard and the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Link {
    Idle,
    /// A renewal, on the way there · the answer, on the way back.
    Renewing(Renewal),
    Renewed(Renewal, u64),
    /// The changes after the first revision up to the second, on the way back.
    Changes(Granted, Revision, Revision),
}

/// The half of a node that changes, acknowledges and watches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Desk {
    /// Changes of the script that are over, acknowledged or not.
    pub(crate) done: usize,
    pub(crate) stage: Stage,
    /// The newest denial that was acknowledged.
    pub(crate) acknowledged: Revision,
    pub(crate) watch: Watch,
    /// A deletion on the way to the store.
    pub(crate) strike: Option<Strike>,
    /// What a refresh under way was judged on.
    pub(crate) refresh: Option<Value>,
}

/// Where a change is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// There is none.
    Idle,
    /// Written in a transaction that is still open. The rows as they were then: nobody may look at them later.
    Open(Vec<Row>),
    /// Committed, and the commit returned.
    Waiting(Acknowledgement, Revision),
}

impl World {
    /// Where it begins.
    pub(crate) fn new(bounds: &Bounds, paces: (u64, u64)) -> Self {
        let mut world = Self {
            tick: 0,
            paces,
            store: Store::new(1),
            away_since: None,
            guards: Vec::new(),
            desk: Desk {
                done: 0,
                stage: Stage::Idle,
                acknowledged: Revision(0),
                watch: Watch::new(bounds.terms()),
                strike: None,
                refresh: None,
            },
            fresh: 0,
            spent: Spent::default(),
            broken: None,
        };
        for _ in 0..bounds.guards {
            let process = world.process(bounds);
            world.guards.push(process);
        }
        world
    }

    /// A process that has just started.
    pub(crate) fn process(&mut self, bounds: &Bounds) -> Process {
        let id = self.fresh_id();
        let guard = Guard::start(bounds.terms(), id, self.store.revision(), 1, bounds.flaw);
        let (link, astray, filling) = (Link::Idle, None, None);
        Process { guard, link, row_sent: false, renewals: 0, astray, filling }
    }

    /// An id that was never used.
    pub(crate) fn fresh_id(&mut self) -> NodeId {
        self.fresh += 1;
        NodeId::from_bytes([self.fresh; 16])
    }

    /// What the clocks of the guards say now. They were started at another time than the desk's.
    pub(crate) fn now(&self) -> Moment {
        Moment::from_micros(1_000 + self.paces.0 * self.tick)
    }

    /// What the desk's clock says now.
    pub(crate) fn now_at_the_desk(&self) -> Moment {
        Moment::from_micros(self.paces.1 * self.tick)
    }

    /// What a request that begins now is told from each cache that may answer.
    fn hits(&self, flaw: Option<Flaw>) -> impl Iterator<Item = Value> {
        let now = self.now();
        self.guards.iter().filter_map(move |process| process.guard.hit(FACT, now, flaw))
    }

    /// An allow that an acknowledged denial has overtaken.
    fn is_stale(&self, value: Value) -> bool {
        value.allow && value.at < self.desk.acknowledged
    }

    /// Whether anything was proved: a denial was acknowledged, and somebody answers from a cache.
    pub(crate) fn something_happened(&self) -> bool {
        let leased = |process: &Process| process.guard.leased(self.now());
        self.desk.acknowledged > Revision(0) && self.guards.iter().any(leased)
    }

    /// G1: no request that begins after the acknowledgement of a denial is allowed by a cache.
    pub(crate) fn denials_are_final(&self, bounds: &Bounds) -> bool {
        !self.hits(bounds.flaw).any(|value| self.is_stale(value))
    }

    /// G3: a lease after the store went away, no cache answers.
    pub(crate) fn fails_closed(&self, bounds: &Bounds) -> bool {
        let pace = self.paces.0;
        let long_ago = self.away_since.is_some_and(|since| (self.tick - since) * pace >= bounds.lease);
        !(long_ago && self.hits(bounds.flaw).next().is_some())
    }

    /// G4: what is acknowledged was in force everywhere, and nothing is allowed by what is not durable.
    pub(crate) fn denies_early_and_allows_late(&self, bounds: &Bounds) -> bool {
        let durable = self.store.revision();
        self.broken != Some(Broken::G4) && !self.hits(bounds.flaw).any(|value| value.at > durable)
    }

    /// G8: the store itself never takes back a denial that was acknowledged. (That caches do not is G1.)
    pub(crate) fn nothing_revives(&self) -> bool {
        !self.is_stale(self.store.value(FACT))
    }
}
