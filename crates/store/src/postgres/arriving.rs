//! A database as the target of a move: claimed and emptied, filled, compared, and only then a store. Until the last step it has
//! a mark that no node opens. Each step is one transaction that holds the mark, so that a second move into the same database
//! fails here and not in the middle of somebody's rows.

use std::pin::pin;

use tokio::sync::mpsc;

use super::address::Address;
use super::connection::Connection;
use super::copying::{self, Parameter};
use super::failure::{Failure, Outcome, corrupt};
use super::transaction::Reader;
use super::{migrate, row, sound};
use crate::StoreError;
use crate::moving::mark::{Mark, State};
use crate::moving::table::{TABLES, Table};
use crate::moving::tally::{Row, Tally};

/// For as long as it takes; but nobody waits long for a lock, because nobody else should be here.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = 5000; SET LOCAL statement_timeout = 0; \
    SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL synchronous_commit = on";
/// The same lock as that of the schema's steps ([`super::locks::SCHEMA`]): no node is made a store of here meanwhile.
const ALONE: &str = "SELECT pg_advisory_xact_lock(1801875298)";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

const MARK: &str = "SELECT id, state, place FROM moves FOR UPDATE";
const SET_MARK: &str = "INSERT INTO moves (\"only\", id, state, place, at) VALUES (1, $1, $2, $3, $4) \
    ON CONFLICT (\"only\") DO UPDATE SET id = excluded.id, state = excluded.state, place = excluded.place, at = excluded.at";
const IDENTITY: &str = "SELECT incarnation, root_key_check FROM meta";
const CLAIM: &str = "INSERT INTO meta (\"only\", incarnation, root_key_check, revision) VALUES (1, $1, $2, 0)";
const FORGET_LOSS: &str = "DELETE FROM losses WHERE incarnation = $1";
/// What numbers rows goes on behind them.
const SEQUENCES: &str = "SELECT setval('unknown_attempts', (SELECT coalesce(max(unknown), 0) + 1 FROM attempts), false), \
    setval('unknown_throttles', (SELECT coalesce(max(unknown), 0) + 1 FROM throttles), false), \
    setval(pg_get_serial_sequence('audit', 'sequence'), (SELECT coalesce(max(sequence), 0) + 1 FROM audit), false)";

/// A database that a store moves into.
pub(crate) struct Arriving {
    connection: Connection,
    mark: Mark,
}

/// What changed in the source since it was read before, table by table.
#[derive(Default)]
pub(crate) struct Delta {
    /// Rows that are new, or not as they were.
    pub(crate) rows: Vec<Vec<Row>>,
    /// The keys of rows that are gone.
    pub(crate) gone: Vec<Vec<Row>>,
}

/// A piece of the source's rows: of which table, and what.
pub(crate) type Piece = (usize, Vec<Row>);

impl Arriving {
    /// Connect to the database at `url`, for the move whose mark is `mark`, and bring its schema up to date. Fails if another
    /// program's tables are in it.
    pub(crate) async fn connect(url: &str, mark: Mark) -> Outcome<Self> {
        let connection = Address::parse(url)?.connect().await?;
        sound::admit(&mut Reader(&connection)).await?;
        migrate::migrate(&connection).await?;
        Ok(Self { connection, mark })
    }

    /// The mark that is there.
    pub(crate) async fn found(&self) -> Outcome<Option<Mark>> {
        mark(&self.connection).await
    }

    /// Take the database for this move of the store of that incarnation and root key. What an earlier move of it left
    /// half done, or left behind when it went away, is emptied; anything else is refused.
    pub(crate) async fn claim(&self, (incarnation, root_key): ([u8; 16], [u8; 32]), at: i64) -> Outcome<()> {
        self.transaction(async {
            self.connection.run(ALONE).await?;
            let before = mark(&self.connection).await?.map(|mark| mark.state);
            if let Some(found) = self.connection.rows(IDENTITY, &[]).await?.first() {
                let same = row::bytes::<16>(found, 0)? == incarnation && row::bytes::<32>(found, 1)? == root_key;
                match before {
                    None | Some(State::Here) => return Err(refused("there is a keyfob store in it")),
                    Some(_) if !same => return Err(refused("there is what is left of another keyfob store in it")),
                    Some(_) => {}
                }
            }
            self.set_mark(State::Arriving, at).await?;
            for table in TABLES {
                self.connection.run(&format!("DROP TRIGGER IF EXISTS moved ON \"{}\"", table.name)).await?;
            }
            self.connection.run_at_leisure(&format!("TRUNCATE {}", names())).await?;
            // What nodes had missed in what was here before is not missing in what comes.
            self.connection.rows(FORGET_LOSS, &[&incarnation]).await?;
            self.connection.rows(CLAIM, &[&incarnation, &root_key]).await?;
            Ok(())
        })
        .await
    }

    /// Fill the empty tables with what comes, which is in their order. `told` hears of each piece.
    pub(crate) async fn fill(
        &self,
        pieces: &mut mpsc::Receiver<Piece>,
        mut told: impl FnMut(usize, usize),
    ) -> Outcome<()> {
        self.held(async {
            self.connection.run("DELETE FROM meta").await?;
            let mut next = pieces.recv().await;
            while let Some((index, rows)) = next.take() {
                let table = &TABLES[index];
                let mut writer = pin!(copying::writer(&self.connection, table.name, table.columns).await?);
                let mut rows = Some(rows);
                while let Some(piece) = rows.take() {
                    for row in &piece {
                        writer.as_mut().write_raw(row.iter().map(Parameter)).await?;
                    }
                    told(index, piece.len());
                    match pieces.recv().await {
                        Some((same, more)) if same == index => rows = Some(more),
                        other => next = other,
                    }
                }
                writer.finish().await?;
            }
            Ok(())
        })
        .await?;
        // Else what follows is planned for empty tables.
        self.connection.run_at_leisure(&format!("ANALYZE {}", names())).await
    }

    /// Bring it up to what the source was found to be. `tallies`, what each table has, follow by the rows that are read in the
    /// tables before and after.
    pub(crate) async fn follow(&self, delta: &Delta, tallies: &mut [Tally]) -> Outcome<()> {
        self.held(async {
            let of = |lists: &[Vec<Row>], index: usize| lists.get(index).is_some_and(|rows| !rows.is_empty());
            for (index, table) in TABLES.iter().enumerate() {
                if of(&delta.rows, index) {
                    self.bring("news", table, table.columns.len(), &delta.rows[index]).await?;
                    let before =
                        copying::tally_by_key(&self.connection, table, &format!("news_{}", table.name)).await?;
                    tallies[index].change(Tally::default(), before);
                }
            }
            // First what is gone, for its name may be another's now; and what refers to others before those.
            for (index, table) in TABLES.iter().enumerate().rev() {
                if of(&delta.gone, index) {
                    self.bring("gone", table, table.key, &delta.gone[index]).await?;
                    let before =
                        copying::tally_by_key(&self.connection, table, &format!("gone_{}", table.name)).await?;
                    tallies[index].change(Tally::default(), before);
                    self.delete("gone", table).await?;
                }
                if of(&delta.rows, index) && !table.referenced {
                    self.delete("news", table).await?;
                }
            }
            for (index, table) in TABLES.iter().enumerate().filter(|(index, _)| of(&delta.rows, *index)) {
                let columns = &table.columns[table.key..];
                let set: Vec<String> =
                    columns.iter().map(|(name, _)| format!("\"{name}\" = excluded.\"{name}\"")).collect();
                let again = format!("ON CONFLICT ({}) DO UPDATE SET {}", table.key_list(), set.join(", "));
                let sql = format!(
                    "INSERT INTO \"{0}\" ({1}) SELECT {1} FROM \"news_{0}\" {2}",
                    table.name,
                    table.column_list(),
                    if table.referenced { &again } else { "" }
                );
                self.connection.run_at_leisure(&sql).await?;
                let after = copying::tally_by_key(&self.connection, table, &format!("news_{}", table.name)).await?;
                tallies[index].change(after, Tally::default());
            }
            Ok(())
        })
        .await
    }

    /// What each table has.
    pub(crate) async fn tallies(&self) -> Outcome<Vec<Tally>> {
        self.held(copying::tallies(&self.connection)).await
    }

    /// Everything is there. Whether anybody may use it depends on what becomes of the source.
    pub(crate) async fn filled(&self, at: i64) -> Outcome<()> {
        self.held(async {
            self.connection.rows(SEQUENCES, &[]).await?;
            self.set_mark(State::Filled, at).await
        })
        .await
    }

    /// The source is marked and closed: this is the store from here on.
    pub(crate) async fn complete(&self, at: i64) -> Outcome<()> {
        self.held(self.set_mark(State::Here, at)).await
    }

    async fn set_mark(&self, state: State, at: i64) -> Outcome<()> {
        let Mark { id, place, .. } = &self.mark;
        self.connection.rows(SET_MARK, &[id, &state.text(), &place.as_str(), &at]).await.map(|_| ())
    }

    /// Work in a transaction that holds this move's mark.
    async fn held<T>(&self, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        self.transaction(async {
            let found = mark(&self.connection).await?;
            let ours = |mark: &Mark| mark.id == self.mark.id && matches!(mark.state, State::Arriving | State::Filled);
            if !found.as_ref().is_some_and(ours) {
                return Err(refused("another move into it has begun since"));
            }
            work.await
        })
        .await
    }

    async fn transaction<T>(&self, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        let before = self.connection.warnings();
        self.connection.run(BEGIN).await?;
        match work.await {
            Ok(done) => {
                self.connection.run_at_leisure(COMMIT).await.map_err(Failure::after_commit)?;
                if self.connection.warnings() != before {
                    let text = "the database committed with a warning: others may not have it".to_owned();
                    return Err(StoreError::Unavailable(text).into());
                }
                Ok(done)
            }
            Err(failure) => {
                // The first failure says more than one of this.
                let _ = self.connection.run(ROLLBACK).await;
                Err(failure)
            }
        }
    }

    /// Rows in a table of this transaction's own, named after the one they are for.
    async fn bring(&self, what: &str, table: &Table, columns: usize, rows: &[Row]) -> Outcome<()> {
        let name = format!("{what}_{}", table.name);
        let list = if columns == table.key { table.key_list() } else { table.column_list() };
        let sql = format!(
            "CREATE TEMP TABLE \"{name}\" ON COMMIT DROP AS SELECT {list} FROM \"{}\" WITH NO DATA",
            table.name
        );
        self.connection.run(&sql).await?;
        let mut writer = pin!(copying::writer(&self.connection, &name, &table.columns[..columns]).await?);
        for row in rows {
            writer.as_mut().write_raw(row.iter().map(Parameter)).await?;
        }
        writer.finish().await?;
        Ok(())
    }

    async fn delete(&self, what: &str, table: &Table) -> Outcome<()> {
        let key: Vec<String> =
            table.columns[..table.key].iter().map(|(name, _)| format!("old.\"{name}\" = it.\"{name}\"")).collect();
        let sql = format!("DELETE FROM \"{0}\" old USING \"{what}_{0}\" it WHERE {1}", table.name, key.join(" AND "));
        self.connection.run_at_leisure(&sql).await
    }
}

/// The mark, held until the end of the transaction.
pub(super) async fn mark(connection: &Connection) -> Outcome<Option<Mark>> {
    let rows = connection.rows(MARK, &[]).await?;
    let Some(found) = rows.first() else { return Ok(None) };
    let state: String = row::column(found, 1)?;
    let state = State::parse(&state).ok_or_else(|| corrupt("the mark of a move has an unknown state"))?;
    Ok(Some(Mark { id: row::bytes(found, 0)?, state, place: row::column(found, 2)? }))
}

/// All tables.
pub(super) fn names() -> String {
    TABLES.iter().map(|table| format!("\"{}\"", table.name)).collect::<Vec<_>>().join(", ")
}

fn refused(why: &str) -> Failure {
    StoreError::Move(why.to_owned()).into()
}
