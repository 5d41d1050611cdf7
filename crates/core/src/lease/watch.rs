//! Who is gone. Any node watches the rows of all, its own among them; never looks at a clock but its own.

use super::{Beat, Moment, Row, Terms};
use crate::id::NodeId;

/// Remembers since when each row's beat has not moved, by the watcher's own clock.
///
/// ```
/// use keyfob_core::change::Revision;
/// use keyfob_core::id::NodeId;
/// use keyfob_core::lease::{Beat, Moment, Row, Strike, Terms, Watch};
/// use std::time::Duration;
///
/// # let (a, b) = (NodeId::from_bytes([1; 16]), NodeId::from_bytes([2; 16]));
/// let row = |id, beat| Row { id, applied: Revision(40), beat: Beat(beat) };
/// let mut watch = Watch::new(Terms::DEFAULT);
/// let first = Moment::from_micros(1);
/// assert_eq!(watch.read(&[row(a, 7), row(b, 9)], first), []);
///
/// // Two leases later `a` has renewed and `b` has not.
/// let strikes = watch.read(&[row(a, 12), row(b, 9)], first + Duration::from_secs(4));
/// assert_eq!(strikes, [Strike { id: b, beat: Beat(9) }]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Watch {
    terms: Terms,
    seen: Vec<Seen>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Seen {
    id: NodeId,
    beat: Beat,
    since: Moment,
}

/// Delete the row of `id` **if its beat is still `beat`**, both in one statement: a node that renewed in between lives, and
/// without its row nobody would wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Strike {
    /// Whose row.
    pub id: NodeId,
    /// The beat that has not moved.
    pub beat: Beat,
}

impl Watch {
    /// A watcher that has seen nothing.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self { terms, seen: Vec::new() }
    }

    /// All rows, as the store had them some time before `now`, which is read after they came. Returns the rows whose beat
    /// has not moved for [`Terms::silence`].
    #[must_use]
    pub fn read(&mut self, rows: &[Row], now: Moment) -> Vec<Strike> {
        let seen = |row: &Row| {
            let same = |seen: &&Seen| seen.id == row.id && seen.beat == row.beat;
            let since = self.seen.iter().find(same).map_or(now, |seen| seen.since);
            Seen { id: row.id, beat: row.beat, since }
        };
        self.seen = rows.iter().map(seen).collect();
        let silent = |seen: &&Seen| now.since(seen.since).is_some_and(|silence| silence >= self.terms.silence());
        self.seen.iter().filter(silent).map(|Seen { id, beat, .. }| Strike { id: *id, beat: *beat }).collect()
    }
}
