//! The installation's one row: incarnation, root key check, revision, public URL.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use keyfob_core::change::Revision;
use keyfob_core::id::Incarnation;
use keyfob_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};

use super::audit;
use super::failure::Outcome;
use super::writer::Transaction;
use crate::root_key::RootKey;
use crate::{Audit, StoreError, column};

const FIND: &str = "SELECT incarnation, root_key_check FROM meta";
const INSERT: &str = "INSERT INTO meta (only, incarnation, root_key_check, revision) VALUES (1, ?1, ?2, 0)";
const REVISION: &str = "SELECT revision FROM meta";
const SET_REVISION: &str = "UPDATE meta SET revision = ?1";
const RESTORED_AT: &str = "SELECT restored_at FROM meta";
const PUBLIC_URL: &str = "SELECT public_url FROM meta";
const SET_PUBLIC_URL: &str = "UPDATE meta SET public_url = ?1 WHERE public_url IS ?2";

/// The incarnation; in a new database the row is made. Fails if the root key is another than the row's.
pub(super) fn open(db: &Connection, root_key: &RootKey, fresh: [u8; 16]) -> Outcome<Incarnation> {
    let check = root_key.derive("check-value");
    let found = db.query_row(FIND, [], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, [u8; 32]>(1)?)));
    let Some((incarnation, stored)) = found.optional()? else {
        db.execute(INSERT, (fresh, *check))?;
        return Ok(Incarnation(fresh));
    };
    match verify_slices_are_equal(&stored, check.as_slice()) {
        Ok(()) => Ok(Incarnation(incarnation)),
        Err(_) => Err(StoreError::WrongRootKey.into()),
    }
}

/// The newest committed revision.
pub(super) fn revision(db: &Connection) -> Outcome<Revision> {
    let revision = db.prepare_cached(REVISION)?.query_one([], |row| row.get(0))?;
    Ok(Revision(column::unsigned(revision)?))
}

/// Keep the revision: the last statement of a transaction.
pub(super) fn set_revision(db: &Connection, revision: Revision) -> Outcome<()> {
    db.prepare_cached(SET_REVISION)?.execute([column::signed(revision.0)?])?;
    Ok(())
}

/// When this life began by a restore.
pub(super) fn restored_at(db: &Connection) -> Outcome<Option<Timestamp>> {
    let at: Option<i64> = db.prepare_cached(RESTORED_AT)?.query_one([], |row| row.get(0))?;
    Ok(at.map(column::time))
}

/// The origin, if one is kept.
pub(super) fn public_url(db: &Connection) -> Outcome<Option<String>> {
    Ok(db.prepare_cached(PUBLIC_URL)?.query_one([], |row| row.get(0))?)
}

/// Keep the origin, if the one that is kept is still `from`.
pub(super) fn set_public_url(
    transaction: &Transaction<'_>,
    from: Option<&str>,
    url: &str,
    by: &Audit,
) -> Outcome<bool> {
    if transaction.db().prepare_cached(SET_PUBLIC_URL)?.execute((url, from))? == 0 {
        return Ok(false);
    }
    audit::append(transaction.db(), by)?;
    Ok(true)
}
