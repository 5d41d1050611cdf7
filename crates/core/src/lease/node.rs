//! What one node may do: its registration under an id that was never used before, its renewals, and its lease.
//! Never empties a cache and never asks a store: it says when, and is told what came of it.

use std::time::Duration;

use super::{Beat, Moment, Row, Terms};
use crate::change::Revision;
use crate::id::NodeId;

/// One node of an installation, from the start of its process to its end.
///
/// Its life: commit [`Node::row`], say [`Node::registered`]; then again and again [`Node::renew`], write it, [`Node::renewed`],
/// read and apply the changes, [`Node::grant`]. What it must do about its cache is in the type of the answer.
///
/// ```
/// use keyfob_core::change::Revision;
/// use keyfob_core::id::NodeId;
/// use keyfob_core::lease::{Answer, Moment, Node, Renewed, Terms};
/// use std::time::Duration;
///
/// # let (first, second) = (NodeId::from_bytes([1; 16]), NodeId::from_bytes([2; 16]));
/// // The revision is read first, then the facts are loaded; `first` is a fresh random id.
/// let mut node = Node::new(Terms::DEFAULT, first, Revision(40));
/// let sent = Moment::from_micros(7_000_000);
/// assert!(node.renew(sent).is_none(), "its row is committed before its first lease");
///
/// node.registered(first);
/// let renewal = node.renew(sent).unwrap();
/// // update nodes set applied = greatest(applied, 40), beat = beat + 1 where id = first; one row was changed.
/// let Renewed::ReadChanges(granted) = node.renewed(renewal, 1) else { panic!() };
/// // Then the changes after revision 40 are read: there is one, and it is applied.
/// node.grant(granted, Revision(41));
///
/// assert_eq!(node.answer(sent + Duration::from_millis(1_999), true), Answer::FromCache);
/// assert_eq!(node.answer(sent + Duration::from_secs(2), true), Answer::AskStore);
/// assert_eq!(node.answer(sent + Duration::from_secs(2), false), Answer::Unavailable);
///
/// // No row was changed: the node was thought dead. It empties its cache and registers under another id.
/// let late = node.renew(sent + Duration::from_secs(9)).unwrap();
/// assert_eq!(node.renewed(late, 0), Renewed::StruckOut);
/// node.begin_again(second);
/// assert_eq!(node.row().applied, Revision(41));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    terms: Terms,
    id: NodeId,
    standing: Standing,
    applied: Revision,
    lease_from: Option<Moment>,
}

/// How the store knows the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Standing {
    /// Its row is not known to be committed.
    New,
    /// Its row is committed.
    Registered,
    /// Its row was deleted. Nothing but another id helps.
    StruckOut,
}

/// One renewal: what is written, and from when a lease that comes of it counts.
///
/// Writing it raises the row's beat by one and its `applied` to at least this one's, and must change nothing where there
/// is no such row: it never makes one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Renewal {
    id: NodeId,
    applied: Revision,
    sent: Moment,
}

impl Renewal {
    /// The row to renew.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// What to write there: the newest revision that the node had applied.
    #[must_use]
    pub fn applied(&self) -> Revision {
        self.applied
    }
}

/// A renewal that is committed. A lease comes of it when the changes that were committed until then are applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "there is no lease until the changes are read, applied, and `Node::grant` is told"]
pub struct Granted(Renewal);

/// What a renewal came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Renewed {
    /// The row is there. Now read the changes, in a statement that begins after the renewal's commit returned, apply them,
    /// and call [`Node::grant`].
    ReadChanges(Granted),
    /// The row is gone: somebody took this node for dead. There is no lease: empty the cache, then [`Node::begin_again`].
    StruckOut,
    /// The renewal of an earlier registration: nothing comes of it.
    Outdated,
}

/// Where a request's facts may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// From the cache; what it lacks, from the store.
    FromCache,
    /// From the store only, in statements that begin after the request did.
    AskStore,
    /// From nowhere: 503.
    Unavailable,
}

impl Node {
    /// A node that starts, with nothing in its cache. `id` is random and was never used; `applied` was the store's
    /// revision before any fact was loaded.
    #[must_use]
    pub fn new(terms: Terms, id: NodeId, applied: Revision) -> Self {
        Self { terms, id, standing: Standing::New, applied, lease_from: None }
    }

    /// The row to insert. If it cannot be told whether that was committed, [`Node::begin_again`] with another id.
    #[must_use]
    pub fn row(&self) -> Row {
        Row { id: self.id, applied: self.applied, beat: Beat(0) }
    }

    /// The row of `id` is committed. Without effect if the node has another id by now, or was struck out.
    pub fn registered(&mut self, id: NodeId) {
        if self.standing == Standing::New && self.id == id {
            self.standing = Standing::Registered;
        }
    }

    /// Register once more, under `id`, which is random and was never used. What was granted before counts no longer. The
    /// node goes on from the revision that it had applied.
    pub fn begin_again(&mut self, id: NodeId) {
        *self = Self::new(self.terms, id, self.applied);
    }

    /// The renewal to send. `now` is read before it is sent. `None`: not registered.
    #[must_use]
    pub fn renew(&self, now: Moment) -> Option<Renewal> {
        let registered = self.standing == Standing::Registered;
        registered.then_some(Renewal { id: self.id, applied: self.applied, sent: now })
    }

    /// A renewal's commit returned and had changed `rows` rows. One that failed, came with a warning, or whose answer was
    /// lost is not told: the lease that was held runs on, and out.
    pub fn renewed(&mut self, renewal: Renewal, rows: u64) -> Renewed {
        if renewal.id != self.id {
            return Renewed::Outdated;
        }
        if rows == 1 {
            return Renewed::ReadChanges(Granted(renewal));
        }
        self.standing = Standing::StruckOut;
        self.lease_from = None;
        Renewed::StruckOut
    }

    /// The changes up to `applied` were read after the renewal's commit, and are applied. From here on there is a lease,
    /// counted from before the renewal was sent; one that was granted later is not shortened.
    pub fn grant(&mut self, granted: Granted, applied: Revision) {
        self.apply(applied);
        let Granted(renewal) = granted;
        if self.standing == Standing::Registered && renewal.id == self.id {
            self.lease_from = self.lease_from.max(Some(renewal.sent));
        }
    }

    /// The changes up to `applied` are applied: what they changed is forgotten, and no fill that began before comes in.
    /// (A doorbell rang; a renewal that says so need not wait for its turn.)
    pub fn apply(&mut self, applied: Revision) {
        self.applied = self.applied.max(applied);
    }

    /// The newest applied revision.
    #[must_use]
    pub fn applied(&self) -> Revision {
        self.applied
    }

    /// What is left of the lease at `now`; zero without one, and if the clock went back.
    #[must_use]
    pub fn lease_left(&self, now: Moment) -> Duration {
        let age = self.lease_from.and_then(|from| now.since(from));
        age.map_or(Duration::ZERO, |age| self.terms.lease().saturating_sub(age))
    }

    /// Where the facts for a request may come from. `now` is read after the request began. `room`: one more question to
    /// the store fits into its pool.
    #[must_use]
    pub fn answer(&self, now: Moment, room: bool) -> Answer {
        if self.lease_left(now) > Duration::ZERO {
            Answer::FromCache
        } else if room {
            Answer::AskStore
        } else {
            Answer::Unavailable
        }
    }
}
