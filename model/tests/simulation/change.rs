//! How a simulated node changes a fact, and waits until it may say so.

use std::time::Duration;

use keyfob_core::change::Revision;
use keyfob_core::lease::{Acknowledgement, Moment, Progress, Row, Terms};
use model::{Flaw, Value};

use crate::event::{Ask, Task, Timer};
use crate::installation::{FACTS, Installation};
use crate::node::Node;

/// A change on its way to being acknowledged.
pub(crate) struct Change {
    fact: usize,
    allow: bool,
    committed: Option<Committed>,
    // The rows as they were before the commit: nobody but a flawed acknowledger looks at them.
    before: Vec<Row>,
}

struct Committed {
    revision: Revision,
    acknowledgement: Acknowledgement,
    returned: Moment,
}

impl Change {
    pub(crate) fn is_committed(&self) -> bool {
        self.committed.is_some()
    }
}

impl Installation {
    pub(crate) fn begin_change(&mut self, node: usize) {
        let fact = self.random.below(FACTS);
        let allow = !self.store.value(fact).allow;
        let (before, at) = (self.store.rows().to_vec(), Revision(self.store.revision().0 + 1));
        let it = &mut self.nodes[node];
        let number = it.number();
        it.changes.insert(number, Change { fact, allow, committed: None, before });
        if allow && self.flaw == Some(Flaw::GrantsBeforeDurable) {
            it.guard.cache.put(fact, Value { allow, at });
        }
        self.ask(node, Task::Change(number), Ask::Commit { fact, allow });
    }

    pub(crate) fn committed(&mut self, node: usize, number: u64, revision: Revision) {
        let drifting = self.flaw != Some(Flaw::WaitsWithoutDrift);
        let it = &mut self.nodes[node];
        let returned = it.moment(self.now);
        let Some(change) = it.changes.get_mut(&number) else { return };
        let terms = if drifting { self.terms } else { Terms::new(self.terms.lease(), 0, 1).unwrap_or_default() };
        let mut acknowledgement = Acknowledgement::new(terms, revision, returned);
        if self.flaw == Some(Flaw::RowsFromBefore) {
            acknowledgement.read(&change.before);
        }
        change.committed = Some(Committed { revision, acknowledgement, returned });
        self.progress(node, number);
        self.poll(node, number);
    }

    pub(crate) fn poll(&mut self, node: usize, number: u64) {
        if self.nodes[node].changes.contains_key(&number) {
            self.ask(node, Task::Confirm(number), Ask::Rows);
            self.progress(node, number);
            self.set(node, Timer::Poll(number), Duration::from_millis(40));
        }
    }

    pub(crate) fn rows_read(&mut self, node: usize, number: u64, rows: &[Row]) {
        let changes = &mut self.nodes[node].changes;
        if let Some(committed) = changes.get_mut(&number).and_then(|change| change.committed.as_mut()) {
            committed.acknowledgement.read(rows);
        }
        self.progress(node, number);
    }

    fn progress(&mut self, node: usize, number: u64) {
        let it = &self.nodes[node];
        let now = it.moment(self.now);
        let Some(committed) = it.changes.get(&number).and_then(|change| change.committed.as_ref()) else { return };
        let done = committed.acknowledgement.progress(now) == Progress::Acknowledge;
        let (revision, waited) = (committed.revision, now.since(committed.returned).unwrap_or_default());
        if waited > self.terms.wait() + Duration::from_millis(100) && self.is_calm() {
            self.breaks("G2", &format!("node {node} has waited {waited:?} to acknowledge {revision:?}"));
        } else if done || self.flaw == Some(Flaw::AcknowledgesAtOnce) {
            self.acknowledge(node, number, revision);
        }
    }

    fn acknowledge(&mut self, node: usize, number: u64, revision: Revision) {
        let Some(change) = self.nodes[node].changes.remove(&number) else { return };
        self.counts.acknowledged += 1;
        if !change.allow {
            self.denied[change.fact] = self.denied[change.fact].max(revision);
        }
        let leased = |node: &Node| node.up && node.guard.leased(node.moment(self.now));
        let lagging = |node: &Node| leased(node) && node.guard.node.applied() < revision;
        if let Some(other) = self.nodes.iter().position(lagging) {
            self.breaks("G4", &format!("{revision:?} is acknowledged, and node {other} holds a lease without it"));
        }
    }
}
