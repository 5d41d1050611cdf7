//! What goes into and comes out of a store: plain values, no behaviour.

mod refresh;

use std::path::PathBuf;
use std::time::Duration;

use keyfob_core::api_key::{ApiKey, KeyName};
use keyfob_core::change::Revision;
use keyfob_core::client::Client;
use keyfob_core::id::{ClientId, Incarnation, SessionId, UserId};
use keyfob_core::opaque::Digest;
use keyfob_core::password::PasswordHash;
use keyfob_core::rotation::{Refusal, Schedule, Standing, Step};
use keyfob_core::scope::Scope;
use keyfob_core::session::Session;
use keyfob_core::signing_key::SigningKey;
use keyfob_core::throttle::Limits;
use keyfob_core::time::Timestamp;
use keyfob_core::user::{RoleName, User, Username};

pub use refresh::{Family, Refresh, Refreshed};

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

/// A user to make.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Its facts.
    pub user: User,
    /// Its password.
    pub password: PasswordHash,
}

/// Whether a user was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was.
    Made,
    /// The name is taken; nothing was written.
    Exists,
}

/// Whether a change took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It did, at this revision: acknowledge when it is applied.
    At(Revision),
    /// There was nothing to change: it was so already. Acknowledge when this revision (the newest) is applied.
    Already(Revision),
    /// There is no such user, session, key or client.
    NotFound,
    /// The `auth_version` it was judged on had moved; nothing was written but a failed attempt.
    Stale,
}

/// A client as stored.
#[derive(Clone, Debug)]
pub struct StoredClient {
    /// Its facts.
    pub client: Client,
    /// The digest of its secret.
    pub secret: Digest,
}

/// A new secret for a client.
#[derive(Clone, Copy, Debug)]
pub struct ClientRotation {
    /// Whose.
    pub client: ClientId,
    /// The digest of the new secret.
    pub secret: Digest,
    /// The session that takes the place of the old one.
    pub session: SessionId,
}

/// A new password for a user.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    /// Whose.
    pub user: UserId,
    /// The new hash.
    pub password: PasswordHash,
    /// Refuse as [`Changed::Stale`] if the user's `auth_version` is not this one any more.
    pub auth_version: Option<u64>,
    /// The session that survives (the one that changed the password); all others end.
    pub keep: Option<SessionId>,
    /// The reservation that proved the current password; `None` if an operator sets the new one.
    pub proof: Option<ProvenAttempt>,
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

/// An API key to make.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its facts.
    pub key: ApiKey,
    /// What its owner calls it.
    pub name: KeyName,
    /// What it is found by.
    pub digest: Digest,
    /// The `auth_version` of its user that was judged.
    pub auth_version: u64,
    /// The session that asked for it, if a user did; it must not have ended.
    pub session: Option<SessionId>,
}

/// Whether a key was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMade {
    /// It was.
    Made,
    /// The user or the session it was judged on had changed; nothing was written.
    Stale,
    /// The user has [`keyfob_core::api_key::KEYS_PER_USER_MAX`] live keys; nothing was written.
    TooMany,
}

/// Who did what, for the audit row that is written in the same transaction as its change.
#[derive(Clone, Debug)]
pub struct Audit {
    /// When.
    pub at: Timestamp,
    /// A stable event name, such as `user.disabled`.
    pub event: &'static str,
    /// Who: `cli`, or a user id in text.
    pub actor: String,
    /// On whom or what: a user id, a session id, a key id.
    pub subject: String,
    /// More, as plain text without secrets; user input is escaped by the reader, cut to 512 bytes by the store.
    pub detail: String,
}

/// An audit row as read.
#[derive(Clone, Debug)]
pub struct AuditRow {
    /// Its place in the log.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// The event.
    pub event: String,
    /// Who.
    pub actor: String,
    /// On whom or what.
    pub subject: String,
    /// More.
    pub detail: String,
}

/// A signing key at rest.
pub struct StoredKey {
    /// The key, unwrapped.
    pub key: SigningKey,
    /// Where in its life it is.
    pub standing: Standing,
}

/// A step in the life of the signing keys.
#[derive(Clone, Debug)]
pub struct KeyTurn {
    /// The intention.
    pub step: Step,
    /// How often keys change, and what they sign.
    pub schedule: Schedule,
    /// Who takes it.
    pub actor: String,
    /// Now.
    pub at: Timestamp,
}

impl KeyTurn {
    /// The audit row of what it did to one key.
    pub(crate) fn audit(&self, (event, key): (&'static str, &Standing)) -> Audit {
        let (actor, subject) = (self.actor.clone(), key.kid.to_string());
        Audit { at: self.at, event, actor, subject, detail: key.algorithm.name().to_owned() }
    }
}

/// Whether the signing keys took a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// They did, at this revision: acknowledge when it is applied.
    At(Revision),
    /// There was nothing to do. Acknowledge when this revision (the newest) is applied.
    Already(Revision),
    /// It was not to be; nothing was written.
    Refused(Refusal),
}

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    /// Its number, from 1.
    pub version: u64,
    /// The file's text.
    pub text: String,
}

/// Row counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Users.
    pub users: u64,
    /// Sessions, ended ones included until they are swept.
    pub sessions: u64,
    /// Audit rows.
    pub audit: u64,
}

/// A backup that was made and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The newest revision in it.
    pub revision: Revision,
    /// Its size in bytes.
    pub bytes: u64,
    /// The rows of each table, the same in the backup as in the store at that instant; in order of name.
    pub tables: Vec<(String, u64)>,
}

/// A new life of the store, begun by a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// The revision of the database it was begun from.
    pub from: Revision,
    /// Its first revision.
    pub revision: Revision,
    /// Sessions that it ended.
    pub sessions_ended: u64,
    /// API keys that are suspended until they are resumed.
    pub keys_suspended: u64,
    /// Clients that are suspended, those that were before included.
    pub clients_suspended: u64,
    /// The rows of each table, in order of name.
    pub tables: Vec<(String, u64)>,
    /// Where the database that it replaced is now; `None` if there was none.
    pub kept: Option<PathBuf>,
}

/// The life of a store, for `doctor`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// When this incarnation began by a restore; `None` if it is the first.
    pub restored_at: Option<Timestamp>,
    /// When the last backup was made, if one was.
    pub backed_up_at: Option<Timestamp>,
}

/// The roles of a user as one text for stores: space separated.
pub(crate) fn roles_text(roles: &[RoleName]) -> String {
    roles.iter().map(RoleName::as_str).collect::<Vec<_>>().join(" ")
}
