//! The audit log: rows are added in the transaction of the change they tell of, and never altered.

use rusqlite::Connection;

use super::failure::Outcome;
use super::row;
use crate::{Audit, AuditRow};

/// Bytes kept of any text of a row: what a client sends must not fill the disk.
const TEXT_BYTES_MAX: usize = 512;

/// Rows in one answer.
const ROWS_MAX: u32 = 1000;

const APPEND: &str = "INSERT INTO audit (at, event, actor, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5)";
const NEWEST: &str = "SELECT sequence, at, event, actor, subject, detail FROM audit ORDER BY sequence DESC LIMIT ?1";

/// Add a row.
pub(super) fn append(db: &Connection, row: &Audit) -> Outcome<()> {
    let (actor, subject, detail) = (cut(&row.actor), cut(&row.subject), cut(&row.detail));
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
            sequence: row::unsigned(row.get(0)?)?,
            at: row::time(row.get(1)?),
            event: row.get(2)?,
            actor: row.get(3)?,
            subject: row.get(4)?,
            detail: row.get(5)?,
        });
    }
    Ok(found)
}

/// The longest beginning that fits and ends between two characters.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}
