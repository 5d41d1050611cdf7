//! From SQLite to PostgreSQL, while the store is served.

use std::path::Path;

use tokio::sync::mpsc;

use super::mark::{Mark, State};
use super::tally::Tally;
use super::{Begun, MovedTable, Plan, Told, adding_up, aside, compare};
use crate::postgres::arriving::{Arriving, Delta};
use crate::root_key::RootKey;
use crate::sqlite::moving::{Reading, Source};
use crate::{Audit, Result, StoreError};

/// Pieces on their way: what one side reads ahead of the other.
const AHEAD_MAX: usize = 8;

/// So few rows are left to the last reading, which holds the writer: they take it no time.
const FEW: usize = 500;

/// How often what changed is fetched before the writer is held: with each time less is left, unless there is too much of it.
const READINGS_MAX: u32 = 5;

/// A move that has begun.
pub struct ToPostgres {
    // Taken while another thread has it.
    source: Option<Source>,
    target: Arriving,
    away: Mark,
    by: Audit,
    /// What each table of the target has, once all of it was read and compared.
    tallies: Vec<Tally>,
}

impl ToPostgres {
    /// Begin to move the database at `path` into the one at `url`. `owned`: nobody serves it, and nobody will while this lives.
    ///
    /// # Errors
    /// [`StoreError::Move`] with why it cannot be moved there, and whatever opening either side can fail with.
    pub async fn begin(
        (path, owned): (&Path, bool),
        url: &str,
        root_key: &RootKey,
        plan: Plan<'_>,
    ) -> Result<(Self, Begun)> {
        let source = Source::open(path, root_key, plan.high_water, owned)?;
        let marked = source.mark()?.filter(|mark| mark.state == State::Away);
        let id = marked.as_ref().map_or(plan.id, |mark| mark.id);
        let target = Arriving::connect(url, Mark { id, state: State::Arriving, place: plan.from }).await?;
        let found = target.found().await?.filter(|mark| mark.id == id).map(|mark| mark.state);
        let begun = match (&marked, found) {
            (None, _) => {
                target.claim(source.identity()?, plan.by.at.micros()).await?;
                Begun::Fresh
            }
            (Some(_), Some(State::Filled)) => Begun::Marked,
            (Some(_), Some(State::Here)) => Begun::Done,
            (Some(mark), _) => return Err(StoreError::Moved(mark.place.clone())),
        };
        let away = Mark { id, state: State::Away, place: plan.to };
        Ok((Self { source: Some(source), target, away, by: plan.by.clone(), tallies: Vec::new() }, begun))
    }

    /// Copy everything, and then again what changed meanwhile, while the store is served.
    ///
    /// # Errors
    /// Those of either side. The source is as it was.
    pub async fn copy(&mut self, told: Told<'_>) -> Result<()> {
        let (pieces, mut arriving) = mpsc::channel(AHEAD_MAX);
        let mut source = self.source.take().ok_or_else(broken_off)?;
        let reading = aside(move || {
            let reading = source.read(|table, rows| pieces.blocking_send((table, rows)).is_ok());
            (source, reading)
        });
        let filling = async {
            let filled = self.target.fill(&mut arriving, adding_up(told)).await;
            // If it failed, nobody takes the rest.
            drop(arriving);
            filled
        };
        let (read, filled) = tokio::join!(reading, filling);
        let (source, reading) = read?;
        self.source = Some(source);
        filled?;
        let mut here = reading?.tallies;
        // All of it is read and compared now: to read it again while the writer is held would take as long.
        self.tallies = self.target.tallies().await?;
        compare(&here, &self.tallies)?;
        for _ in 0..READINGS_MAX {
            let (delta, reading) = self.read_what_changed().await?;
            let left: usize = delta.rows.iter().chain(&delta.gone).map(Vec::len).sum();
            self.target.follow(&delta, &mut self.tallies).await?;
            here = reading.tallies;
            if left <= FEW {
                break;
            }
        }
        compare(&here, &self.tallies).map(drop)
    }

    /// Hold the writer, copy what is left, compare both sides, and mark the source as moved. From here on nothing can be
    /// written there; what was moved.
    ///
    /// # Errors
    /// Those of either side, and [`StoreError::Move`] if they differ. The source is as it was, unless the error came with its
    /// last step: then the move is to be run again, whatever became of it.
    pub async fn hand_over(&mut self) -> Result<Vec<MovedTable>> {
        let moved = self.hold_and_leave().await;
        // Whatever came of it, the writer is let go.
        self.source = None;
        moved
    }

    async fn hold_and_leave(&mut self) -> Result<Vec<MovedTable>> {
        let (mut source, by) = (self.source.take().ok_or_else(broken_off)?, self.by.clone());
        // Dropped on the way out of a failure, it lets the writer go.
        let (source, held) = aside(move || {
            let held = source.hold(&by);
            (source, held)
        })
        .await?;
        held?;
        self.source = Some(source);
        let (delta, reading) = self.read_what_changed().await?;
        self.target.follow(&delta, &mut self.tallies).await?;
        let moved = compare(&reading.tallies, &self.tallies)?;
        let at = self.by.at.micros();
        self.target.filled(at).await?;
        let (source, away) = (self.source.take().ok_or_else(broken_off)?, self.away.clone());
        aside(move || source.leave(&away, at)).await??;
        Ok(moved)
    }

    /// The source is marked, and nobody answers from it any more: the target is the store.
    ///
    /// # Errors
    /// Those of the target. Until the move is run again there is no store.
    pub async fn complete(&self) -> Result<()> {
        Ok(self.target.complete(self.by.at.micros()).await?)
    }

    async fn read_what_changed(&mut self) -> Result<(Delta, Reading)> {
        let mut source = self.source.take().ok_or_else(broken_off)?;
        let (source, delta, reading) = aside(move || {
            let mut rows = vec![Vec::new(); super::TABLES.len()];
            let reading = source.read(|table, more| {
                rows[table].extend(more);
                true
            });
            (source, rows, reading)
        })
        .await?;
        self.source = Some(source);
        let mut reading = reading?;
        let gone = std::mem::take(&mut reading.gone);
        Ok((Delta { rows: delta, gone }, reading))
    }
}

fn broken_off() -> StoreError {
    StoreError::Move("it was broken off: run it again".to_owned())
}
