//! What the desk does: it writes, commits and acknowledges changes, strikes out who is silent, and refreshes sessions.

use keyfob_core::change::Revision;
use keyfob_core::lease::{Acknowledgement, Progress, Strike};
use model::{Flaw, Guard, Value};

use crate::bounds::Bounds;
use crate::world::{Broken, FACT, Stage, World};

impl World {
    /// Whether the next change is seen being written: to grant early, or to look at the rows too early.
    fn is_written_first(&self, bounds: &Bounds) -> bool {
        bounds.script.get(self.desk.done) == Some(&true) || bounds.flaw == Some(Flaw::RowsFromBefore)
    }

    pub(crate) fn write(&mut self, bounds: &Bounds) -> Option<()> {
        if self.desk.stage != Stage::Idle || !self.is_written_first(bounds) {
            return None;
        }
        let allow = *bounds.script.get(self.desk.done)?;
        let rows = if bounds.flaw == Some(Flaw::RowsFromBefore) { self.store.rows().to_vec() } else { Vec::new() };
        self.desk.stage = Stage::Open(rows);
        if allow && bounds.flaw == Some(Flaw::GrantsBeforeDurable) {
            let at = Revision(self.store.revision().0 + 1);
            self.guards[0].guard.cache.put(FACT, Value { allow, at });
        }
        Some(())
    }

    pub(crate) fn commit(&mut self, bounds: &Bounds) -> Option<()> {
        let allow = *bounds.script.get(self.desk.done)?;
        let rows = match &self.desk.stage {
            Stage::Idle if !self.is_written_first(bounds) => Vec::new(),
            Stage::Open(rows) => rows.clone(),
            _ => return None,
        };
        let revision = self.store.commit(FACT, allow);
        let mut change = Acknowledgement::new(bounds.terms_of_the_desk(), revision, self.now_at_the_desk());
        if bounds.flaw == Some(Flaw::RowsFromBefore) {
            change.read(&rows);
        }
        self.desk.stage = Stage::Waiting(change, revision);
        Some(())
    }

    /// It could not be told whether the change is durable: it is never acknowledged.
    pub(crate) fn give_up(&mut self) {
        self.desk.stage = Stage::Idle;
        self.desk.done += 1;
    }

    pub(crate) fn read_rows(&mut self) -> Option<()> {
        let Stage::Waiting(change, _) = &mut self.desk.stage else { return None };
        let before = change.clone();
        change.read(self.store.rows());
        (*change != before).then_some(())
    }

    pub(crate) fn acknowledge(&mut self, bounds: &Bounds) -> Option<()> {
        let now = self.now();
        let Stage::Waiting(change, revision) = &self.desk.stage else { return None };
        let done = change.progress(self.now_at_the_desk()) == Progress::Acknowledge;
        if !done && bounds.flaw != Some(Flaw::AcknowledgesAtOnce) {
            return None;
        }
        let revision = *revision;
        let in_force = |guard: &Guard| !guard.leased(now) || guard.node.applied() >= revision;
        if !self.guards.iter().all(|process| in_force(&process.guard)) {
            self.broken = Some(Broken::G4);
        }
        if !bounds.script[self.desk.done] {
            self.desk.acknowledged = revision;
        }
        self.give_up();
        Some(())
    }

    pub(crate) fn watch(&mut self, bounds: &Bounds) -> Option<()> {
        if !bounds.watch || self.desk.strike.is_some() {
            return None;
        }
        let (before, now) = (self.desk.watch.clone(), self.now_at_the_desk());
        let mut strikes = self.desk.watch.read(self.store.rows(), now);
        if bounds.flaw == Some(Flaw::StrikesAtOnce) {
            strikes = self.store.rows().iter().map(|row| Strike { id: row.id, beat: row.beat }).collect();
        }
        self.desk.strike = strikes.first().copied();
        (self.desk.strike.is_some() || self.desk.watch != before).then_some(())
    }

    pub(crate) fn load_refresh(&mut self, bounds: &Bounds) -> Option<()> {
        let value = self.store.value(FACT);
        let may = bounds.refreshes && self.desk.refresh.is_none() && value.allow;
        may.then(|| self.desk.refresh = Some(value))
    }
}
