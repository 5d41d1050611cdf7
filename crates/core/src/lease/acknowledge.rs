//! When a change is in force everywhere. Never asks what time it is elsewhere.

use super::{Moment, Row, Terms};
use crate::change::Revision;
use crate::id::NodeId;

/// Waits for one committed change to be in force at every node.
///
/// There is one only for a change whose COMMIT returned, without a warning. If the answer was lost it could not be told
/// whether the change is durable, and nothing may be acknowledged.
///
/// ```
/// use keyfob_core::change::Revision;
/// use keyfob_core::id::NodeId;
/// use keyfob_core::lease::{Acknowledgement, Beat, Moment, Progress, Row, Terms};
/// use std::time::Duration;
///
/// # let (a, b, c) = (NodeId::from_bytes([1; 16]), NodeId::from_bytes([2; 16]), NodeId::from_bytes([3; 16]));
/// let returned = Moment::from_micros(60_000_000);
/// let until = returned + Duration::from_micros(2_004_005);
/// let mut revoke = Acknowledgement::new(Terms::DEFAULT, Revision(41), returned);
/// assert_eq!(revoke.progress(returned), Progress::Wait { until });
///
/// // A first reading of the rows, which begins after the commit returned: `b` lags behind.
/// let row = |id, applied| Row { id, applied: Revision(applied), beat: Beat(7) };
/// revoke.read(&[row(a, 41), row(b, 40)]);
/// assert_eq!(revoke.progress(returned), Progress::Wait { until });
///
/// // `c` has registered since: it reads all changes, this one among them, before its first lease.
/// revoke.read(&[row(a, 41), row(b, 42), row(c, 0)]);
/// assert_eq!(revoke.progress(returned), Progress::Acknowledge);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acknowledgement {
    terms: Terms,
    revision: Revision,
    returned: Moment,
    // Registered at the first reading and not yet seen to have applied the change. `None`: nothing was read.
    lagging: Option<Vec<NodeId>>,
}

/// Whether a change may be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Progress {
    /// It is durable, and in force everywhere.
    Acknowledge,
    /// Not yet: read the rows again, or come back then.
    Wait {
        /// From this moment on it may be acknowledged whatever the rows say, or if they cannot be read.
        until: Moment,
    },
}

impl Acknowledgement {
    /// Wait for the change of `revision`, whose COMMIT had returned at `returned`.
    #[must_use]
    pub fn new(terms: Terms, revision: Revision, returned: Moment) -> Self {
        Self { terms, revision, returned, lagging: None }
    }

    /// All rows, read in a statement that began after the commit returned; later readings may come in any order.
    ///
    /// Only those of the first reading matter: who registered later has read the change. One that has gone since was
    /// struck out when its last lease had run out, or left.
    pub fn read(&mut self, rows: &[Row]) {
        let behind = |id: &NodeId| rows.iter().any(|row| row.id == *id && row.applied < self.revision);
        self.lagging = Some(match self.lagging.take() {
            None => rows.iter().map(|row| row.id).filter(behind).collect(),
            Some(lagging) => lagging.into_iter().filter(behind).collect(),
        });
    }

    /// Whether it may be acknowledged at `now`.
    #[must_use]
    pub fn progress(&self, now: Moment) -> Progress {
        let until = self.returned + self.terms.wait();
        let applied = self.lagging.as_ref().is_some_and(Vec::is_empty);
        if applied || now >= until { Progress::Acknowledge } else { Progress::Wait { until } }
    }

    /// The nodes that are waited for, as far as is known: for the log, when it takes long.
    #[must_use]
    pub fn lagging(&self) -> &[NodeId] {
        self.lagging.as_deref().unwrap_or_default()
    }
}
