//! `keyfob move`: the store from SQLite to PostgreSQL or back, with everybody signed in (docs/move.md). Says on standard error how
//! far it is, and on standard output what was moved. A password is never in the URL that it is given.

use clap::Args;

use super::failure::Failure;
use super::{Common, say};
use crate::control::{self, MovedTableView, MovedView};

/// Rows between two lines about one table.
const TOLD_EVERY: u64 = 100_000;

#[derive(Debug, Args)]
pub(super) struct Move {
    /// Where to: `postgres` (the database that the configuration names), its URL without a password, or `sqlite` (the data
    /// directory)
    #[arg(long, value_name = "postgres|URL|sqlite")]
    to: String,
}

impl Move {
    pub(super) async fn run(self, common: &Common) -> Result<(), Failure> {
        let mut progress = Progress::default();
        let mut told = |table: &'static str, rows| progress.hear(table, rows);
        let moved = match self.to.as_str() {
            "sqlite" => control::to_sqlite(&common.settings(Vec::new())?, &mut told).await?,
            "postgres" => control::to_postgres(&common.settings(Vec::new())?, &mut told).await?,
            url => {
                control::to_postgres(&common.settings(vec![("database", "--to", Some(url.to_owned()))])?, &mut told)
                    .await?
            }
        };
        if common.json {
            say::json(&moved)?;
        } else if !moved.tables.is_empty() {
            let row = |table: &MovedTableView| [table.name.clone(), table.rows.to_string(), table.digest.clone()];
            say::data(&say::table(["table", "rows", "digest"], &moved.tables.iter().map(row).collect::<Vec<_>>()))?;
        }
        say::note(&told_of(&moved, &self.to));
        Ok(())
    }
}

/// What was said of the table that is being copied.
#[derive(Default)]
struct Progress {
    table: &'static str,
    said: u64,
}

impl Progress {
    fn hear(&mut self, table: &'static str, rows: u64) {
        if table != self.table {
            (self.table, self.said) = (table, 0);
            say::note(&format!("copying {table}"));
        } else if rows >= self.said + TOLD_EVERY {
            self.said = rows;
            say::note(&format!("copying {table}: {rows} rows"));
        }
    }
}

fn told_of(moved: &MovedView, to: &str) -> String {
    let MovedView { from, to: place, already, finished, held_ms, took_ms, .. } = moved;
    let what = if *already {
        format!("the store was moved from {from} to {place} before: nothing was done")
    } else if *finished {
        format!("the move from {from} to {place} is finished, which an earlier one had left undone")
    } else {
        format!(
            "the store has moved from {from} to {place} in {took_ms} ms, the same rows on both sides; for {held_ms} ms of \
            that nothing could be written"
        )
    };
    let next = if to == "sqlite" {
        "serve it from there: start keyfob without `database`, on this directory".to_owned()
    } else {
        format!(
            "serve it from there: start keyfob with `database = \"{place}\"`, and this root key, on as many machines as you like"
        )
    };
    format!("{what}\n{next}\nwhat is left in the old place is marked, and is not served again")
}
