//! The feed: one row per revision, saying what to forget. The revision is raised and the rows are added by one statement, the
//! last of a transaction; until its COMMIT nobody else can raise it, so revisions have no gap and become visible in order.

use keyfob_core::change::{Change, Fact, Revision};
use keyfob_core::time::Timestamp;

use super::connection::Statement;
use super::failure::Outcome;
use super::life::{self, Life};
use super::row;
use super::transaction::Db;
use crate::{Result, StoreError, column};

/// Changes in one answer.
const CHANGES_MAX: usize = 1000;

const APPEND: &str = "WITH raised AS (UPDATE meta SET revision = revision + cardinality($1::text[]) RETURNING revision) \
    INSERT INTO changes (revision, kind, id, at) \
    SELECT raised.revision - cardinality($1::text[]) + fact.number, fact.kind, fact.id, $3 \
    FROM raised, unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS fact (kind, id, number) \
    RETURNING revision, pg_notify('keyfob_changes', revision::text)";
/// The columns of `life::LOOK`, the changes from the known one on, and where the store is, if it has moved. (By the key of the one row: PostgreSQL guesses hundreds
/// of rows in a table it has not looked at yet, and takes a fifth of a second to compile what so many would be worth.)
const SINCE: &str = "SELECT meta.incarnation, meta.revision, \
    (SELECT revision FROM losses WHERE losses.incarnation = meta.incarnation), \
    change.revision, change.kind, change.id, change.at, \
    (SELECT place FROM moves WHERE state = 'away') \
    FROM meta LEFT JOIN (SELECT revision, kind, id, at FROM changes WHERE revision >= $1 ORDER BY revision LIMIT 1001) \
    AS change ON true WHERE meta.\"only\" = 1 ORDER BY change.revision";

/// What raises the revision by one for each fact, in order, and adds them; it answers their revisions.
pub(super) fn append(facts: &[Fact], at: Timestamp) -> Statement {
    let (kinds, ids): (Vec<&'static str>, Vec<Option<[u8; 16]>>) =
        facts.iter().map(|fact| column::fact_columns(*fact)).unzip();
    Statement::With(APPEND, values![kinds, ids, at.micros()])
}

/// The changes after `applied`, in order, at most 1,000, if the database is the right one.
pub(super) async fn since(db: &mut impl Db, (life, applied): (&Life, Revision)) -> Outcome<Vec<Change>> {
    let floor = life.floor().ok_or_else(life::gone)?;
    let rows = db.rows(SINCE, &[&column::signed(applied.0)?]).await?;
    let first = rows.first().ok_or_else(life::gone)?;
    if let Some(place) = row::column::<Option<String>>(first, life::SEEN_COLUMNS + life::PRINT_COLUMNS)? {
        return Err(StoreError::Moved(place).into());
    }
    let seen = life::seen(first)?;
    let mut prints = Vec::with_capacity(rows.len());
    for found in &rows {
        prints.extend(life::print(found, life::SEEN_COLUMNS)?);
    }
    life.judge(&floor, &seen, &prints)?;
    let after = prints.iter().filter(|print| print.revision() > applied).take(CHANGES_MAX);
    Ok(after.map(|print| Ok(Change { revision: print.revision(), fact: print.fact()? })).collect::<Result<_>>()?)
}
