//! How many nodes keep one truth (DESIGN §6, PostgreSQL): a [`Node`]'s lease and registration, the [`Acknowledgement`] of
//! a change, and the [`Watch`] that strikes out nodes which are gone. Pure: every moment is an argument.
//!
//! The promise (G1): once a denial is acknowledged, no request that starts later is allowed by any node. It needs no
//! agreement between clocks. Each machine reads only its own, and all that is assumed of them is their pace:
//!
//! 1. A node answers from its cache only while it holds a **lease**. The lease is counted from before its renewal was
//!    sent, and granted only when all changes that were committed after the renewal had been read and applied. So a node
//!    that lacks a change has a lease from before that change's commit.
//! 2. Whoever made a change waits, after its commit returned, until each node that was registered then has applied it, or
//!    until every lease from before the commit has run out, by its own clock and the worst pace of both.
//! 3. A node commits its row before its first lease, so whoever reads the rows misses only nodes that hold none.
//! 4. A row is deleted only after its node's last lease has run out; a renewal that finds no row grants nothing.
//!
//! Never reads a clock, never compares moments of two machines, knows no database. `model/` checks these very machines
//! against crashes, pauses, late replies and skewed clocks. A lost doorbell or a slow link costs time, never truth.

mod acknowledge;
mod node;
#[cfg(test)]
mod tests;
mod watch;

use std::ops::Add;
use std::time::Duration;

use crate::change::Revision;
use crate::id::NodeId;

pub use acknowledge::{Acknowledgement, Progress};
pub use node::{Answer, Granted, Node, Renewal, Renewed};
pub use watch::{Strike, Watch};

/// What one machine's `CLOCK_BOOTTIME` said (it goes on while the machine sleeps). Microseconds since that machine
/// started; moments of two machines, or of two starts of one, say nothing about each other.
///
/// ```
/// use keyfob_core::lease::Moment;
/// use std::time::Duration;
///
/// let sent = Moment::from_micros(5_000_000);
/// let now = sent + Duration::from_secs(2);
/// assert_eq!(now.since(sent), Some(Duration::from_secs(2)));
/// assert_eq!(sent.since(now), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The moment `micros` microseconds after the machine started.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// How long after `earlier` this is; `None` if it is before, which this clock never says of a moment in the past.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_micros)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(length.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// What all nodes of an installation agree on: how long a lease is, and how wrong a clock's pace may be.
///
/// ```
/// use keyfob_core::lease::Terms;
/// use std::time::Duration;
///
/// let terms = Terms::DEFAULT;
/// assert_eq!(terms.lease(), Duration::from_secs(2));
/// // 2 s x 1001/999: when the fastest clock has counted this, the slowest has counted a whole lease.
/// assert_eq!(terms.wait(), Duration::from_micros(2_004_005));
/// assert_eq!(terms.silence(), Duration::from_secs(4));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    lease_micros: u32,
    // A clock counts at least `of - parts` and at most `of + parts` units while `of` pass.
    parts: u32,
    of: u32,
}

impl Terms {
    /// A lease of 2 s, and clocks within 0.1 % of real time.
    pub const DEFAULT: Self = Self { lease_micros: 2_000_000, parts: 1, of: 1000 };

    /// Other terms: a lease of `lease` (rounded down to a microsecond), and clocks within `parts` in `of` of real time.
    /// `None` if the lease is shorter than a microsecond or longer than an hour, or if a clock might stand still.
    ///
    /// ```
    /// use keyfob_core::lease::Terms;
    /// use std::time::Duration;
    ///
    /// let loose = Terms::new(Duration::from_secs(3), 1, 5).unwrap();
    /// assert_eq!(loose.wait(), Duration::from_millis(4_500));
    /// assert_eq!(Terms::new(Duration::from_secs(3), 1, 1), None);
    /// ```
    #[must_use]
    pub fn new(lease: Duration, parts: u32, of: u32) -> Option<Self> {
        let lease_micros = u32::try_from(lease.as_micros()).ok()?;
        let sound = (1..=3_600_000_000).contains(&lease_micros) && parts < of;
        sound.then_some(Self { lease_micros, parts, of })
    }

    /// How long a lease is, by the clock of the node that holds it.
    #[must_use]
    pub fn lease(self) -> Duration {
        Duration::from_micros(self.lease_micros.into())
    }

    /// How long somebody else must wait, by its own clock, to know that a lease which began before has run out:
    /// the lease x (1 + d) / (1 - d) for clocks within d, rounded up. (L x 1.002 is 4 µs short of it: d counts twice
    /// and is then squared.)
    #[must_use]
    pub fn wait(self) -> Duration {
        self.outlasts(self.lease())
    }

    /// How long by one's own clock outlasts `length` by another's: the length x (1 + d) / (1 - d), rounded up.
    ///
    /// ```
    /// use keyfob_core::lease::Terms;
    /// use std::time::Duration;
    ///
    /// assert_eq!(Terms::DEFAULT.outlasts(Duration::from_secs(1)), Duration::from_micros(1_002_003));
    /// ```
    #[must_use]
    pub fn outlasts(self, length: Duration) -> Duration {
        let (parts, of) = (u64::from(self.parts), u64::from(self.of));
        let micros = length.as_micros().saturating_mul(u128::from(of + parts));
        Duration::from_micros(u64::try_from(micros.div_ceil(u128::from(of - parts))).unwrap_or(u64::MAX))
    }

    /// How long a node's beat must not have moved, by the watcher's clock, before its row is deleted: two leases, and never
    /// less than [`Terms::wait`].
    #[must_use]
    pub fn silence(self) -> Duration {
        self.wait().max(2 * self.lease())
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Counts the renewals that the store has committed for a row. The store raises it by one with each, so that a watcher
/// sees that a node lives without knowing what time it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Beat(pub u64);

/// What the store says of one registered node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The node's id of this registration.
    pub id: NodeId,
    /// All changes up to this one are applied there: no request that starts later is judged on older facts.
    pub applied: Revision,
    /// How often the row was renewed.
    pub beat: Beat,
}
