//! From PostgreSQL back into a data directory. The nodes answer from what they remember while their tables are copied, and are
//! closed by the mark.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::mark::{Mark, State};
use super::{Begun, MovedTable, Plan, Told, adding_up, aside, compare};
use crate::postgres::leaving::Leaving;
use crate::root_key::RootKey;
use crate::sqlite::arriving;
use crate::{Audit, Result, StoreError};

/// Pieces on their way: what one side reads ahead of the other.
const AHEAD_MAX: usize = 8;

/// A move that has begun.
pub struct ToSqlite {
    source: Leaving,
    path: PathBuf,
    away: Mark,
    from: String,
    by: Audit,
}

impl ToSqlite {
    /// Begin to move the store in the database at `url` to the path of one in a data directory.
    ///
    /// # Errors
    /// [`StoreError::Move`] with why it cannot be moved there, and whatever opening either side can fail with.
    pub async fn begin(url: &str, path: &Path, root_key: &RootKey, plan: Plan<'_>) -> Result<(Self, Begun)> {
        let source = Leaving::connect(url, root_key, plan.high_water).await?;
        let marked = source.found().await?.filter(|mark| mark.state == State::Away);
        let id = marked.as_ref().map_or(plan.id, |mark| mark.id);
        let ours = |path: &Path| -> Result<bool> { Ok(arriving::found(path)?.is_some_and(|mark| mark.id == id)) };
        let begun = match marked {
            None => {
                arriving::admit(path, root_key)?;
                Begun::Fresh
            }
            Some(_) if ours(path)? => Begun::Done,
            Some(_) if ours(&arriving::draft_of(path))? => Begun::Marked,
            Some(mark) => return Err(StoreError::Moved(mark.place)),
        };
        let away = Mark { id, state: State::Away, place: plan.to };
        Ok((Self { source, path: path.to_owned(), away, from: plan.from, by: plan.by.clone() }, begun))
    }

    /// Hold the writers, copy everything, compare both sides, and mark the source as moved. From here on nothing can be written
    /// there; what was moved.
    ///
    /// # Errors
    /// Those of either side, and [`StoreError::Move`] if they differ. The source is as it was, unless the error came with its
    /// last step: then the move is to be run again, whatever became of it.
    pub async fn hand_over(&self, told: Told<'_>) -> Result<Vec<MovedTable>> {
        self.source.hold(&self.by).await?;
        let (pieces, arriving) = mpsc::channel(AHEAD_MAX);
        let here = Mark { id: self.away.id, state: State::Here, place: self.from.clone() };
        let (path, at) = (self.path.clone(), self.by.at.micros());
        let filling = aside(move || arriving::fill(&path, &here, at, arriving));
        let sending = self.source.send(pieces, adding_up(told));
        let (filled, sent) = tokio::join!(filling, sending);
        sent?;
        let filled = filled??;
        let moved = compare(&self.source.tallies().await?, &filled)?;
        self.source.leave(&self.away, at).await?;
        Ok(moved)
    }

    /// Whether every node has left, which they do as soon as they see the mark.
    ///
    /// # Errors
    /// Those of the source.
    pub async fn all_left(&self) -> Result<bool> {
        Ok(self.source.nodes().await? == 0)
    }

    /// The source is marked, and nobody answers from it any more: the target is the store. Where what was there before is kept.
    ///
    /// # Errors
    /// Those of the target. Until the move is run again there is no store.
    pub fn complete(&self, root_key: &RootKey, high_water: &Path, date: &str) -> Result<Option<PathBuf>> {
        Ok(arriving::publish(&self.path, root_key, high_water, date)?)
    }
}
