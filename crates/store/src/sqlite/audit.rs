//! The audit log: rows are added in the transaction of the change they tell of, and never altered.

use rusqlite::Connection;

use super::failure::Outcome;
use crate::{Audit, AuditRow, column};

/// Rows in one answer.
const ROWS_MAX: u32 = 1000;

const APPEND: &str = "INSERT INTO audit (at, event, actor, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5)";
const NEWEST: &str = "SELECT sequence, at, event, actor, subject, detail FROM audit ORDER BY sequence DESC LIMIT ?1";

/// Add a row.
pub(super) fn append(db: &Connection, row: &Audit) -> Outcome<()> {
    let (actor, subject, detail) = column::audit_texts(row);
    db.prepare_cached(APPEND)?.execute((row.at.micros(), row.event, actor, subject, detail))?;
    Ok(())
}

/// The newest rows, newest first.
pub(super) fn newest(db: &Connection, limit: u32) -> Outcome<Vec<AuditRow>> {
    let mut statement = db.prepare_cached(NEWEST)?;
    let mut rows = statement.query([limit.clamp(1, ROWS_MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(AuditRow {
            sequence: column::unsigned(row.get(0)?)?,
            at: column::time(row.get(1)?),
            event: row.get(2)?,
            actor: row.get(3)?,
            subject: row.get(4)?,
            detail: row.get(5)?,
        });
    }
    Ok(found)
}
