//! How much of the world there is.

use std::time::Duration;

use keyfob_core::lease::Terms;
use model::Flaw;

/// The paces of two clocks, in units for each tick of real time: the first of the guards, the second of the desk.
type Paces = &'static [(u64, u64)];
/// The worst: a lease lasts longest, and is waited for shortest.
const WORST: Paces = &[(1, 2)];
const ALL_PACES: Paces = &[(1, 2), (1, 1), (2, 1), (2, 2)];

/// The bounds of one check. Everything inside them is tried in every order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Nodes that answer requests. The node that changes and watches is one more.
    pub(crate) guards: usize,
    /// The changes, in order: `false` denies, `true` grants.
    pub(crate) script: &'static [bool],
    /// The pairs of paces to begin with.
    pub(crate) paces: Paces,
    /// Ticks of real time.
    pub(crate) ticks: u64,
    /// A lease, in units of a clock that counts one or two of them in a tick.
    pub(crate) lease: u64,
    /// Renewals that one registration sends.
    pub(crate) renewals: u8,
    /// Processes that are killed, and start again.
    pub(crate) crashes: u8,
    /// Questions or answers on the network that are lost.
    pub(crate) losses: u8,
    /// Times that the store goes away from everybody.
    pub(crate) outages: u8,
    /// Whether somebody strikes out rows.
    pub(crate) watch: bool,
    /// Whether sessions are refreshed meanwhile.
    pub(crate) refreshes: bool,
    /// What is done wrong.
    pub(crate) flaw: Option<Flaw>,
}

impl Bounds {
    /// Clocks within a third: the fastest counts two units while the slowest counts one, and waits two leases for one.
    pub(crate) fn terms(&self) -> Terms {
        Terms::new(Duration::from_micros(self.lease), 1, 3).expect("such terms there are")
    }

    /// What the desk believes of the clocks.
    pub(crate) fn terms_of_the_desk(&self) -> Terms {
        let parts = u32::from(self.flaw != Some(Flaw::WaitsWithoutDrift));
        Terms::new(Duration::from_micros(self.lease), parts, 3).expect("such terms there are")
    }
}

/// Nothing is lost and nobody dies.
pub(crate) const CALM: Bounds = Bounds {
    guards: 1,
    script: &[false],
    paces: ALL_PACES,
    ticks: 4,
    lease: 2,
    renewals: 2,
    crashes: 0,
    losses: 0,
    outages: 0,
    watch: false,
    refreshes: false,
    flaw: None,
};

/// A guard that is killed and starts again, amid lost questions and answers.
pub(crate) const CRASHES: Bounds = Bounds { crashes: 1, losses: 1, ticks: 3, paces: WORST, ..CALM };

/// A guard that is struck out while its renewals go astray.
pub(crate) const STRUCK_OUT: Bounds = Bounds { losses: 1, watch: true, paces: WORST, ..CALM };

/// The store goes away and comes back.
pub(crate) const OUTAGE: Bounds = Bounds { outages: 1, ..CALM };

/// Two guards beside the node that changes.
pub(crate) const THREE_NODES: Bounds = Bounds { guards: 2, ticks: 3, renewals: 1, paces: WORST, ..CALM };

/// Facts that come and go, and refreshes amid them.
pub(crate) const BACK_AND_FORTH: Bounds =
    Bounds { script: &[false, true, false], refreshes: true, paces: WORST, ..CALM };

/// What `MODEL_BOUNDS=large` checks, by name.
pub(crate) const LARGE: [(&str, Bounds); 6] = [
    ("calm", Bounds { ticks: 8, lease: 4, renewals: 3, ..CALM }),
    ("crashes", Bounds { paces: ALL_PACES, ticks: 5, ..CRASHES }),
    ("struck out", Bounds { paces: ALL_PACES, ticks: 5, ..STRUCK_OUT }),
    ("outage", Bounds { losses: 1, renewals: 3, ..OUTAGE }),
    ("three nodes", Bounds { paces: ALL_PACES, ticks: 4, ..THREE_NODES }),
    ("back and forth", Bounds { paces: ALL_PACES, losses: 1, ..BACK_AND_FORTH }),
];
