//! The feed: one row per revision, saying what to forget. Rows go only from the old end, so a reader that finds the
//! next revision missing knows that it fell behind.

use keyfob_core::change::{Change, Fact, Revision};
use keyfob_core::time::Timestamp;
use rusqlite::Connection;

use super::failure::Outcome;
use crate::column;

const APPEND: &str = "INSERT INTO changes (revision, kind, id, at) VALUES (?1, ?2, ?3, ?4)";
const SINCE: &str = "SELECT revision, kind, id FROM changes WHERE revision > ?1 ORDER BY revision LIMIT 1000";

/// Add a change.
pub(super) fn append(db: &Connection, revision: Revision, fact: Fact, at: Timestamp) -> Outcome<()> {
    let (kind, id) = column::fact_columns(fact);
    db.prepare_cached(APPEND)?.execute((column::signed(revision.0)?, kind, id, at.micros()))?;
    Ok(())
}

/// The changes after `applied`, in order, at most 1,000.
pub(super) fn since(db: &Connection, applied: Revision) -> Outcome<Vec<Change>> {
    let mut statement = db.prepare_cached(SINCE)?;
    let mut rows = statement.query([column::signed(applied.0)?])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let kind: String = row.get(1)?;
        let fact = column::fact(&kind, row.get(2)?)?;
        changes.push(Change { revision: Revision(column::unsigned(row.get(0)?)?), fact });
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use keyfob_core::id::{ClientId, KeyId, SessionId, UserId};

    use super::super::migrate::migrate;
    use super::*;

    #[test]
    fn every_kind_of_fact_is_read_as_it_was_written() {
        let db = Connection::open_in_memory().unwrap();
        migrate(&db).unwrap();
        let facts = [
            Fact::User(UserId::from_bytes([1; 16])),
            Fact::Session(SessionId::from_bytes([2; 16])),
            Fact::Key(KeyId::from_bytes([3; 16])),
            Fact::Client(ClientId::from_bytes([4; 16])),
            Fact::Policy,
            Fact::SigningKeys,
        ];
        let expected: Vec<_> =
            (1..).zip(facts).map(|(number, fact)| Change { revision: Revision(number), fact }).collect();
        for change in &expected {
            append(&db, change.revision, change.fact, Timestamp::from_seconds(1)).unwrap();
        }
        assert_eq!(since(&db, Revision(0)).unwrap(), expected);
    }
}
