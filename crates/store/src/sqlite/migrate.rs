//! The schema, step by step: numbered SQL texts inside the program, each run once, its SHA-256 kept in the database. A
//! database with a step this program does not have, or has in other words, is refused untouched.

use rusqlite::{Connection, ErrorCode};

use super::failure::{Failure, Outcome};
use crate::StoreError;
use crate::schema::{self, sha256};

/// `kfob` in ASCII: tells a keyfob database from another program's.
const APPLICATION_ID: i32 = 0x6b66_6f62;

/// All steps, in order. Never edited once released: a change is a new step.
#[rustfmt::skip] // One a line.
const STEPS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_api_keys.sql"),
    include_str!("migrations/0004_clients.sql"),
    include_str!("migrations/0005_key_rotation.sql"),
    include_str!("migrations/0006_incarnation.sql"),
    include_str!("migrations/0007_refresh_tokens.sql"),
    include_str!("migrations/0009_bounded_failures.sql"),
    include_str!("migrations/0010_session_use.sql"),
    include_str!("migrations/0011_suspended_by_restore.sql"),
    include_str!("migrations/0012_token_chains.sql"),
    include_str!("migrations/0013_moves.sql"),
    include_str!("migrations/0014_basic.sql"),
];

/// How many of the first steps make the tables that other backends have too: of the steps after them some arrange rows for
/// `SQLite` alone. Tables that came later still are filled after all steps (`sqlite/copy.rs`).
const SHARED_STEPS: usize = 9;

const OBJECT_COUNT: &str = "SELECT count(*) FROM sqlite_schema";
const CREATE_MIGRATIONS: &str = "CREATE TABLE migrations (number INTEGER PRIMARY KEY, sha256 BLOB NOT NULL) STRICT";
const APPLIED: &str = "SELECT number, sha256 FROM migrations ORDER BY number";
const RECORD: &str = "INSERT INTO migrations (number, sha256) VALUES (?1, ?2)";

/// Refuse a file that is not ours to write. Reads only.
pub(super) fn inspect(db: &Connection) -> Outcome<()> {
    if is_empty(db)? {
        return Ok(());
    }
    let application: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(StoreError::Schema("this is another program's database".to_owned()).into());
    }
    applied(db, STEPS).map(|_| ())
}

/// Whether there is nothing in it at all.
pub(super) fn is_empty(db: &Connection) -> Outcome<bool> {
    let objects: i64 = db.query_row(OBJECT_COUNT, [], |row| row.get(0)).map_err(unreadable)?;
    Ok(objects == 0)
}

/// Bring the schema up to date, in one transaction.
pub(super) fn migrate(db: &Connection) -> Outcome<()> {
    run(db, STEPS)
}

/// Whether every step of this version has run.
pub(super) fn is_current(db: &Connection) -> Outcome<bool> {
    Ok(applied(db, STEPS)? == STEPS.len())
}

/// Make the tables as other backends have them, for their rows; [`migrate`] brings those into this backend's form.
pub(super) fn migrate_to_shared(db: &Connection) -> Outcome<()> {
    run(db, &STEPS[..SHARED_STEPS])
}

fn run(db: &Connection, steps: &[&str]) -> Outcome<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    let done = run_in_transaction(db, steps).and_then(|()| Ok(db.execute_batch("COMMIT")?));
    if !db.is_autocommit() {
        db.execute_batch("ROLLBACK")?;
    }
    done
}

fn run_in_transaction(db: &Connection, steps: &[&str]) -> Outcome<()> {
    if db.query_row(OBJECT_COUNT, [], |row| row.get::<_, i64>(0))? == 0 {
        db.pragma_update(None, "application_id", APPLICATION_ID)?;
        db.execute_batch(CREATE_MIGRATIONS)?;
    }
    for (number, sql) in (1_i64..).zip(steps).skip(applied(db, steps)?) {
        db.execute_batch(sql)?;
        db.execute(RECORD, (number, sha256(sql)))?;
    }
    Ok(())
}

/// How many of the first steps have run; an error if others have.
fn applied(db: &Connection, steps: &[&str]) -> Outcome<usize> {
    let mut statement = db.prepare(APPLIED)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)))?;
    let recorded = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(schema::applied(steps, &recorded)?)
}

fn unreadable(cause: rusqlite::Error) -> Failure {
    match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            let text = format!("{cause}: move the file away or restore a backup");
            Failure { fatal: true, error: StoreError::Corrupt(text) }
        }
        _ => cause.into(),
    }
}

#[cfg(test)]
mod upgrade;

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "CREATE TABLE one (a INTEGER) STRICT";
    const TWO: &str = "CREATE TABLE two (a INTEGER) STRICT";

    fn schema_error(outcome: Outcome<()>) -> String {
        match outcome {
            Err(Failure { error: StoreError::Schema(text), .. }) => text,
            other => panic!("expected a schema error, got {other:?}"),
        }
    }

    #[test]
    fn steps_run_once_and_in_order() {
        let db = Connection::open_in_memory().unwrap();
        run(&db, &[ONE]).unwrap();
        run(&db, &[ONE, TWO]).unwrap();
        run(&db, &[ONE, TWO]).unwrap();
        assert_eq!(db.query_row("SELECT count(*) FROM migrations", [], |row| row.get::<_, i64>(0)).unwrap(), 2);
    }

    #[test]
    fn a_step_that_was_altered_after_it_ran_is_refused() {
        let db = Connection::open_in_memory().unwrap();
        run(&db, &[ONE]).unwrap();
        assert!(schema_error(run(&db, &[TWO])).contains("step 1 differs"));
    }

    #[test]
    fn a_database_of_a_newer_version_is_refused() {
        let db = Connection::open_in_memory().unwrap();
        run(&db, &[ONE, TWO]).unwrap();
        assert!(schema_error(run(&db, &[ONE])).contains("newer keyfob"));
    }

    #[test]
    fn the_second_step_keeps_the_feed() {
        let db = Connection::open_in_memory().unwrap();
        run(&db, &STEPS[..1]).unwrap();
        let rows = "INSERT INTO changes (revision, kind, id, at) \
            VALUES (7, 'user', x'00112233445566778899aabbccddeeff', 70), (8, 'policy', NULL, 80)";
        db.execute_batch(rows).unwrap();
        run(&db, STEPS).unwrap();
        let kept = "SELECT group_concat(revision || kind || coalesce(hex(id), '') || at) FROM changes";
        let kept: String = db.query_row(kept, [], |row| row.get(0)).unwrap();
        assert_eq!(kept, "7user00112233445566778899AABBCCDDEEFF70,8policy80");
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_behind() {
        let db = Connection::open_in_memory().unwrap();
        assert!(run(&db, &[ONE, "CREATE TABLE broken ("]).is_err());
        assert_eq!(db.query_row(OBJECT_COUNT, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
        run(&db, &[ONE]).unwrap();
    }

    #[test]
    fn of_keys_from_before_rotation_the_newest_signs_and_the_others_are_old() {
        let db = Connection::open_in_memory().unwrap();
        run(&db, &STEPS[..1]).unwrap();
        for (kid, at) in [("b", 2), ("c", 1), ("a", 2)] {
            db.execute("INSERT INTO signing_keys VALUES (?1, 'ES256', x'00', ?2)", (kid, at)).unwrap();
        }
        run(&db, STEPS).unwrap();
        let mut statement = db.prepare("SELECT kid, stage, stage_at FROM signing_keys ORDER BY kid").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        let rows: Vec<(String, String, i64)> = rows.map(Result::unwrap).collect();
        let expected = [("a", "active", 2), ("b", "old", 2), ("c", "old", 2)];
        assert_eq!(rows, expected.map(|(kid, stage, at)| (kid.to_owned(), stage.to_owned(), at)));
    }

    #[test]
    fn tokens_from_before_they_were_chains_are_chains_of_their_sessions() {
        let db = Connection::open_in_memory().unwrap();
        run(&db, &STEPS[..SHARED_STEPS]).unwrap();
        // Used a, then b, both in one microsecond; c is the newest. The other session has d alone.
        let rows = "PRAGMA foreign_keys = 0; \
            INSERT INTO sessions (id, user, created_at, expires_at, client_name, address) VALUES \
            (zeroblob(16), x'01', 1, 9, '', ''), (randomblob(16), x'01', 1, 9, '', ''); \
            CREATE TEMP TABLE name AS SELECT 'a' AS n, randomblob(32) AS d UNION ALL SELECT 'b', randomblob(32) \
            UNION ALL SELECT 'c', randomblob(32) UNION ALL SELECT 'd', randomblob(32); \
            INSERT INTO refresh_tokens SELECT d, CASE n WHEN 'd' THEN (SELECT max(id) FROM sessions) ELSE zeroblob(16) END, \
            CASE WHEN n < 'c' THEN 5 END, (SELECT d FROM name o WHERE unicode(o.n) = unicode(name.n) + 1 AND name.n < 'c'), \
            CASE WHEN n < 'c' THEN zeroblob(52) END FROM name; PRAGMA foreign_keys = 1";
        db.execute_batch(rows).unwrap();
        run(&db, STEPS).unwrap();
        let text = |sql: &str| db.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        let links = "SELECT group_concat(n, '') FROM (SELECT n.n || coalesce(m.n, '.') AS n FROM name n \
            JOIN refresh_tokens t ON t.digest = n.d LEFT JOIN refresh_tokens s ON s.number = t.successor \
            LEFT JOIN name m ON m.d = s.digest ORDER BY n.n)";
        assert_eq!(text(links), "abbcc.d.");
        let firsts = "SELECT group_concat(n, '') FROM (SELECT n FROM sessions s JOIN refresh_tokens t \
            ON t.number = s.first_token JOIN name ON d = t.digest ORDER BY n)";
        assert_eq!(text(firsts), "ad");
        db.execute("DELETE FROM sessions WHERE id = zeroblob(16)", []).unwrap();
        assert_eq!(text("SELECT group_concat(n, '') FROM refresh_tokens t JOIN name ON d = t.digest"), "d");
    }
}
