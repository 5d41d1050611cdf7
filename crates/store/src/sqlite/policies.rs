//! Policies: versions are added, the newest is in force.

use keyfob_core::change::Fact;
use rusqlite::{Connection, OptionalExtension as _};

use super::audit;
use super::failure::Outcome;
use super::writer::Transaction;
use crate::{Audit, Changed, StoredPolicy, column};

const IN_FORCE: &str = "SELECT version, text FROM policies ORDER BY version DESC LIMIT 1";
const INSERT: &str = "INSERT INTO policies (version, text, applied_at) VALUES (?1, ?2, ?3)";

/// The policy in force.
pub(super) fn in_force(db: &Connection) -> Outcome<Option<StoredPolicy>> {
    let found = db.prepare_cached(IN_FORCE)?.query_one([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    found.map(|(version, text)| Ok(StoredPolicy { version: column::unsigned(version)?, text })).transpose()
}

/// Put a policy in force, unless it is.
pub(super) fn set(transaction: &mut Transaction<'_>, text: &str, by: &Audit) -> Outcome<Changed> {
    let current = in_force(transaction.db())?;
    if current.as_ref().is_some_and(|current| current.text == text) {
        return Ok(Changed::Already(transaction.revision()));
    }
    let version = current.map_or(1, |current| current.version + 1);
    transaction.db().prepare_cached(INSERT)?.execute((column::signed(version)?, text, by.at.micros()))?;
    audit::append(transaction.db(), by)?;
    transaction.publish(Fact::Policy, by.at)?;
    Ok(Changed::At(transaction.revision()))
}
