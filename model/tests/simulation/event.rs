//! What happens, when, and to whom.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use keyfob_core::change::Revision;
use keyfob_core::lease::{Renewal, Row, Strike};
use model::Value;

/// A question to the store: one statement or transaction.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Insert(Row),
    Renew(Renewal),
    Changes(Revision),
    Read(usize),
    Commit { fact: usize, allow: bool },
    Rows,
    Strike(Strike),
    Refresh { fact: usize, judged: Value },
}

/// What the store answers.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Inserted,
    Renewed(u64),
    Changes { facts: Vec<usize>, upto: Revision },
    Value(Value),
    Committed(Revision),
    Rows(Vec<Row>),
    Done,
}

/// Which of a node's tasks asked. The number tells a later question from an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// The connection of registration and renewal.
    Link(u64),
    /// Changes, because a doorbell rang.
    Feed,
    /// A fill.
    Fill(u64),
    /// A change: its commit · the rows, to acknowledge it.
    Change(u64),
    Confirm(u64),
    /// The rows, to see who is silent · a deletion.
    Watch,
    Strike,
    /// A refresh: what it is judged on · its save.
    Refresh(usize),
    Refreshed,
}

/// What a node does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    Renew,
    Watch,
    Refresh,
    Change,
    /// A request comes in.
    Request,
    /// Look at a change that is not acknowledged.
    Poll(u64),
    /// Nobody waits longer for this answer.
    GiveUp(Task),
}

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A question arrives, from this life of a node.
    Asked {
        node: usize,
        life: u64,
        task: Task,
        ask: Ask,
    },
    /// An answer arrives.
    Answered {
        node: usize,
        life: u64,
        task: Task,
        reply: Reply,
    },
    /// A doorbell rings.
    Doorbell {
        node: usize,
    },
    Timer {
        node: usize,
        life: u64,
        timer: Timer,
    },
    /// A request that began at a moment, with the denials that were acknowledged then.
    Request {
        node: usize,
        fact: usize,
        floor: Revision,
    },
    /// kill -9, and a start after some time · SIGSTOP for some time.
    Kill {
        node: usize,
    },
    Start {
        node: usize,
    },
    Pause {
        node: usize,
        length: Duration,
    },
    /// The network between a node and the store is cut, both ways or only back · the store is away from all.
    Cut {
        node: usize,
        length: Duration,
        one_way: bool,
    },
    Outage {
        length: Duration,
    },
}

/// Events by time; those of one instant in the order in which they were made.
#[derive(Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    made: u64,
}

struct Entry {
    at: Duration,
    number: u64,
    event: Event,
}

impl Queue {
    pub(crate) fn push(&mut self, at: Duration, event: Event) {
        self.made += 1;
        self.heap.push(Reverse(Entry { at, number: self.made, event }));
    }

    pub(crate) fn pop(&mut self) -> Option<(Duration, Event)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}
