//! The half of a node that answers requests: its machine, its cache, and what it does with each answer of the store.

use std::time::Duration;

use keyfob_core::change::Revision;
use keyfob_core::id::NodeId;
use keyfob_core::lease::{Answer, Granted, Moment, Node, Renewal, Renewed, Terms};

use crate::cache::Cache;
use crate::flaw::Flaw;
use crate::store::Value;

/// A node that answers requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Guard {
    /// Its registration and its lease.
    pub node: Node,
    /// What it remembers.
    pub cache: Cache,
}

/// What a node does after a renewal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    /// It reads the changes.
    ReadChanges(Granted),
    /// It registers under a new id.
    Register,
    /// Nothing.
    Nothing,
}

impl Guard {
    /// A process that starts.
    #[must_use]
    pub fn start(terms: Terms, id: NodeId, revision: Revision, facts: usize, flaw: Option<Flaw>) -> Self {
        let mut guard = Self { node: Node::new(terms, id, revision), cache: Cache::new(facts) };
        guard.believe(id, flaw);
        guard
    }

    /// Register once more.
    pub fn begin_again(&mut self, id: NodeId, flaw: Option<Flaw>) {
        self.node.begin_again(id);
        self.believe(id, flaw);
    }

    fn believe(&mut self, id: NodeId, flaw: Option<Flaw>) {
        if flaw == Some(Flaw::LeaseBeforeRow) {
            self.node.registered(id);
        }
    }

    /// A renewal's commit returned at `now`.
    pub fn renewed(&mut self, renewal: Renewal, rows: u64, now: Moment, flaw: Option<Flaw>) -> Next {
        let blind = matches!(flaw, Some(Flaw::StruckOutGoesOn | Flaw::LeaseBeforeRow));
        match self.node.renewed(renewal, if blind { 1 } else { rows }) {
            Renewed::ReadChanges(granted) => {
                if flaw == Some(Flaw::LeaseBeforeChanges) {
                    self.grant(granted.clone(), self.node.applied(), now, flaw);
                }
                Next::ReadChanges(granted)
            }
            Renewed::StruckOut => {
                self.cache.forget_all();
                Next::Register
            }
            Renewed::Outdated => Next::Nothing,
        }
    }

    /// The facts that were changed up to `upto` are known: because of a renewal, or because a doorbell rang.
    pub fn apply(
        &mut self,
        changed: &[usize],
        upto: Revision,
        now: Moment,
        granted: Option<Granted>,
        flaw: Option<Flaw>,
    ) {
        if flaw != Some(Flaw::ConfirmsUnapplied) || granted.is_some() {
            for fact in changed {
                self.cache.forget(*fact);
            }
        }
        match granted {
            Some(granted) => self.grant(granted, upto, now, flaw),
            None => self.node.apply(upto),
        }
    }

    fn grant(&mut self, granted: Granted, upto: Revision, now: Moment, flaw: Option<Flaw>) {
        let mut granted = granted;
        if flaw == Some(Flaw::LeaseFromReply)
            && let Some(later) = self.node.renew(now)
            && let Renewed::ReadChanges(later) = self.node.renewed(later, 1)
        {
            granted = later;
        }
        self.node.grant(granted, upto);
    }

    /// Whether it holds a lease at `now`.
    #[must_use]
    pub fn leased(&self, now: Moment) -> bool {
        self.node.lease_left(now) > Duration::ZERO
    }

    /// What a request that begins at `now` finds without asking the store.
    #[must_use]
    pub fn hit(&self, fact: usize, now: Moment, flaw: Option<Flaw>) -> Option<Value> {
        let may = self.node.answer(now, true) == Answer::FromCache || flaw == Some(Flaw::NoLeaseCheck);
        self.cache.entry(fact).filter(|_| may)
    }
}
