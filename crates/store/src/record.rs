//! What goes into and comes out of a store: plain values, no behaviour.

mod account;
mod installation;
mod legacy;
mod refresh;
mod sign_in;
mod signing_key;

use keyfob_core::change::Revision;
use keyfob_core::id::{SessionId, UserId};
use keyfob_core::password::LegacyForm;
use keyfob_core::time::Timestamp;
use keyfob_core::user::RoleName;

pub use self::account::{ClientRotation, KeyMade, NewKey, NewUser, PasswordChange, StoredClient};
pub use self::installation::{Backup, Counts, Life, Restored, StoredPolicy};
pub use self::legacy::{BasicUse, BasicUser, BasicUses, ProvenBasic};
pub use self::refresh::{Family, Refresh, Refreshed};
pub(crate) use self::sign_in::Horizon;
pub use self::sign_in::{Account, Attempt, FailedAttempt, FailedSignIns, Login, ProvenAttempt, Reservation, Saved};
pub use self::signing_key::{KeyTurn, StoredKey, Turned};

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

impl Audit {
    /// A session that ended because its user had too many.
    pub(crate) fn displaced(at: Timestamp, user: UserId, session: SessionId, most: u32) -> Self {
        let (actor, subject) = (user.to_string(), session.to_string());
        Self { at, event: "session.displaced", actor, subject, detail: format!("a user has at most {most} sessions") }
    }

    /// A user whose legacy hash gave way to Argon2id at a sign-in.
    pub(crate) fn upgraded(at: Timestamp, user: UserId, was: LegacyForm) -> Self {
        let id = user.to_string();
        Self { at, event: "password.upgraded", actor: id.clone(), subject: id, detail: format!("was {}", was.words()) }
    }

    /// An account that just had too many failures in a row.
    pub(crate) fn locked(at: Timestamp, user: UserId, username: &str, failures: u32) -> Self {
        let (actor, subject) = ("anonymous".to_owned(), user.to_string());
        Self {
            at,
            event: "sign-in.locked",
            actor,
            subject,
            detail: format!("{username}: {failures} failures in a row"),
        }
    }
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

/// The roles of a user as one text for stores: space separated.
pub(crate) fn roles_text(roles: &[RoleName]) -> String {
    roles.iter().map(RoleName::as_str).collect::<Vec<_>>().join(" ")
}
