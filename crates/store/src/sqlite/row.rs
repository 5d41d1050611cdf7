//! Columns to values and back. Whatever the schema allows and a value does not is damage, never a guess.

use aws_lc_rs::digest;
use keyfob_core::client::{ClientName, ClientStatus};
use keyfob_core::scope::Scope;
use keyfob_core::time::Timestamp;
use keyfob_core::user::{RoleName, Status, Username};

use super::failure::{Outcome, corrupt};

/// A counter as stored.
pub(super) fn signed(value: u64) -> Outcome<i64> {
    i64::try_from(value).map_err(|_| corrupt(format!("{value} is no counter")))
}

/// A counter as read.
pub(super) fn unsigned(value: i64) -> Outcome<u64> {
    u64::try_from(value).map_err(|_| corrupt(format!("{value} is no counter")))
}

/// An instant as read.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// A username as read.
pub(super) fn username(text: String) -> Outcome<Username> {
    Username::try_from(text).map_err(|problem| corrupt(format!("a stored username is none: {problem}")))
}

/// What attempts and throttles know a user by: the SHA-256 of the canonical username.
pub(super) fn account(name: &str) -> [u8; 32] {
    let mut account = [0; 32];
    account.copy_from_slice(digest::digest(&digest::SHA256, name.as_bytes()).as_ref());
    account
}

/// Role names as read.
pub(super) fn roles(text: &str) -> Outcome<Vec<RoleName>> {
    let names = text.split(' ').filter(|name| !name.is_empty());
    names.map(|name| RoleName::parse(name).map_err(|problem| corrupt(format!("a stored role: {problem}")))).collect()
}

/// A status as stored.
pub(super) fn status_text(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Disabled => "disabled",
    }
}

/// A status as read.
pub(super) fn status(text: &str) -> Outcome<Status> {
    match text {
        "active" => Ok(Status::Active),
        "disabled" => Ok(Status::Disabled),
        _ => Err(corrupt(format!("{text:?} is no status"))),
    }
}

/// A scope as read.
pub(super) fn scope(text: &str) -> Outcome<Scope> {
    Scope::parse(text).map_err(|problem| corrupt(format!("a stored scope is none: {problem}")))
}

/// A client name as read.
pub(super) fn client_name(text: String) -> Outcome<ClientName> {
    ClientName::try_from(text).map_err(|problem| corrupt(format!("a stored client name is none: {problem}")))
}

/// A client's status as stored.
pub(super) fn client_status_text(status: ClientStatus) -> &'static str {
    match status {
        ClientStatus::Active => "active",
        ClientStatus::Suspended => "suspended",
    }
}

/// A client's status as read.
pub(super) fn client_status(text: &str) -> Outcome<ClientStatus> {
    match text {
        "active" => Ok(ClientStatus::Active),
        "suspended" => Ok(ClientStatus::Suspended),
        _ => Err(corrupt(format!("{text:?} is no status of a client"))),
    }
}
