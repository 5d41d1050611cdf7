//! What remains of HTTP Basic: legacy password hashes, and who still comes with it. What is here goes away by itself.

use keyfob_core::id::UserId;
use keyfob_core::password::{LegacyForm, PasswordHash};
use keyfob_core::time::Timestamp;
use keyfob_core::user::{Status, Username};
use rusqlite::{Connection, OptionalExtension as _};

use super::failure::Outcome;
use super::writer::Transaction;
use super::{attempts, audit, users};
use crate::{Audit, BasicUse, BasicUser, BasicUses, Made, NewUser, ProvenBasic, Saved, column};

// From one form to the next by the index, and never through the users of one.
const FORMS: &str = "WITH RECURSIVE form (text) AS ( \
    SELECT min(substr(password, 8, 16)) FROM users WHERE substr(password, 1, 7) = 'legacy:' \
    UNION ALL \
    SELECT (SELECT min(substr(password, 8, 16)) FROM users \
        WHERE substr(password, 1, 7) = 'legacy:' AND substr(password, 8, 16) > form.text) FROM form \
        WHERE form.text IS NOT NULL) \
    SELECT text FROM form WHERE text IS NOT NULL LIMIT 16";
const FORM_OF: &str = "SELECT substr(password, 8, 16) FROM users WHERE id = ?1 AND substr(password, 1, 7) = 'legacy:'";
const USED: &str = "INSERT INTO basic_uses (user, first_at, last_at, network) \
    SELECT id, ?2, ?2, ?3 FROM users WHERE id = ?1 \
    ON CONFLICT (user) DO UPDATE SET first_at = min(first_at, excluded.first_at), \
    network = iif(excluded.last_at >= last_at, excluded.network, network), last_at = max(last_at, excluded.last_at)";
const PAGE: &str = "SELECT u.id, u.username, u.status, \
    iif(substr(u.password, 1, 7) = 'legacy:', substr(u.password, 8, 16), NULL), b.first_at, b.last_at, b.network \
    FROM users u LEFT JOIN basic_uses b ON b.user = u.id \
    WHERE u.username > ?1 AND (b.user IS NOT NULL OR substr(u.password, 1, 7) = 'legacy:') \
    ORDER BY u.username LIMIT 1000";
const DELETE: &str = "DELETE FROM basic_uses WHERE user = ?1";

/// The forms that are left.
pub(super) fn forms(db: &Connection) -> Outcome<Vec<LegacyForm>> {
    let mut statement = db.prepare_cached(FORMS)?;
    let texts = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    texts.iter().map(|text| Ok(column::legacy_form(text)?)).collect()
}

/// Make users whose names are free.
pub(super) fn import(transaction: &Transaction<'_>, new: &[(NewUser, Audit)]) -> Outcome<Vec<Made>> {
    new.iter().map(|(user, by)| users::create(transaction, user, by)).collect()
}

/// Replace a hash by a dearer one of the same password: nothing anybody judged has changed. That a legacy hash is gone is
/// worth an audit row.
pub(super) fn rehash(db: &Connection, id: UserId, password: &PasswordHash, at: Timestamp) -> Outcome<()> {
    let form: Option<String> = db.prepare_cached(FORM_OF)?.query_one([id.to_bytes()], |row| row.get(0)).optional()?;
    users::rehash(db, id, password)?;
    form.map_or(Ok(()), |form| audit::append(db, &Audit::upgraded(at, id, column::legacy_form(&form)?)))
}

/// Settle the reservation of a Basic credential as right, if what was judged still holds.
pub(super) fn record_proof(transaction: &Transaction<'_>, proven: &ProvenBasic) -> Outcome<Saved> {
    let db = transaction.db();
    let user = users::find(db, proven.user)?;
    if user.is_none_or(|user| user.status != Status::Active || user.auth_version != proven.auth_version) {
        attempts::settle_proven_as_failed(db, Some(&proven.proof), proven.at)?;
        return Ok(Saved::Stale);
    }
    attempts::settle_as_right(db, &proven.proof)?;
    if let Some(password) = &proven.rehash {
        rehash(db, proven.user, password, proven.at)?;
    }
    Ok(Saved::Saved)
}

/// Keep who used Basic when; never an earlier time than is kept.
pub(super) fn record_uses(db: &Connection, uses: &[BasicUse]) -> Outcome<()> {
    let mut statement = db.prepare_cached(USED)?;
    for BasicUse { user, at, network } in uses {
        statement.execute((user.to_bytes(), at.micros(), network))?;
    }
    Ok(())
}

/// A page of those who are not done with Basic, in order of name.
pub(super) fn page(db: &Connection, after: Option<&Username>) -> Outcome<Vec<BasicUser>> {
    let mut statement = db.prepare_cached(PAGE)?;
    let mut rows = statement.query([after.map_or("", Username::as_str)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let last: Option<i64> = row.get(5)?;
        let uses = last.map(|last| -> Outcome<_> {
            let (first_at, last_at) = (column::time(row.get(4)?), column::time(last));
            Ok(BasicUses { first_at, last_at, network: row.get(6)? })
        });
        found.push(BasicUser {
            id: UserId::from_bytes(row.get(0)?),
            username: column::username(row.get(1)?)?,
            status: column::status(&row.get::<_, String>(2)?)?,
            legacy: row.get::<_, Option<String>>(3)?.as_deref().map(column::legacy_form).transpose()?,
            uses: uses.transpose()?,
        });
    }
    Ok(found)
}

/// Remove the row of a user that goes.
pub(super) fn delete(db: &Connection, user: UserId) -> Outcome<()> {
    db.prepare_cached(DELETE)?.execute([user.to_bytes()])?;
    Ok(())
}
