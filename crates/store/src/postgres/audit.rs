//! The audit log: rows are added in the transaction of the change they tell of, and never altered. They are not chained
//! here, or all changes of all nodes would stand in one queue.

use super::connection::Statement;
use super::failure::Outcome;
use super::row;
use super::transaction::Db;
use crate::{Audit, AuditRow, column};

/// Rows in one answer.
const ROWS_MAX: u32 = 1000;

const APPEND: &str = "INSERT INTO audit (at, event, actor, subject, detail) \
    SELECT at, event, actor, subject, detail \
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[]) \
    WITH ORDINALITY AS line (at, event, actor, subject, detail, number) ORDER BY number";
const NEWEST: &str = "SELECT sequence, at, event, actor, subject, detail FROM audit ORDER BY sequence DESC LIMIT $1";

/// What adds the rows, in order.
pub(super) fn append(rows: &[Audit]) -> Statement {
    let texts = |choose: fn((&str, &str, &str)) -> String| -> Vec<String> {
        rows.iter().map(|row| choose(column::audit_texts(row))).collect()
    };
    let values = values![
        rows.iter().map(|row| row.at.micros()).collect::<Vec<i64>>(),
        rows.iter().map(|row| row.event).collect::<Vec<&'static str>>(),
        texts(|(actor, _, _)| row::text(actor)),
        texts(|(_, subject, _)| row::text(subject)),
        texts(|(_, _, detail)| row::text(detail)),
    ];
    Statement::With(APPEND, values)
}

/// The newest rows, newest first.
pub(super) async fn newest(db: &mut impl Db, limit: u32) -> Outcome<Vec<AuditRow>> {
    let rows = db.rows(NEWEST, &[&i64::from(limit.clamp(1, ROWS_MAX))]).await?;
    rows.iter()
        .map(|found| {
            Ok(AuditRow {
                sequence: column::unsigned(row::column(found, 0)?)?,
                at: column::time(row::column(found, 1)?),
                event: row::column(found, 2)?,
                actor: row::column(found, 3)?,
                subject: row::column(found, 4)?,
                detail: row::column(found, 5)?,
            })
        })
        .collect()
}
