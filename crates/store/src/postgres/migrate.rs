//! The schema, step by step: numbered SQL texts inside the program, each run once, its SHA-256 kept in the database. All in
//! one transaction under a lock of its own, so that of several nodes that start at once one does it and the others find it
//! done. A step only adds: nodes of the version before still run on the schema while it is rolled out. A database with a
//! step this program does not have, or has in other words, is refused untouched.

use super::connection::Connection;
use super::failure::{Outcome, corrupt};
use super::row;
use crate::StoreError;
use crate::schema::{self, sha256};

/// All steps, in order. Never edited once released: a change is a new step.
pub(super) const STEPS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_nodes.sql"),
    include_str!("migrations/0003_lives.sql"),
    include_str!("migrations/0004_moves.sql"),
    include_str!("migrations/0005_basic.sql"),
];

/// Others may be at it for as long as it takes; the lock is `kfob` in ASCII ([`super::locks::SCHEMA`]).
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; \
    SET LOCAL idle_in_transaction_session_timeout = 60000; SELECT pg_advisory_xact_lock(1801875298)";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

const OBJECT_COUNT: &str = "SELECT count(*), count(*) FILTER (WHERE relname = 'migrations') FROM pg_catalog.pg_class \
    WHERE relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = current_schema()) \
    AND relkind IN ('r', 'p', 'v', 'm', 'f')";
const CREATE_MIGRATIONS: &str = "CREATE TABLE migrations (number bigint PRIMARY KEY, sha256 bytea NOT NULL)";
const APPLIED: &str = "SELECT number, sha256 FROM migrations ORDER BY number";
const RECORD: &str = "INSERT INTO migrations (number, sha256) VALUES ($1, $2)";

/// Bring the schema up to date.
pub(super) async fn migrate(connection: &Connection) -> Outcome<()> {
    run(connection, STEPS).await
}

/// Whether it is up to date; no error if there is nothing at all.
pub(super) async fn is_current(connection: &Connection) -> Outcome<bool> {
    let objects = connection.rows(OBJECT_COUNT, &[]).await?;
    let ours = objects.first().map_or(Ok(0), |objects| row::count(objects, 1))? > 0;
    Ok(ours && applied(connection, STEPS).await? == STEPS.len())
}

pub(super) async fn run(connection: &Connection, steps: &[&str]) -> Outcome<()> {
    connection.run_at_leisure(BEGIN).await?;
    match run_in_transaction(connection, steps).await {
        Ok(()) => connection.run(COMMIT).await,
        Err(failure) => {
            // The first failure says more than one of this; the connection is not used again either way.
            let _ = connection.run(ROLLBACK).await;
            Err(failure)
        }
    }
}

async fn run_in_transaction(connection: &Connection, steps: &[&str]) -> Outcome<()> {
    let objects = connection.rows(OBJECT_COUNT, &[]).await?;
    let objects = objects.first().ok_or_else(|| corrupt("a count has no row"))?;
    match (row::count(objects, 0)?, row::count(objects, 1)?) {
        (0, _) => connection.run(CREATE_MIGRATIONS).await?,
        (_, 0) => {
            let text = "there are another program's tables in it: give keyfob a database of its own";
            return Err(StoreError::Schema(text.to_owned()).into());
        }
        _ => {}
    }
    for (number, sql) in (1_i64..).zip(steps).skip(applied(connection, steps).await?) {
        connection.run_at_leisure(sql).await?;
        connection.rows(RECORD, &[&number, &sha256(sql)]).await?;
    }
    Ok(())
}

/// How many of the first steps have run; an error if others have.
pub(super) async fn applied(connection: &Connection, steps: &[&str]) -> Outcome<usize> {
    let mut found = Vec::new();
    for step in connection.rows(APPLIED, &[]).await? {
        found.push((row::column::<i64>(&step, 0)?, row::bytes::<32>(&step, 1)?));
    }
    Ok(schema::applied(steps, &found)?)
}
