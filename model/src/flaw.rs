//! Ways to get the protocol wrong. The checks must notice each, or they prove nothing.

/// What an installation does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A node answers from its cache whether or not it holds a lease.
    NoLeaseCheck,
    /// A lease is counted from when the answer came.
    LeaseFromReply,
    /// A renewal that is committed is a lease before the changes are read.
    LeaseBeforeChanges,
    /// A node commits its row only after its first lease.
    LeaseBeforeRow,
    /// A node whose row was deleted goes on as if it were there.
    StruckOutGoesOn,
    /// A node says that a change is applied before its cache has forgotten what it changed.
    ConfirmsUnapplied,
    /// A fill that began before an invalidation comes in after it.
    LateFill,
    /// A change is acknowledged when its commit returned.
    AcknowledgesAtOnce,
    /// The acknowledger waits for one lease by its own clock, as if all clocks had one pace.
    WaitsWithoutDrift,
    /// The acknowledger looks at rows that it read before its commit.
    RowsFromBefore,
    /// The watcher deletes a row without watching it first.
    StrikesAtOnce,
    /// The watcher deletes a row although its beat has moved since.
    StrikesWhoRenewed,
    /// A grant is in the cache of the node that makes it before it is committed.
    GrantsBeforeDurable,
    /// A refresh that was judged before its session ended is saved after.
    RefreshRevives,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::NoLeaseCheck,
        Self::LeaseFromReply,
        Self::LeaseBeforeChanges,
        Self::LeaseBeforeRow,
        Self::StruckOutGoesOn,
        Self::ConfirmsUnapplied,
        Self::LateFill,
        Self::AcknowledgesAtOnce,
        Self::WaitsWithoutDrift,
        Self::RowsFromBefore,
        Self::StrikesAtOnce,
        Self::StrikesWhoRenewed,
        Self::GrantsBeforeDurable,
        Self::RefreshRevives,
    ];
}
