//! Policies: versions are added, one at a time; the newest is in force.

use keyfob_core::change::Fact;

use super::failure::Outcome;
use super::transaction::{Answer, Db, Transaction};
use super::{locks, row};
use crate::{Audit, Changed, StoredPolicy, column};

const IN_FORCE: &str = "SELECT version, text FROM policies ORDER BY version DESC LIMIT 1";
const INSERT: &str = "INSERT INTO policies (version, text, applied_at) VALUES ($1, $2, $3)";

/// The policy in force.
pub(super) async fn in_force(db: &mut impl Db) -> Outcome<Option<StoredPolicy>> {
    let Some(found) = db.row(IN_FORCE, &[]).await? else { return Ok(None) };
    let version = column::unsigned(row::column(&found, 0)?)?;
    Ok(Some(StoredPolicy { version, text: row::column(&found, 1)? }))
}

/// Put a policy in force, unless it is.
pub(super) async fn set(transaction: &mut Transaction<'_>, text: &str, by: &Audit) -> Outcome<Answer<Changed>> {
    locks::take(transaction, locks::POLICIES);
    let current = in_force(transaction).await?;
    if current.as_ref().is_some_and(|current| current.text == text) {
        return Ok(Answer::At(Changed::Already));
    }
    let version = column::signed(current.map_or(1, |current| current.version + 1))?;
    transaction.later(INSERT, values![version, text.to_owned(), by.at.micros()]);
    transaction.audit(by);
    transaction.publish(Fact::Policy, by.at);
    Ok(Answer::At(Changed::At))
}
