//! The store moves from SQLite to PostgreSQL or back, with everything in it: the same life, the same keys, the same sessions;
//! nobody signs in again. Guarantees G1, G5 and G12 hold over it:
//!
//! - **Nothing is lost.** The last reading of the source is made in the transaction that holds its writers and ends with the
//!   mark, so that what was acknowledged before is in it, and nothing is acknowledged after.
//! - **No split brain.** The source is marked before the target is a store, and whoever still serves the source has closed in
//!   between. At no instant are there two stores; cut off there, there is none until the move is run again.
//! - **Compared.** Each table's rows are counted and digested on both sides before the source is marked.
//!
//! Cut off at any other instant, the source is served on as if nothing had been, and what is in the target has a mark that
//! nothing opens. A move that is run again begins again, or finishes what is left of the last one. Decides nothing of when the
//! server is told; see the program's `control/moving.rs`.

pub(crate) mod mark;
pub(crate) mod table;
pub(crate) mod tally;
#[cfg(test)]
mod tests;
mod to_postgres;
mod to_sqlite;

use std::path::Path;

pub use self::to_postgres::ToPostgres;
pub use self::to_sqlite::ToSqlite;

use self::table::TABLES;
use self::tally::Tally;
use crate::{Audit, Result, StoreError};

/// Which move it is.
pub struct Plan<'a> {
    /// Sixteen random bytes.
    pub id: [u8; 16],
    /// Where the store goes, as it is told to people: a URL without a password, or a directory.
    pub to: String,
    /// Where it comes from.
    pub from: String,
    /// The high-water mark of the data directory, which must admit what is moved.
    pub high_water: &'a Path,
    /// Who moves it, and when.
    pub by: &'a Audit,
}

/// How far a move had come when it was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Nothing of it is done, or nothing that counts.
    Fresh,
    /// The source is marked: what is left is to close whoever serves it, and to open the target.
    Marked,
    /// It is done: the store is in the target.
    Done,
}

/// Rows that were moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedTable {
    /// The table.
    pub name: &'static str,
    /// Its rows, equal on both sides.
    pub rows: u64,
    /// 64 hexadecimal digits, equal on both sides, whatever the order of the rows.
    pub digest: String,
}

/// Told now and then: the table that is being copied, and how many of its rows were.
pub type Told<'a> = &'a mut (dyn FnMut(&'static str, u64) + Send);

/// Fails unless both sides have the same.
fn compare(source: &[Tally], target: &[Tally]) -> Result<Vec<MovedTable>> {
    let mut moved = Vec::with_capacity(TABLES.len());
    for (index, table) in TABLES.iter().enumerate() {
        let (Some(here), Some(there)) = (source.get(index), target.get(index)) else {
            return Err(StoreError::Move(format!("{} was not read", table.name)));
        };
        if here != there {
            let text = format!("{} has {} rows there and {} here, or others", table.name, there.rows, here.rows);
            return Err(StoreError::Move(format!("what arrived is not what was sent: {text}")));
        }
        moved.push(MovedTable { name: table.name, rows: here.rows, digest: here.hex() });
    }
    Ok(moved)
}

/// What hears of each piece, and tells the sum for its table.
fn adding_up(told: Told<'_>) -> impl FnMut(usize, usize) {
    let (mut at, mut rows) = (usize::MAX, 0);
    move |table, more| {
        if at != table {
            (at, rows) = (table, 0);
        }
        rows += more as u64;
        told(TABLES[table].name, rows);
    }
}

/// Work on a source or a target that waits for the disk, off the threads that answer.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Unavailable("the work was broken off".to_owned()))
}
