//! Sign-ins: attempts, their reservations, and how they are settled.

use std::time::Duration;

use keyfob_core::change::Revision;
use keyfob_core::opaque::Digest;
use keyfob_core::password::PasswordHash;
use keyfob_core::scope::Scope;
use keyfob_core::session::Session;
use keyfob_core::throttle::Limits;
use keyfob_core::time::Timestamp;
use keyfob_core::user::{User, Username};

use super::Audit;

/// One sign-in attempt, before its password is hashed.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The random id of the reservation.
    pub id: [u8; 16],
    /// SHA-256 of the canonical username (or of the raw text where it is no username).
    pub account: [u8; 32],
    /// SHA-256 of the client's address (IPv4, or IPv6 /64).
    pub address: [u8; 32],
    /// The account to read, where the name is a username at all.
    pub username: Option<Username>,
    /// Now.
    pub at: Timestamp,
    /// The limits in force.
    pub limits: Limits,
}

/// The instants that divide the attempts of one account or address.
pub(crate) struct Horizon {
    /// The window is after this one.
    pub(crate) window: Timestamp,
    /// A reservation of this one or before has lapsed.
    pub(crate) lapsed: Timestamp,
    /// The earlier of the two: nothing before it counts.
    pub(crate) earliest: Timestamp,
}

impl Horizon {
    /// Those of an attempt at `now`.
    pub(crate) fn of(limits: &Limits, now: Timestamp) -> Self {
        let (window, lapsed) = (now - limits.window, now - limits.reservation_life);
        Self { window, lapsed, earliest: window.min(lapsed) }
    }
}

/// The answer of a reservation.
#[derive(Debug)]
pub enum Reservation {
    /// Reserved. The account, if there is one, with its password hash.
    Reserved(Option<Account>),
    /// Pending attempts could use up the budget: nothing was written; try again when one has settled.
    Wait,
    /// Over the limit: nothing was written.
    Refused {
        /// How long until the next attempt may proceed.
        retry_after: Duration,
    },
}

/// A user with its password hash.
#[derive(Clone, Debug)]
pub struct Account {
    /// The user.
    pub user: User,
    /// Its stored password.
    pub password: PasswordHash,
}

/// A reservation settled as failed.
#[derive(Clone, Debug)]
pub struct FailedAttempt {
    /// The reservation.
    pub attempt: [u8; 16],
    /// Its account digest.
    pub account: [u8; 32],
    /// The client's network, coarse: see [`keyfob_core::session::SessionListing::address`].
    pub network: String,
    /// Now.
    pub at: Timestamp,
    /// The limits in force.
    pub limits: Limits,
}

/// The failed sign-ins of one user, or of all names that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedSignIns {
    /// How many.
    pub count: u64,
    /// The first.
    pub first_at: Timestamp,
    /// The last.
    pub last_at: Timestamp,
    /// From how many networks; in each hour, those beyond the first eight count as one.
    pub networks: u32,
}

/// A reservation settled as right.
#[derive(Clone, Debug)]
pub struct Login {
    /// The reservation.
    pub attempt: [u8; 16],
    /// Its account digest.
    pub account: [u8; 32],
    /// Its address digest.
    pub address: [u8; 32],
    /// The session to start.
    pub session: Session,
    /// See [`keyfob_core::session::SessionListing::client_name`].
    pub client_name: String,
    /// See [`keyfob_core::session::SessionListing::address`].
    pub coarse_address: String,
    /// The first refresh token of the session.
    pub refresh: Digest,
    /// What was asked for; `None`: whatever the user may have.
    pub scope: Option<Scope>,
    /// Live sessions the user may have, this one included; 1 or more.
    pub sessions_max: u32,
    /// The `auth_version` that was judged.
    pub auth_version: u64,
    /// A dearer hash of the same password, if the stored one was too cheap. Does not raise the `auth_version`.
    pub rehash: Option<PasswordHash>,
    /// The audit row.
    pub audit: Audit,
}

/// Whether a save took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It did.
    Saved,
    /// It did, and others of the user's sessions ended for it: acknowledge when this revision is applied.
    At(Revision),
    /// What it was judged on had changed: nothing was saved, and the reservation counts as failed.
    Stale,
}

/// A reservation whose password was right, to be settled by the change that it allows: as right if that takes place,
/// else as failed.
#[derive(Clone, Copy, Debug)]
pub struct ProvenAttempt {
    /// The reservation.
    pub attempt: [u8; 16],
    /// Its account digest.
    pub account: [u8; 32],
    /// Its address digest.
    pub address: [u8; 32],
}
