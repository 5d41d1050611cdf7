//! A copy of a database that is in use, as an SQLite file of the same tables: `keyfob restore` takes it like any other backup,
//! and no tool of PostgreSQL's is needed. One read transaction, so that it holds every commit that was acknowledged before
//! it began and nothing by halves. The file is made, checked and counted by `sqlite/backup.rs`. Never contains the root key.

use std::path::Path;

use rusqlite::types::Value as Cell;
use tokio::sync::mpsc;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::connection::Connection;
use super::failure::{Outcome, corrupt};
use super::pool::Pool;
use super::row;
use super::transaction::{Answer, Transaction};
use crate::moving::table::TABLES;
use crate::sqlite::copy::{self, Piece};
use crate::{Audit, Backup, Result};

/// Every read of one instant; nobody waits for it, and it may take long.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL idle_in_transaction_session_timeout = 60000; SET LOCAL statement_timeout = 1500";
const ROLLBACK: &str = "ROLLBACK";
const FETCH: &str = "FETCH 500 FROM backup";
const CLOSE: &str = "CLOSE backup";
const RECORD: &str = "UPDATE meta SET backed_up_at = $1";

/// Pieces on their way to the file: what one thread reads ahead of the other.
const AHEAD_MAX: usize = 4;

/// Copy everything into a new file of mode 0600. `tag` tells its draft from any other.
pub(super) async fn make(pool: &Pool, file: &Path, tag: [u8; 8]) -> Result<Backup> {
    let lease = pool.lease().await?;
    let (pieces, arriving) = mpsc::channel(AHEAD_MAX);
    let (made, read) = tokio::join!(copy::fill(file, tag, arriving), send(&lease, pieces));
    // Whatever came of it, nothing is left on the connection.
    if lease.run(ROLLBACK).await.is_err() {
        Pool::discard(lease);
    }
    match (made, read) {
        (Err(_), Err(failure)) => Err(failure.into()),
        (made, _) => made,
    }
}

/// Read all tables, a piece at a time. If nobody takes the pieces any more, that is the other side's failure to tell.
async fn send(connection: &Connection, pieces: mpsc::Sender<Piece>) -> Outcome<()> {
    connection.run(BEGIN).await?;
    for table in TABLES.iter().map(|table| table.name) {
        connection.run(&format!("DECLARE backup NO SCROLL CURSOR FOR SELECT * FROM {table}")).await?;
        loop {
            let found = connection.rows(FETCH, &[]).await?;
            let Some(first) = found.first() else { break };
            let columns = first.columns().iter().map(|column| column.name().to_owned()).collect();
            let rows = found.iter().map(cells).collect::<Outcome<Vec<_>>>()?;
            if pieces.send(Piece::Rows { table, columns, rows }).await.is_err() {
                return Ok(());
            }
        }
        connection.run(CLOSE).await?;
    }
    let _ = pieces.send(Piece::End).await;
    Ok(())
}

/// A row as SQLite keeps it.
pub(super) fn cells(found: &Row) -> Outcome<Vec<Cell>> {
    let cell = |(index, column): (usize, &tokio_postgres::Column)| -> Outcome<Cell> {
        Ok(match *column.type_() {
            Type::INT8 => row::column::<Option<i64>>(found, index)?.map_or(Cell::Null, Cell::Integer),
            Type::TEXT => row::column::<Option<String>>(found, index)?.map_or(Cell::Null, Cell::Text),
            Type::BYTEA => row::column::<Option<Vec<u8>>>(found, index)?.map_or(Cell::Null, Cell::Blob),
            ref other => return Err(corrupt(format!("column {} is of type {other}", column.name()))),
        })
    };
    found.columns().iter().enumerate().map(cell).collect()
}

/// Keep when the last backup was made, with its audit row.
pub(super) fn record(transaction: &mut Transaction<'_>, by: &Audit) -> Answer<()> {
    transaction.later(RECORD, values![by.at.micros()]);
    transaction.audit(by);
    Answer::Known(())
}
