//! The store as the nodes see it: facts, the revision that each change raises, and the rows of nodes. Each method is one
//! statement or transaction, and happens at one instant. Never fails and is never late: that is the network's part.

use keyfob_core::change::Revision;
use keyfob_core::lease::{Beat, Renewal, Row, Strike};

use crate::flaw::Flaw;

/// What is so of one fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Value {
    /// Whether a request that needs it is allowed.
    pub allow: bool,
    /// The revision that made it so.
    pub at: Revision,
}

/// Facts by number, all allowed at first; what changed them; and who is registered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Store {
    facts: Vec<Value>,
    // The fact that each revision changed, from revision 1 on.
    changes: Vec<usize>,
    rows: Vec<Row>,
}

impl Store {
    /// A store with `facts` facts.
    #[must_use]
    pub fn new(facts: usize) -> Self {
        Self { facts: vec![Value { allow: true, at: Revision(0) }; facts], changes: Vec::new(), rows: Vec::new() }
    }

    /// The newest committed revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision(self.changes.len() as u64)
    }

    /// A fact, as it is.
    #[must_use]
    pub fn value(&self, fact: usize) -> Value {
        self.facts[fact]
    }

    /// Change a fact.
    pub fn commit(&mut self, fact: usize, allow: bool) -> Revision {
        self.changes.push(fact);
        let at = self.revision();
        self.facts[fact] = Value { allow, at };
        at
    }

    /// A refresh of a session: it raises no revision, and is saved only if the session is still what it was judged on.
    pub fn refresh(&mut self, fact: usize, judged: Value, flaw: Option<Flaw>) {
        if self.facts[fact] == judged || flaw == Some(Flaw::RefreshRevives) {
            self.facts[fact] = judged;
        }
    }

    /// The facts that were changed after `applied`.
    #[must_use]
    pub fn changed_since(&self, applied: Revision) -> &[usize] {
        let from = usize::try_from(applied.0).unwrap_or(usize::MAX).min(self.changes.len());
        &self.changes[from..]
    }

    /// The facts that were changed after `from`, up to `upto`.
    #[must_use]
    pub fn changed_between(&self, from: Revision, upto: Revision) -> &[usize] {
        let later = self.changed_since(upto).len();
        let changed = self.changed_since(from);
        &changed[..changed.len() - later.min(changed.len())]
    }

    /// Who is registered.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Insert a row.
    pub fn insert(&mut self, row: Row) {
        self.rows.push(row);
        self.rows.sort_by_key(|row| row.id);
    }

    /// Renew a row. Returns how many were changed.
    pub fn renew(&mut self, renewal: &Renewal) -> u64 {
        let Some(row) = self.rows.iter_mut().find(|row| row.id == renewal.id()) else { return 0 };
        row.applied = row.applied.max(renewal.applied());
        row.beat = Beat(row.beat.0 + 1);
        1
    }

    /// Delete a row whose beat is what was watched.
    pub fn strike(&mut self, strike: Strike, flaw: Option<Flaw>) {
        let same_beat = |row: &Row| row.beat == strike.beat || flaw == Some(Flaw::StrikesWhoRenewed);
        self.rows.retain(|row| !(row.id == strike.id && same_beat(row)));
    }
}
