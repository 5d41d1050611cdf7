//! The store as the source of a move: read table by table in the form that every backend has, then held still, told where it
//! went, and closed for good. Whoever moves it does so from its own process, beside the one that serves it: readers and writers
//! of one file are kept apart by `SQLite`. The mark is committed in the transaction that held the writer, so that what the last
//! reading found is all there ever was.

use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension as _};

use super::failure::{Failure, Outcome, corrupt};
use super::{audit, connection, meta, migrate};
use crate::high_water::{HighWater, Reached};
use crate::moving::mark::{Mark, State};
use crate::moving::table::{TABLES, Table};
use crate::moving::tally::{Known, Row, Tally, hash};
use crate::root_key::RootKey;
use crate::{Audit, StoreError};

/// How often the writer's lock is asked for while another process writes: its pauses are short.
const ASK_EVERY: Duration = Duration::from_micros(200);

/// How often it is asked for at most: ten seconds.
const ASKED_MAX: i32 = 50_000;

const MARK: &str = "SELECT id, state, place FROM moves";
const SET_MARK: &str = "INSERT OR REPLACE INTO moves (only, id, state, place, at) VALUES (1, ?1, ?2, ?3, ?4)";
const IDENTITY: &str = "SELECT incarnation, root_key_check FROM meta";

/// A successor is the number of its row here, and elsewhere its digest. A token without a session is worth nothing.
const REFRESH_TOKENS: &str = "SELECT token.digest, token.session, token.used_at, next.digest, token.sealed \
    FROM refresh_tokens token JOIN sessions ON sessions.id = token.session \
    LEFT JOIN refresh_tokens next ON next.number = token.successor";

/// Rows that are handed on at once.
const BATCH: usize = 500;

/// Where the store went or came from, if it did.
pub(crate) fn mark(db: &Connection) -> Outcome<Option<Mark>> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?));
    let found = db.prepare_cached(MARK)?.query_one([], read).optional()?;
    let Some((id, state, place)) = found else { return Ok(None) };
    let state = State::parse(&state).ok_or_else(|| corrupt("the mark of a move has an unknown state"))?;
    Ok(Some(Mark { id, state, place }))
}

/// Fail if the store has moved away.
pub(crate) fn admit(db: &Connection) -> Outcome<()> {
    match mark(db)? {
        Some(Mark { state: State::Away, place, .. }) => Err(StoreError::Moved(place).into()),
        _ => Ok(()),
    }
}

/// Write the mark.
pub(crate) fn set_mark(db: &Connection, mark: &Mark, at: i64) -> Outcome<()> {
    db.execute(SET_MARK, (mark.id, mark.state.text(), &mark.place, at))?;
    Ok(())
}

/// A store that is about to move.
pub(crate) struct Source {
    db: Connection,
    known: Vec<Known>,
}

/// What one reading found.
pub(crate) struct Reading {
    /// What each table has.
    pub(crate) tallies: Vec<Tally>,
    /// The keys of rows that were read before and are gone, for each table.
    pub(crate) gone: Vec<Vec<Row>>,
}

impl Source {
    /// Open the database at `path` beside the process that serves it, or, where `owned`, as its only user: then its schema is
    /// brought up to date. Fails if it was made with another root key, or is older than the high-water mark at that path.
    pub(crate) fn open(path: &Path, root_key: &RootKey, high_water: &Path, owned: bool) -> Outcome<Self> {
        if !path.exists() {
            return Err(StoreError::Unavailable(format!("there is no database {}", path.display())).into());
        }
        let db = connection::open(path)?;
        migrate::inspect(&db)?;
        if migrate::is_empty(&db)? {
            return Err(StoreError::Schema("it is an empty database".to_owned()).into());
        }
        connection::prepare_to_write(&db)?;
        if owned {
            migrate::migrate(&db)?;
        } else if !migrate::is_current(&db)? {
            let text = "the running keyfob is of an older version than this one: restart it first";
            return Err(StoreError::Schema(text.to_owned()).into());
        }
        // The mark first: whoever serves the store raises it after each commit.
        let mark = HighWater::read(high_water)?;
        let reached = Reached { incarnation: meta::open(&db, root_key, [0; 16])?, revision: meta::revision(&db)? };
        mark.map_or(Ok(()), |mark| mark.judge(reached))?;
        Ok(Self { db, known: TABLES.iter().map(|_| Known::default()).collect() })
    }

    /// Where it went or came from.
    pub(crate) fn mark(&self) -> Outcome<Option<Mark>> {
        mark(&self.db)
    }

    /// The incarnation, and what the root key is known by.
    pub(crate) fn identity(&self) -> Outcome<([u8; 16], [u8; 32])> {
        Ok(self.db.query_row(IDENTITY, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// Read everything there is at one instant, and hand on what was not known before. `give` says no when nobody takes it.
    pub(crate) fn read(&mut self, give: impl FnMut(usize, Vec<Row>) -> bool) -> Outcome<Reading> {
        let held = !self.db.is_autocommit();
        if !held {
            self.db.execute_batch("BEGIN")?;
        }
        let reading = self.read_all(give);
        if !held {
            self.db.execute_batch("ROLLBACK")?;
        }
        reading
    }

    fn read_all(&mut self, mut give: impl FnMut(usize, Vec<Row>) -> bool) -> Outcome<Reading> {
        let mut reading = Reading { tallies: Vec::new(), gone: Vec::new() };
        for (index, (table, known)) in TABLES.iter().zip(&mut self.known).enumerate() {
            known.begin();
            let mut batch = Vec::new();
            let mut taken = true;
            each(&self.db, table, |row| {
                if known.is_news(table, &row) {
                    batch.push(row);
                    if batch.len() == BATCH {
                        taken = give(index, std::mem::take(&mut batch));
                    }
                }
                if taken { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            if !taken || !(batch.is_empty() || give(index, batch)) {
                return Err(StoreError::Unavailable("nobody takes what was read".to_owned()).into());
            }
            let (gone, tally) = known.end();
            reading.tallies.push(tally);
            reading.gone.push(gone);
        }
        Ok(reading)
    }

    /// Hold the writer: from here on nobody else commits anything, until [`Self::leave`], or the end of this process. With the
    /// audit row of the move, which moves with the rest.
    pub(crate) fn hold(&mut self, by: &Audit) -> Outcome<()> {
        self.db.busy_handler(Some(ask_again))?;
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        admit(&self.db)?;
        audit::append(&self.db, by)
    }

    /// Commit the mark: the store is served from elsewhere, and never again from here.
    pub(crate) fn leave(&self, mark: &Mark, at: i64) -> Outcome<()> {
        set_mark(&self.db, mark, at)?;
        self.db.execute_batch("COMMIT")?;
        Ok(())
    }
}

fn ask_again(asked: i32) -> bool {
    thread::sleep(ASK_EVERY);
    asked < ASKED_MAX
}

/// What each table has.
pub(crate) fn tallies(db: &Connection) -> Outcome<Vec<Tally>> {
    let mut tallies = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let mut tally = Tally::default();
        each(db, table, |row| {
            tally.add(&hash(&row));
            ControlFlow::Continue(())
        })?;
        tallies.push(tally);
    }
    Ok(tallies)
}

/// Every row of a table, in the form that every backend has.
fn each(db: &Connection, table: &Table, mut take: impl FnMut(Row) -> ControlFlow<()>) -> Outcome<()> {
    let sql = if table.name == "refresh_tokens" {
        REFRESH_TOKENS.to_owned()
    } else {
        format!("SELECT {} FROM \"{}\"", table.column_list(), table.name)
    };
    let mut statement = db.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(found) = rows.next()? {
        let cells = (0..table.columns.len()).map(|index| cell(found.get_ref(index)?));
        if take(cells.collect::<Outcome<Row>>()?).is_break() {
            break;
        }
    }
    Ok(())
}

/// A cell as any backend can keep it: PostgreSQL has no room for NUL in a text.
fn cell(found: ValueRef<'_>) -> Outcome<Value> {
    Ok(match found {
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).map_err(|_| -> Failure { corrupt("a text is not UTF-8") })?;
            Value::Text(text.replace('\0', "\u{fffd}"))
        }
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    })
}
