//! What remains of HTTP Basic: legacy password hashes, and who still comes with it. What is here goes away by itself.

use keyfob_core::id::UserId;
use keyfob_core::password::{LegacyForm, PasswordHash};
use keyfob_core::time::Timestamp;
use keyfob_core::user::{Status, Username};
use tokio_postgres::Row;

use super::failure::Outcome;
use super::transaction::{Answer, Db, Transaction};
use super::{attempts, locks, row, users};
use crate::{Audit, BasicUse, BasicUser, BasicUses, Made, NewUser, ProvenBasic, Saved, column};

// From one form to the next by the index, and never through the users of one.
const FORMS: &str = "WITH RECURSIVE form (text) AS ( \
    SELECT min(substr(password, 8, 16)) FROM users WHERE substr(password, 1, 7) = 'legacy:' \
    UNION ALL \
    SELECT (SELECT min(substr(password, 8, 16)) FROM users \
        WHERE substr(password, 1, 7) = 'legacy:' AND substr(password, 8, 16) > form.text) FROM form \
        WHERE form.text IS NOT NULL) \
    SELECT text FROM form WHERE text IS NOT NULL LIMIT 16";
const FORM_OF: &str = "SELECT substr(password, 8, 16) FROM users WHERE id = $1 AND substr(password, 1, 7) = 'legacy:'";
// In order of user, so that nodes that write at once do not wait in a circle.
const USED: &str = "INSERT INTO basic_uses (\"user\", first_at, last_at, network) \
    SELECT u.id, it.at, it.at, it.network FROM unnest($1::bytea[], $2::bigint[], $3::text[]) AS it (id, at, network) \
    JOIN users u ON u.id = it.id ORDER BY u.id \
    ON CONFLICT (\"user\") DO UPDATE SET first_at = least(basic_uses.first_at, excluded.first_at), \
    network = CASE WHEN excluded.last_at >= basic_uses.last_at THEN excluded.network ELSE basic_uses.network END, \
    last_at = greatest(basic_uses.last_at, excluded.last_at)";
const PAGE: &str = "SELECT u.id, u.username, u.status, \
    CASE WHEN substr(u.password, 1, 7) = 'legacy:' THEN substr(u.password, 8, 16) END, b.first_at, b.last_at, b.network \
    FROM users u LEFT JOIN basic_uses b ON b.\"user\" = u.id \
    WHERE u.username > $1 AND (b.\"user\" IS NOT NULL OR substr(u.password, 1, 7) = 'legacy:') \
    ORDER BY u.username LIMIT 1000";
const DELETE: &str = "DELETE FROM basic_uses WHERE \"user\" = $1";

/// The forms that are left.
pub(super) async fn forms(db: &mut impl Db) -> Outcome<Vec<LegacyForm>> {
    let texts = db.rows(FORMS, &[]).await?;
    let form = |found: &Row| Ok(column::legacy_form(row::column(found, 0)?)?);
    texts.iter().map(form).collect()
}

/// Make users whose names are free. All their locks are taken first, in order, so that nobody waits in a circle.
pub(super) async fn import(transaction: &mut Transaction<'_>, new: &[(NewUser, Audit)]) -> Outcome<Answer<Vec<Made>>> {
    let mut made = Vec::with_capacity(new.len());
    locks::take_all(
        transaction,
        new.iter().map(|(new, _)| locks::of_account(&column::account(new.user.username.as_str()))),
    );
    for (new, by) in new {
        made.push(match users::create(transaction, new, by).await? {
            Answer::Known(made) => made,
            Answer::At(made) => made(keyfob_core::change::Revision::default()),
        });
    }
    Ok(Answer::Known(made))
}

/// Replace a hash by a dearer one of the same password: nothing anybody judged has changed. That a legacy hash is gone is
/// worth an audit row.
pub(super) async fn rehash(
    transaction: &mut Transaction<'_>,
    id: UserId,
    password: &PasswordHash,
    at: Timestamp,
) -> Outcome<()> {
    let form = transaction.row(FORM_OF, &[&id.to_bytes()]).await?;
    users::rehash(transaction, id, password);
    if let Some(form) = form {
        transaction.audit(&Audit::upgraded(at, id, column::legacy_form(row::column(&form, 0)?)?));
    }
    Ok(())
}

/// Settle the reservation of a Basic credential as right, if what was judged still holds.
pub(super) async fn record_proof(transaction: &mut Transaction<'_>, proven: &ProvenBasic) -> Outcome<Answer<Saved>> {
    let user = users::hold(transaction, proven.user).await?;
    if user.is_none_or(|user| user.status != Status::Active || user.auth_version != proven.auth_version) {
        attempts::settle_proven_as_failed(transaction, Some(&proven.proof), proven.at);
        return Ok(Answer::Known(Saved::Stale));
    }
    attempts::settle_as_right(transaction, &proven.proof);
    if let Some(password) = &proven.rehash {
        rehash(transaction, proven.user, password, proven.at).await?;
    }
    Ok(Answer::Known(Saved::Saved))
}

/// Keep who used Basic when; never an earlier time than is kept. Each user is named once.
pub(super) fn record_uses(transaction: &mut Transaction<'_>, uses: &[BasicUse]) {
    let ids: Vec<[u8; 16]> = uses.iter().map(|it| it.user.to_bytes()).collect();
    let times: Vec<i64> = uses.iter().map(|it| it.at.micros()).collect();
    let networks: Vec<String> = uses.iter().map(|it| row::text(&it.network)).collect();
    transaction.later(USED, values![ids, times, networks]);
}

/// A page of those who are not done with Basic, in order of name.
pub(super) async fn page(db: &mut impl Db, after: Option<&Username>) -> Outcome<Vec<BasicUser>> {
    let after = after.map_or("", Username::as_str).to_owned();
    db.rows(PAGE, &[&after]).await?.iter().map(read).collect()
}

/// Remove the row of a user that goes.
pub(super) fn delete(transaction: &mut Transaction<'_>, user: UserId) {
    transaction.later(DELETE, values![user.to_bytes()]);
}

fn read(found: &Row) -> Outcome<BasicUser> {
    let last: Option<i64> = row::column(found, 5)?;
    let uses = last.map(|last| -> Outcome<_> {
        let (first_at, last_at) = (column::time(row::column(found, 4)?), column::time(last));
        Ok(BasicUses { first_at, last_at, network: row::column(found, 6)? })
    });
    Ok(BasicUser {
        id: UserId::from_bytes(row::bytes(found, 0)?),
        username: column::username(row::column(found, 1)?)?,
        status: column::status(row::column(found, 2)?)?,
        legacy: row::column::<Option<&str>>(found, 3)?.map(column::legacy_form).transpose()?,
        uses: uses.transpose()?,
    })
}
