//! What a node remembers, and the fills under way. The cache of keyfob-tower keeps the same promise, which its own model
//! checks at every lock: no fill that began before an invalidation brings anything after it.

use crate::flaw::Flaw;
use crate::store::Value;

/// One fill: a request missed, and asks the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fill {
    /// Names it among the fills of this cache.
    pub number: u64,
    /// What is looked up.
    pub fact: usize,
    // An invalidation came since it began.
    late: bool,
}

/// Facts by number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cache {
    entries: Vec<Option<Value>>,
    fills: Vec<Fill>,
}

impl Cache {
    /// An empty cache for `facts` facts.
    #[must_use]
    pub fn new(facts: usize) -> Self {
        Self { entries: vec![None; facts], fills: Vec::new() }
    }

    /// What is remembered.
    #[must_use]
    pub fn entry(&self, fact: usize) -> Option<Value> {
        self.entries[fact]
    }

    /// The fills under way.
    #[must_use]
    pub fn fills(&self) -> &[Fill] {
        &self.fills
    }

    /// A fill begins: after this the store is asked.
    pub fn begin(&mut self, number: u64, fact: usize) {
        self.fills.push(Fill { number, fact, late: false });
    }

    /// The store had answered, and the answer arrives.
    pub fn finish(&mut self, number: u64, value: Value, flaw: Option<Flaw>) {
        let Some(at) = self.fills.iter().position(|fill| fill.number == number) else { return };
        let fill = self.fills.swap_remove(at);
        if !fill.late || flaw == Some(Flaw::LateFill) {
            self.entries[fill.fact] = Some(value);
        }
    }

    /// Remember without asking: nobody does, but for [`Flaw::GrantsBeforeDurable`].
    pub fn put(&mut self, fact: usize, value: Value) {
        self.entries[fact] = Some(value);
    }

    /// Forget one fact.
    pub fn forget(&mut self, fact: usize) {
        self.entries[fact] = None;
        self.fills.iter_mut().filter(|fill| fill.fact == fact).for_each(|fill| fill.late = true);
    }

    /// Forget everything.
    pub fn forget_all(&mut self) {
        self.entries.fill(None);
        self.fills.iter_mut().for_each(|fill| fill.late = true);
    }
}
