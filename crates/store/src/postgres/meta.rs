//! The installation's one row: incarnation, root key check, revision, public URL.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use keyfob_core::change::Revision;
use keyfob_core::id::Incarnation;
use keyfob_core::time::Timestamp;
use tokio_postgres::Row;

use super::connection::Statement;
use super::failure::Outcome;
use super::life::gone;
use super::row;
use super::transaction::{Answer, Db, Transaction};
use crate::high_water::Reached;
use crate::moving::mark::State;
use crate::root_key::RootKey;
use crate::{Audit, Life, StoreError, column};

const INSERT: &str = "INSERT INTO meta (\"only\", incarnation, root_key_check, revision) VALUES (1, $1, $2, 0) \
    ON CONFLICT DO NOTHING";
const FIND: &str = "SELECT incarnation, root_key_check, revision, moves.state, moves.place \
    FROM meta LEFT JOIN moves ON true";
const REVISION: &str = "SELECT revision FROM meta";
const REVISION_IN_TURN: &str = "SELECT revision FROM meta, pg_logical_emit_message(true, 'keyfob', '')";
const LIFE: &str = "SELECT restored_at, backed_up_at FROM meta";
const PUBLIC_URL: &str = "SELECT public_url FROM meta";
const SET_PUBLIC_URL: &str = "UPDATE meta SET public_url = $1 WHERE public_url IS NOT DISTINCT FROM $2 RETURNING 1";

/// The incarnation and the revision; in a new database the row is made. Fails if the root key is another than the row's.
pub(super) async fn open(db: &mut impl Db, root_key: &RootKey, fresh: [u8; 16]) -> Outcome<(Incarnation, Revision)> {
    let check = root_key.derive("check-value");
    let mut found = db.row(FIND, &[]).await?;
    if found.is_none() {
        // Of several nodes that start at once the first one's row stays. A node that may only read finds it there.
        db.rows(INSERT, &[&fresh, &*check]).await?;
        found = db.row(FIND, &[]).await?;
    }
    let found = found.ok_or_else(gone)?;
    is_made_with(&found, root_key)?;
    match row::column::<Option<&str>>(&found, 3)?.and_then(State::parse) {
        Some(State::Arriving | State::Filled) => return Err(StoreError::Arriving.into()),
        Some(State::Away) => return Err(StoreError::Moved(row::column(&found, 4)?).into()),
        Some(State::Here) | None => {}
    }
    Ok((Incarnation(row::bytes(&found, 0)?), Revision(column::unsigned(row::column(&found, 2)?)?)))
}

/// How far the store has come, wherever it is served. Fails if there is none, or the root key is another than the store's.
pub(super) async fn check(db: &mut impl Db, root_key: &RootKey) -> Outcome<Reached> {
    let found = db.row(FIND, &[]).await?.ok_or(StoreError::Move("there is no keyfob store in it".to_owned()))?;
    is_made_with(&found, root_key)?;
    let revision = Revision(column::unsigned(row::column(&found, 2)?)?);
    Ok(Reached { incarnation: Incarnation(row::bytes(&found, 0)?), revision })
}

fn is_made_with(found: &Row, root_key: &RootKey) -> Outcome<()> {
    let check = root_key.derive("check-value");
    match verify_slices_are_equal(&row::bytes::<32>(found, 1)?, check.as_slice()) {
        Ok(()) => Ok(()),
        Err(_) => Err(StoreError::WrongRootKey.into()),
    }
}

/// The newest committed revision.
pub(super) async fn revision(db: &mut impl Db) -> Outcome<Revision> {
    let found = db.row(REVISION, &[]).await?.ok_or_else(gone)?;
    Ok(Revision(column::unsigned(row::column(&found, 0)?)?))
}

/// What reads the newest revision, for a transaction that found its work done. It leaves a message that nobody reads, so that
/// its COMMIT waits until what it found is as durable as if it had done it.
pub(super) fn read_revision() -> Statement {
    Statement::With(REVISION_IN_TURN, Vec::new())
}

/// When this life began by a restore, and when it was last backed up.
pub(super) async fn life(db: &mut impl Db) -> Outcome<Life> {
    let found = db.row(LIFE, &[]).await?.ok_or_else(gone)?;
    let at = |index| -> Outcome<Option<Timestamp>> { Ok(row::column::<Option<i64>>(&found, index)?.map(column::time)) };
    Ok(Life { restored_at: at(0)?, backed_up_at: at(1)? })
}

/// The origin, if one is kept.
pub(super) async fn public_url(db: &mut impl Db) -> Outcome<Option<String>> {
    row::column(&db.row(PUBLIC_URL, &[]).await?.ok_or_else(gone)?, 0)
}

/// Keep the origin, if the one that is kept is still `from`.
pub(super) async fn set_public_url(
    transaction: &mut Transaction<'_>,
    from: Option<&str>,
    url: &str,
    by: &Audit,
) -> Outcome<Answer<bool>> {
    let kept = transaction.row(SET_PUBLIC_URL, &[&url, &from]).await?.is_some();
    if kept {
        transaction.audit(by);
    }
    Ok(Answer::Known(kept))
}
