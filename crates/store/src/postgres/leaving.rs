//! The database as the source of a move. All its tables are held still for writers while they are read, in one transaction;
//! nodes go on answering from what they remember for as long as they hold a lease, and what would write "could not tell". The
//! mark ends that transaction: with it each table gets a trigger that refuses every write, and whoever reads the feed learns
//! that the store is gone. A move that is cut off before leaves nothing.

use std::path::Path;

use tokio::sync::mpsc;

use super::address::Address;
use super::arriving::{mark, names};
use super::connection::Connection;
use super::failure::{Failure, Outcome, corrupt};
use super::transaction::Reader;
use super::{accept, audit, copying, meta, migrate, row, sound};
use crate::moving::mark::{Mark, State};
use crate::moving::table::TABLES;
use crate::moving::tally::Tally;
use crate::root_key::RootKey;
use crate::sqlite::copy::Piece;
use crate::{Audit, StoreError};

/// One instant, and for as long as it takes.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL lock_timeout = 10000; SET LOCAL statement_timeout = 0; \
    SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL synchronous_commit = on";
const COMMIT: &str = "COMMIT";
const SET_MARK: &str = "INSERT INTO moves (\"only\", id, state, place, at) VALUES (1, $1, 'away', $2, $3) \
    ON CONFLICT (\"only\") DO UPDATE SET id = excluded.id, state = excluded.state, place = excluded.place, at = excluded.at";
const TELL: &str = "SELECT pg_notify('keyfob_changes', revision::text) FROM meta";
const NODES: &str = "SELECT count(*) FROM nodes";
const ROWS: &str = "FETCH 500 FROM leaving";

/// A database that a store moves out of.
pub(crate) struct Leaving {
    connection: Connection,
}

impl Leaving {
    /// Connect to the database at `url`. Fails if there is no store in it, one of another root key, or one that is older than
    /// the high-water mark at that path, or some node, knows it to have been.
    pub(crate) async fn connect(url: &str, root_key: &RootKey, high_water: &Path) -> Outcome<Self> {
        let connection = Address::parse(url)?.connect().await?;
        sound::admit(&mut Reader(&connection)).await?;
        if !migrate::is_current(&connection).await? {
            return Err(refused("there is no keyfob store of this version in it"));
        }
        let here = meta::check(&mut Reader(&connection), root_key).await?;
        accept::judge(&mut Reader(&connection), high_water, here).await?;
        let source = Self { connection };
        match source.found().await? {
            Some(Mark { state: State::Arriving | State::Filled, .. }) => {
                Err(refused("a move into it was not finished: what is in it is no store"))
            }
            _ => Ok(source),
        }
    }

    /// The mark that is there.
    pub(crate) async fn found(&self) -> Outcome<Option<Mark>> {
        mark(&self.connection).await
    }

    /// Hold all tables still for writers, with the audit row of the move, which moves with the rest.
    pub(crate) async fn hold(&self, by: &Audit) -> Outcome<()> {
        self.connection.run(BEGIN).await?;
        // No snapshot is taken before they are all held.
        let held = format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", names());
        self.connection.run_at_leisure(&held).await?;
        if let Some(Mark { state: State::Away, place, .. }) = self.found().await? {
            return Err(StoreError::Moved(place).into());
        }
        let added = self.connection.batch(&[audit::append(std::slice::from_ref(by))], None).await;
        added.into_iter().collect::<Outcome<Vec<_>>>().map(|_| ())
    }

    /// What each table has.
    pub(crate) async fn tallies(&self) -> Outcome<Vec<Tally>> {
        copying::tallies(&self.connection).await
    }

    /// Hand on everything. `told` hears of each piece.
    pub(crate) async fn send(&self, to: mpsc::Sender<Piece>, mut told: impl FnMut(usize, usize)) -> Outcome<()> {
        for (index, table) in TABLES.iter().enumerate() {
            let columns: Vec<String> = table.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
            let list = table.column_list();
            let sql = format!("DECLARE leaving NO SCROLL CURSOR FOR SELECT {list} FROM \"{}\"", table.name);
            self.connection.run(&sql).await?;
            loop {
                let found = self.connection.rows_at_leisure(ROWS, &[]).await?;
                if found.is_empty() {
                    break;
                }
                told(index, found.len());
                let rows = found.iter().map(super::backup::cells).collect::<Outcome<Vec<_>>>()?;
                if to.send(Piece::Rows { table: table.name, columns: columns.clone(), rows }).await.is_err() {
                    return Ok(());
                }
            }
            self.connection.run("CLOSE leaving").await?;
        }
        let _ = to.send(Piece::End).await;
        Ok(())
    }

    /// Commit the mark: the store is served from elsewhere, and never again from here.
    pub(crate) async fn leave(&self, mark: &Mark, at: i64) -> Outcome<()> {
        for table in TABLES {
            let sql = format!(
                "CREATE OR REPLACE TRIGGER moved BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON \"{}\" \
                FOR EACH STATEMENT EXECUTE FUNCTION refuse_moved()",
                table.name
            );
            self.connection.run(&sql).await?;
        }
        self.connection.rows(SET_MARK, &[&mark.id, &mark.place.as_str(), &at]).await?;
        self.connection.rows(TELL, &[]).await?;
        let before = self.connection.warnings();
        self.connection.run_at_leisure(COMMIT).await.map_err(Failure::after_commit)?;
        if self.connection.warnings() != before {
            let text = "the database committed with a warning: others may not have it".to_owned();
            return Err(StoreError::Unavailable(text).into());
        }
        Ok(())
    }

    /// How many nodes have not left yet.
    pub(crate) async fn nodes(&self) -> Outcome<u32> {
        let rows = self.connection.rows(NODES, &[]).await?;
        row::count(rows.first().ok_or_else(|| corrupt("a count has no row"))?, 0)
    }
}

fn refused(why: &str) -> Failure {
    StoreError::Move(why.to_owned()).into()
}
