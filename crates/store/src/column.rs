//! Columns to values and back, the same in every backend. Whatever a schema allows and a value does not is damage, never
//! a guess.

use aws_lc_rs::digest;
use keyfob_core::api_key::KeyName;
use keyfob_core::change::Fact;
use keyfob_core::client::{ClientName, ClientStatus};
use keyfob_core::id::{ClientId, KeyId, SessionId, UserId};
use keyfob_core::password::LegacyForm;
use keyfob_core::scope::Scope;
use keyfob_core::time::Timestamp;
use keyfob_core::user::{RoleName, Status, Username};

use crate::{Audit, Result, StoreError};

/// Bytes kept of any text of an audit row: what a client sends must not fill the disk.
const AUDIT_TEXT_BYTES_MAX: usize = 512;

/// A counter as stored.
pub(crate) fn signed(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| corrupt(format!("{value} is no counter")))
}

/// A counter as read.
pub(crate) fn unsigned(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| corrupt(format!("{value} is no counter")))
}

/// An instant as read.
pub(crate) fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// A username as read.
pub(crate) fn username(text: String) -> Result<Username> {
    Username::try_from(text).map_err(|problem| corrupt(format!("a stored username is none: {problem}")))
}

/// What attempts and throttles know a user by: the SHA-256 of the canonical username.
pub(crate) fn account(name: &str) -> [u8; 32] {
    let mut account = [0; 32];
    account.copy_from_slice(digest::digest(&digest::SHA256, name.as_bytes()).as_ref());
    account
}

/// Role names as read.
pub(crate) fn roles(text: &str) -> Result<Vec<RoleName>> {
    let names = text.split(' ').filter(|name| !name.is_empty());
    names.map(|name| RoleName::parse(name).map_err(|problem| corrupt(format!("a stored role: {problem}")))).collect()
}

/// Roles as they are kept: sorted, each once.
pub(crate) fn in_order(roles: &[RoleName]) -> Vec<RoleName> {
    let mut roles = roles.to_vec();
    roles.sort_unstable();
    roles.dedup();
    roles
}

/// A status as stored.
pub(crate) fn status_text(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Disabled => "disabled",
    }
}

/// A status as read.
pub(crate) fn status(text: &str) -> Result<Status> {
    match text {
        "active" => Ok(Status::Active),
        "disabled" => Ok(Status::Disabled),
        _ => Err(corrupt(format!("{text:?} is no status"))),
    }
}

/// The form of a legacy hash as read.
pub(crate) fn legacy_form(text: &str) -> Result<LegacyForm> {
    text.parse().map_err(|_| corrupt(format!("{text:?} is no form of a password hash")))
}

/// A scope as read.
pub(crate) fn scope(text: &str) -> Result<Scope> {
    Scope::parse(text).map_err(|problem| corrupt(format!("a stored scope is none: {problem}")))
}

/// A client name as read.
pub(crate) fn client_name(text: String) -> Result<ClientName> {
    ClientName::try_from(text).map_err(|problem| corrupt(format!("a stored client name is none: {problem}")))
}

/// A client's status as stored.
pub(crate) fn client_status_text(status: ClientStatus) -> &'static str {
    match status {
        ClientStatus::Active => "active",
        ClientStatus::Suspended => "suspended",
    }
}

/// A client's status as read.
pub(crate) fn client_status(text: &str) -> Result<ClientStatus> {
    match text {
        "active" => Ok(ClientStatus::Active),
        "suspended" => Ok(ClientStatus::Suspended),
        _ => Err(corrupt(format!("{text:?} is no status of a client"))),
    }
}

/// The name of a key as read.
pub(crate) fn key_name(text: String) -> Result<KeyName> {
    KeyName::try_from(text).map_err(|problem| corrupt(format!("a stored name of a key: {problem}")))
}

/// The parts of an audit row that come from outside, cut to what is kept: actor, subject, detail.
pub(crate) fn audit_texts(row: &Audit) -> (&str, &str, &str) {
    (cut(&row.actor), cut(&row.subject), cut(&row.detail))
}

/// The longest beginning that fits and ends between two characters.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(AUDIT_TEXT_BYTES_MAX)]
}

/// A fact as the feed keeps it: its kind, and the id of what changed.
pub(crate) fn fact_columns(fact: Fact) -> (&'static str, Option<[u8; 16]>) {
    match fact {
        Fact::User(id) => ("user", Some(id.to_bytes())),
        Fact::Session(id) => ("session", Some(id.to_bytes())),
        Fact::Key(id) => ("key", Some(id.to_bytes())),
        Fact::Client(id) => ("client", Some(id.to_bytes())),
        Fact::Policy => ("policy", None),
        Fact::SigningKeys => ("signing-keys", None),
    }
}

/// A fact as read from the feed.
pub(crate) fn fact(kind: &str, id: Option<[u8; 16]>) -> Result<Fact> {
    match (kind, id) {
        ("user", Some(id)) => Ok(Fact::User(UserId::from_bytes(id))),
        ("session", Some(id)) => Ok(Fact::Session(SessionId::from_bytes(id))),
        ("key", Some(id)) => Ok(Fact::Key(KeyId::from_bytes(id))),
        ("client", Some(id)) => Ok(Fact::Client(ClientId::from_bytes(id))),
        ("policy", None) => Ok(Fact::Policy),
        ("signing-keys", None) => Ok(Fact::SigningKeys),
        _ => Err(corrupt(format!("{kind:?} is no kind of change"))),
    }
}

/// A row that cannot be right.
pub(crate) fn corrupt(what: impl Into<String>) -> StoreError {
    StoreError::Corrupt(what.into())
}
