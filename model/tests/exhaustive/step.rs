//! What can happen next, and what comes of it. A pause (SIGSTOP) is a stretch in which a process takes no step, and a
//! doorbell that is lost is one that does not ring: both are among the orders that are tried.
//!
//! Where two things follow each other and a delay between them could only make the rest safer, they are one step: a row is
//! sent and committed; a renewal's answer comes and the changes are read; a denial is committed and its commit returns; a
//! request misses and asks the store.

use model::Next;

use crate::bounds::Bounds;
use crate::world::{FACT, Link, World};

/// One step. The number is the guard's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Real time passes.
    Tick,
    StoreGoes,
    StoreComes,
    /// A guard's row is committed, and it hears of that, or does not.
    Register(usize),
    LoseRegister(usize),
    /// A guard sends a renewal · the store gets it · the guard gets the answer, and asks what changed · learns it.
    Renew(usize),
    Arrive(usize),
    Ask(usize),
    Apply(usize),
    /// What is on the link is lost, but a renewal may still arrive.
    Lose(usize),
    ArriveAstray(usize),
    /// A doorbell rang, and the guard reads and applies the changes.
    Doorbell(usize),
    /// A request misses, and the store is asked · the answer arrives.
    Fill(usize),
    Filled(usize),
    /// kill -9, and a start.
    Crash(usize),
    /// The desk writes a grant · commits a change and hears of that, or does not · reads the rows · acknowledges.
    Write,
    Commit,
    LoseCommit,
    ReadRows,
    Acknowledge,
    /// The desk reads the rows for those that are silent · the deletion arrives.
    Watch,
    Strike,
    /// A session is loaded to be refreshed · saved.
    LoadRefresh,
    SaveRefresh,
}

/// Everything that might happen, whether or not it can.
pub(crate) fn steps(bounds: &Bounds, steps: &mut Vec<Step>) {
    use Step as S;
    steps.extend([S::Tick, S::StoreGoes, S::StoreComes]);
    for at in 0..bounds.guards {
        steps.extend([S::Register(at), S::LoseRegister(at), S::Renew(at), S::Arrive(at), S::Ask(at), S::Apply(at)]);
        steps.extend([S::Lose(at), S::ArriveAstray(at), S::Doorbell(at), S::Fill(at), S::Filled(at), S::Crash(at)]);
    }
    steps.extend([S::Write, S::Commit, S::LoseCommit, S::ReadRows, S::Acknowledge]);
    steps.extend([S::Watch, S::Strike, S::LoadRefresh, S::SaveRefresh]);
}

/// The state after a step; `None` if it cannot happen.
pub(crate) fn next(world: &World, step: Step, bounds: &Bounds) -> Option<World> {
    let store_is_asked = matches!(
        step,
        Step::Register(_)
            | Step::LoseRegister(_)
            | Step::Arrive(_)
            | Step::Ask(_)
            | Step::ArriveAstray(_)
            | Step::Doorbell(_)
            | Step::Fill(_)
            | Step::Crash(_)
            | Step::Commit
            | Step::LoseCommit
            | Step::ReadRows
            | Step::Watch
            | Step::Strike
            | Step::LoadRefresh
            | Step::SaveRefresh
    );
    if store_is_asked && world.away_since.is_some() {
        return None;
    }
    let mut next = world.clone();
    next.broken = None;
    next.take(step, bounds).map(|()| next)
}

impl World {
    fn take(&mut self, step: Step, bounds: &Bounds) -> Option<()> {
        match step {
            Step::Tick => (self.tick < bounds.ticks).then(|| self.tick += 1),
            Step::StoreGoes => self.store_goes(bounds),
            Step::StoreComes => self.away_since.take().map(|_| ()),
            Step::Register(at) => self.register(at),
            Step::LoseRegister(at) => {
                self.loses(bounds).and_then(|()| self.register(at)).map(|()| self.begin_again(at, bounds))
            }
            Step::Renew(at) => self.renew(at, bounds),
            Step::Arrive(at) => self.arrive(at),
            Step::Ask(at) => self.ask(at, bounds),
            Step::Apply(at) => self.apply(at, bounds),
            Step::Lose(at) => self.loses(bounds).and_then(|()| self.lose(at)),
            Step::ArriveAstray(at) => self.arrive_astray(at),
            Step::Doorbell(at) => self.doorbell(at, bounds),
            Step::Fill(at) => self.fill(at),
            Step::Filled(at) => self.filled(at, bounds),
            Step::Crash(at) => self.crash(at, bounds),
            Step::Write => self.write(bounds),
            Step::Commit => self.commit(bounds),
            Step::LoseCommit => self.loses(bounds).and_then(|()| self.commit(bounds)).map(|()| self.give_up()),
            Step::ReadRows => self.read_rows(),
            Step::Acknowledge => self.acknowledge(bounds),
            Step::Watch => self.watch(bounds),
            Step::Strike => self.desk.strike.take().map(|strike| self.store.strike(strike, bounds.flaw)),
            Step::LoadRefresh => self.load_refresh(bounds),
            Step::SaveRefresh => self.desk.refresh.take().map(|judged| self.store.refresh(FACT, judged, bounds.flaw)),
        }
    }

    fn store_goes(&mut self, bounds: &Bounds) -> Option<()> {
        (self.away_since.is_none() && self.spent.outages < bounds.outages).then(|| {
            self.spent.outages += 1;
            self.away_since = Some(self.tick);
        })
    }

    fn loses(&mut self, bounds: &Bounds) -> Option<()> {
        (self.spent.losses < bounds.losses).then(|| self.spent.losses += 1)
    }

    fn register(&mut self, at: usize) -> Option<()> {
        let now = self.now();
        let process = &mut self.guards[at];
        // Before any renewal; with `LeaseBeforeRow` after the first lease.
        let due = process.guard.node.renew(now).is_none() || process.guard.leased(now);
        (process.link == Link::Idle && !process.row_sent && due).then(|| {
            let row = process.guard.node.row();
            process.row_sent = true;
            self.store.insert(row);
            process.guard.node.registered(row.id);
        })
    }

    fn renew(&mut self, at: usize, bounds: &Bounds) -> Option<()> {
        let now = self.now();
        let process = &mut self.guards[at];
        if process.link != Link::Idle || process.renewals >= bounds.renewals {
            return None;
        }
        let renewal = process.guard.node.renew(now)?;
        process.renewals += 1;
        process.link = Link::Renewing(renewal);
        Some(())
    }

    fn arrive(&mut self, at: usize) -> Option<()> {
        let Link::Renewing(renewal) = &self.guards[at].link else { return None };
        let rows = self.store.renew(renewal);
        self.guards[at].link = Link::Renewed(renewal.clone(), rows);
        Some(())
    }

    fn ask(&mut self, at: usize, bounds: &Bounds) -> Option<()> {
        let (now, upto) = (self.now(), self.store.revision());
        let process = &mut self.guards[at];
        let Link::Renewed(renewal, rows) = process.link.clone() else { return None };
        process.link = Link::Idle;
        match process.guard.renewed(renewal, rows, now, bounds.flaw) {
            Next::ReadChanges(granted) => process.link = Link::Changes(granted, process.guard.node.applied(), upto),
            Next::Register => self.begin_again(at, bounds),
            Next::Nothing => {}
        }
        Some(())
    }

    fn apply(&mut self, at: usize, bounds: &Bounds) -> Option<()> {
        let now = self.now();
        let process = &mut self.guards[at];
        let Link::Changes(granted, from, upto) = process.link.clone() else { return None };
        process.link = Link::Idle;
        let changed = self.store.changed_between(from, upto);
        process.guard.apply(changed, upto, now, Some(granted), bounds.flaw);
        Some(())
    }

    fn begin_again(&mut self, at: usize, bounds: &Bounds) {
        let id = self.fresh_id();
        let process = &mut self.guards[at];
        process.guard.begin_again(id, bounds.flaw);
        (process.row_sent, process.renewals) = (false, 0);
    }

    fn lose(&mut self, at: usize) -> Option<()> {
        let process = &mut self.guards[at];
        match std::mem::replace(&mut process.link, Link::Idle) {
            Link::Idle => return None,
            Link::Renewing(renewal) => process.astray = Some(renewal),
            Link::Renewed(..) | Link::Changes(..) => {}
        }
        Some(())
    }

    fn arrive_astray(&mut self, at: usize) -> Option<()> {
        let renewal = self.guards[at].astray.take()?;
        self.store.renew(&renewal);
        Some(())
    }

    fn doorbell(&mut self, at: usize, bounds: &Bounds) -> Option<()> {
        let (now, upto) = (self.now(), self.store.revision());
        let guard = &mut self.guards[at].guard;
        let from = guard.node.applied();
        (from < upto).then(|| guard.apply(self.store.changed_since(from), upto, now, None, bounds.flaw))
    }

    /// Only of what is allowed: that a denial is remembered harms nobody.
    fn fill(&mut self, at: usize) -> Option<()> {
        let value = self.store.value(FACT);
        let process = &mut self.guards[at];
        (value.allow && process.filling.is_none() && process.guard.cache.entry(FACT) != Some(value)).then(|| {
            process.guard.cache.begin(0, FACT);
            process.filling = Some(value);
        })
    }

    fn filled(&mut self, at: usize, bounds: &Bounds) -> Option<()> {
        let process = &mut self.guards[at];
        process.filling.take().map(|value| process.guard.cache.finish(0, value, bounds.flaw))
    }

    fn crash(&mut self, at: usize, bounds: &Bounds) -> Option<()> {
        if self.spent.crashes >= bounds.crashes {
            return None;
        }
        self.spent.crashes += 1;
        let mut process = self.process(bounds);
        if let Link::Renewing(renewal) = &self.guards[at].link {
            process.astray = Some(renewal.clone());
        }
        self.guards[at] = process;
        Some(())
    }
}
