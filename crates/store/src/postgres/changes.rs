//! The feed: one row per revision, saying what to forget. The revision is raised and the rows are added by one statement, the
//! last of a transaction; until its COMMIT nobody else can raise it, so revisions have no gap and become visible in order.

use keyfob_core::change::{Change, Fact, Revision};
use keyfob_core::time::Timestamp;

use super::connection::Statement;
use super::failure::Outcome;
use super::row;
use super::transaction::Db;
use crate::column;

const APPEND: &str = "WITH raised AS (UPDATE meta SET revision = revision + cardinality($1::text[]) RETURNING revision) \
    INSERT INTO changes (revision, kind, id, at) \
    SELECT raised.revision - cardinality($1::text[]) + fact.number, fact.kind, fact.id, $3 \
    FROM raised, unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS fact (kind, id, number) \
    RETURNING revision, pg_notify('keyfob_changes', revision::text)";
const SINCE: &str = "SELECT revision, kind, id FROM changes WHERE revision > $1 ORDER BY revision LIMIT 1000";

/// What raises the revision by one for each fact, in order, and adds them; it answers their revisions.
pub(super) fn append(facts: &[Fact], at: Timestamp) -> Statement {
    let (kinds, ids): (Vec<&'static str>, Vec<Option<[u8; 16]>>) =
        facts.iter().map(|fact| column::fact_columns(*fact)).unzip();
    Statement::With(APPEND, values![kinds, ids, at.micros()])
}

/// The changes after `applied`, in order, at most 1,000.
pub(super) async fn since(db: &mut impl Db, applied: Revision) -> Outcome<Vec<Change>> {
    let rows = db.rows(SINCE, &[&column::signed(applied.0)?]).await?;
    rows.iter()
        .map(|found| {
            let revision = Revision(column::unsigned(row::column(found, 0)?)?);
            let fact = column::fact(row::column(found, 1)?, row::optional_bytes(found, 2)?)?;
            Ok(Change { revision, fact })
        })
        .collect()
}
