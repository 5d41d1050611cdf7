//! One simulated node: the guard, its tasks, its clock, and how each event is taken.

use std::collections::BTreeMap;
use std::time::Duration;

use keyfob_core::change::Revision;
use keyfob_core::id::NodeId;
use keyfob_core::lease::{Answer, Granted, Moment, Renewal, Strike, Terms, Watch};
use model::{Flaw, Guard, Next, Value};

use crate::change::Change;
use crate::clock::Clock;
use crate::event::{Ask, Event, Reply, Task, Timer};
use crate::installation::{FACTS, Installation};

/// Questions that requests may have at the store at once.
const POOL: usize = 8;

/// What the connection of registration and renewal waits for.
pub(crate) enum Waits {
    Inserted(NodeId),
    Renewed(Renewal),
    Changes(Granted),
}

pub(crate) struct Node {
    clock: Clock,
    pub(crate) guard: Guard,
    watch: Watch,
    pub(crate) up: bool,
    /// Raised by each start: what was for an earlier life is for nobody.
    pub(crate) life: u64,
    pub(crate) paused_until: Duration,
    /// Until when the network is cut, and whether only the way back is.
    pub(crate) cut: (Duration, bool),
    /// How long it waits for an answer.
    pub(crate) patience: Duration,
    link: Option<(u64, Waits)>,
    row_sent: bool,
    pub(crate) changes: BTreeMap<u64, Change>,
    requests: BTreeMap<u64, (usize, Revision)>,
    numbers: u64,
    heard: Option<Moment>,
}

impl Node {
    pub(crate) fn new(clock: Clock, guard: Guard, terms: Terms) -> Self {
        Self {
            patience: Duration::from_millis(500 + clock.offset() % 3500),
            clock,
            guard,
            watch: Watch::new(terms),
            up: true,
            life: 0,
            paused_until: Duration::ZERO,
            cut: (Duration::ZERO, false),
            link: None,
            row_sent: false,
            changes: BTreeMap::new(),
            requests: BTreeMap::new(),
            numbers: 0,
            heard: None,
        }
    }

    pub(crate) fn moment(&self, now: Duration) -> Moment {
        self.clock.moment(now)
    }

    pub(crate) fn die(&mut self) {
        self.up = false;
        self.life += 1;
    }

    pub(crate) fn start(&mut self, guard: Guard, terms: Terms) {
        self.up = true;
        (self.guard, self.watch, self.link, self.row_sent) = (guard, Watch::new(terms), None, false);
        (self.heard, self.paused_until) = (None, Duration::ZERO);
        self.changes.clear();
        self.requests.clear();
    }

    /// The store has committed a renewal of this life.
    pub(crate) fn heard(&mut self, life: u64, now: Duration) {
        if life == self.life {
            self.heard = Some(self.moment(now));
        }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

impl Installation {
    pub(crate) fn happen_at_a_node(&mut self, event: Event) {
        let lives = |node: usize, life: u64| self.nodes[node].up && self.nodes[node].life == life;
        match event {
            Event::Doorbell { node } if self.nodes[node].up => {
                self.ask(node, Task::Feed, Ask::Changes(self.nodes[node].guard.node.applied()));
            }
            Event::Request { node, fact, floor } if self.nodes[node].up => self.request(node, fact, floor),
            Event::Timer { node, life, timer } if lives(node, life) => self.timer(node, timer),
            Event::Answered { node, life, task, reply } if lives(node, life) => self.answered(node, task, reply),
            _ => {}
        }
    }

    fn timer(&mut self, node: usize, timer: Timer) {
        match timer {
            Timer::Renew => {
                self.renew(node);
                self.set(node, timer, self.terms.lease() / 4);
            }
            Timer::Watch => {
                self.ask(node, Task::Watch, Ask::Rows);
                self.set(node, timer, self.terms.lease());
            }
            Timer::Refresh => {
                let fact = self.random.below(FACTS);
                self.ask(node, Task::Refresh(fact), Ask::Read(fact));
                self.set(node, timer, Duration::from_millis(800));
            }
            Timer::Change => {
                self.begin_change(node);
                self.set(node, timer, Duration::from_millis(1_500));
            }
            Timer::Request => {
                let fact = self.random.below(FACTS);
                // It begins now; it may reach the process later.
                let (floor, delay) = (self.denied[fact], self.random.between(Duration::ZERO, Duration::from_millis(1)));
                self.queue.push(self.now + delay, Event::Request { node, fact, floor });
                self.set(node, timer, Duration::from_millis(80));
            }
            Timer::Poll(number) => self.poll(node, number),
            Timer::GiveUp(task) => self.give_up(node, task),
        }
    }

    fn give_up(&mut self, node: usize, task: Task) {
        let it = &mut self.nodes[node];
        match task {
            Task::Link(number) if it.link.as_ref().is_some_and(|(waits, _)| *waits == number) => {
                // A row that may be there or not: another id.
                if let Some((_, Waits::Inserted(_))) = it.link.take() {
                    self.begin_again(node);
                }
            }
            Task::Fill(number) => drop(it.requests.remove(&number)),
            // It could not be told whether it is durable.
            Task::Change(number) if it.changes.get(&number).is_some_and(|change| !change.is_committed()) => {
                it.changes.remove(&number);
            }
            _ => {}
        }
    }

    fn begin_again(&mut self, node: usize) {
        let id = self.fresh_id();
        self.nodes[node].guard.begin_again(id, self.flaw);
        self.nodes[node].row_sent = false;
    }

    fn renew(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        if it.link.is_some() {
            return;
        }
        let (now, number) = (it.moment(self.now), it.number());
        let renewal = it.guard.node.renew(now);
        let due = renewal.is_none() || it.guard.leased(now);
        let (waits, ask) = match renewal {
            // Normally before any renewal; with `LeaseBeforeRow` after the first lease.
            _ if due && !it.row_sent => {
                it.row_sent = true;
                let row = it.guard.node.row();
                (Waits::Inserted(row.id), Ask::Insert(row))
            }
            Some(renewal) => (Waits::Renewed(renewal.clone()), Ask::Renew(renewal)),
            None => return,
        };
        it.link = Some((number, waits));
        self.ask(node, Task::Link(number), ask);
    }

    fn answered(&mut self, node: usize, task: Task, reply: Reply) {
        let now = self.nodes[node].moment(self.now);
        match (task, reply) {
            (Task::Link(number), reply) => self.link_answered(node, number, reply, now),
            (Task::Feed, Reply::Changes { facts, upto }) => {
                self.nodes[node].guard.apply(&facts, upto, now, None, self.flaw);
                self.renew(node);
            }
            (Task::Fill(number), Reply::Value(value)) => self.filled(node, number, value),
            (Task::Change(number), Reply::Committed(revision)) => self.committed(node, number, revision),
            (Task::Confirm(number), Reply::Rows(rows)) => self.rows_read(node, number, &rows),
            (Task::Watch, Reply::Rows(rows)) => {
                let mut strikes = self.nodes[node].watch.read(&rows, now);
                if self.flaw == Some(Flaw::StrikesAtOnce) {
                    strikes = rows.iter().map(|row| Strike { id: row.id, beat: row.beat }).collect();
                }
                for strike in strikes {
                    self.ask(node, Task::Strike, Ask::Strike(strike));
                }
            }
            (Task::Refresh(fact), Reply::Value(judged)) if judged.allow => {
                self.ask(node, Task::Refreshed, Ask::Refresh { fact, judged });
            }
            _ => {}
        }
    }

    fn link_answered(&mut self, node: usize, number: u64, reply: Reply, now: Moment) {
        let it = &mut self.nodes[node];
        // An answer that nobody waits for any more is for nobody.
        let Some((_, waits)) = it.link.take_if(|(waits, _)| *waits == number) else { return };
        match (waits, reply) {
            (Waits::Inserted(id), Reply::Inserted) => {
                it.guard.node.registered(id);
                self.renew(node);
            }
            (Waits::Renewed(renewal), Reply::Renewed(rows)) => match it.guard.renewed(renewal, rows, now, self.flaw) {
                Next::ReadChanges(granted) => {
                    let (number, applied) = (it.number(), it.guard.node.applied());
                    it.link = Some((number, Waits::Changes(granted)));
                    self.ask(node, Task::Link(number), Ask::Changes(applied));
                }
                Next::Register => {
                    self.begin_again(node);
                    self.renew(node);
                }
                Next::Nothing => {}
            },
            (Waits::Changes(granted), Reply::Changes { facts, upto }) => {
                it.guard.apply(&facts, upto, now, Some(granted), self.flaw);
            }
            _ => {}
        }
    }

    fn request(&mut self, node: usize, fact: usize, floor: Revision) {
        self.counts.requests += 1;
        let it = &mut self.nodes[node];
        let now = it.moment(self.now);
        if let Some(value) = it.guard.hit(fact, now, self.flaw) {
            self.counts.hits += 1;
            let recent = it.heard.and_then(|heard| now.since(heard)).is_some_and(|age| age < self.terms.lease());
            if !recent {
                self.breaks(
                    "G3",
                    &format!("node {node} answers from its cache a lease after it last heard of the store"),
                );
            }
            return self.judge(node, fact, value, floor);
        }
        let room = it.requests.len() < POOL;
        if it.guard.node.answer(now, room) == Answer::Unavailable {
            return;
        }
        let number = it.number();
        it.requests.insert(number, (fact, floor));
        it.guard.cache.begin(number, fact);
        self.ask(node, Task::Fill(number), Ask::Read(fact));
    }

    fn filled(&mut self, node: usize, number: u64, value: Value) {
        let it = &mut self.nodes[node];
        it.guard.cache.finish(number, value, self.flaw);
        if let Some((fact, floor)) = it.requests.remove(&number) {
            self.judge(node, fact, value, floor);
        }
    }

    /// An answer: G1, and the half of G4 that nothing is allowed by what is not durable.
    fn judge(&mut self, node: usize, fact: usize, value: Value, floor: Revision) {
        if value.allow && value.at < floor {
            let what =
                format!("node {node} allows fact {fact} of {:?} after its denial {floor:?} was acknowledged", value.at);
            self.breaks("G1", &what);
        }
        if value.at > self.store.revision() {
            self.breaks("G4", &format!("node {node} answers by {:?}, which is not committed", value.at));
        }
    }
}
