//! Every interleaving of a small installation, with stateright: no bad state can be reached, and each flaw reaches one.
//! Bounds and state counts are in docs/reliability.md; with `MODEL_BOUNDS=large` it checks larger ones.

mod bounds;
mod desk;
mod step;
mod world;

use std::collections::BTreeSet;
use std::fmt::Write;

use bounds::{BACK_AND_FORTH, Bounds, CALM, CRASHES, LARGE, OUTAGE, STRUCK_OUT, THREE_NODES};
use model::Flaw;
use stateright::{Checker, HasDiscoveries, Model, Property};
use step::Step;
use world::World;

/// Not a promise: shows that the bounds leave room for something to happen.
const HAPPENED: &str = "a denial is acknowledged and a cache answers";

impl Model for Bounds {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        self.paces.iter().map(|paces| World::new(self, *paces)).collect()
    }

    fn actions(&self, _: &World, actions: &mut Vec<Step>) {
        step::steps(self, actions);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        step::next(world, step, self)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("G1", |bounds, world: &World| world.denials_are_final(bounds)),
            Property::always("G3", |bounds, world: &World| world.fails_closed(bounds)),
            Property::always("G4", |bounds, world: &World| world.denies_early_and_allows_late(bounds)),
            Property::always("G8", |_, world: &World| world.nothing_revives()),
            Property::sometimes(HAPPENED, |_, world: &World| world.something_happened()),
        ]
    }
}

/// Look at every state within `bounds`.
fn hold(name: &str, bounds: Bounds) {
    let checker = bounds.checker().threads(2).spawn_dfs().join();
    let (distinct, states, depth) = (checker.unique_state_count(), checker.state_count(), checker.max_depth());
    report(&format!("{name}: {distinct} states, reached in {states} ways, at most {depth} steps deep"));
    checker.assert_properties();
}

#[expect(clippy::print_stderr, reason = "the counts are what docs/reliability.md says")]
fn report(line: &str) {
    eprintln!("{line}");
}

#[test]
fn the_promises_hold_while_nothing_is_lost() {
    hold("calm", CALM);
}

#[test]
fn the_promises_hold_while_guards_are_killed_and_answers_lost() {
    hold("crashes", CRASHES);
}

#[test]
fn the_promises_hold_while_guards_are_struck_out() {
    hold("struck out", STRUCK_OUT);
}

#[test]
fn the_promises_hold_while_the_store_is_away() {
    hold("outage", OUTAGE);
}

#[test]
fn the_promises_hold_with_three_nodes() {
    hold("three nodes", THREE_NODES);
}

#[test]
fn the_promises_hold_while_facts_come_and_go_and_sessions_are_refreshed() {
    hold("back and forth", BACK_AND_FORTH);
}

#[test]
fn the_promises_hold_within_larger_bounds() {
    if std::env::var_os("MODEL_BOUNDS").is_some_and(|bounds| bounds == "large") {
        for (name, bounds) in LARGE {
            hold(name, bounds);
        }
    }
}

/// The promise that a flaw breaks, and the smallest bounds in which it does.
fn broken_by(flaw: Flaw) -> (&'static str, Bounds) {
    match flaw {
        Flaw::NoLeaseCheck
        | Flaw::LeaseFromReply
        | Flaw::LeaseBeforeChanges
        | Flaw::LeaseBeforeRow
        | Flaw::ConfirmsUnapplied
        | Flaw::LateFill
        | Flaw::AcknowledgesAtOnce
        | Flaw::WaitsWithoutDrift
        | Flaw::RowsFromBefore => ("G1", CALM),
        Flaw::StruckOutGoesOn | Flaw::StrikesAtOnce | Flaw::StrikesWhoRenewed => {
            ("G1", Bounds { losses: 0, ..STRUCK_OUT })
        }
        Flaw::GrantsBeforeDurable => ("G4", BACK_AND_FORTH),
        Flaw::RefreshRevives => ("G8", BACK_AND_FORTH),
    }
}

/// The shortest way to break `promise`, if there is one.
fn find(promise: &'static str, bounds: Bounds) -> Option<Vec<Step>> {
    let found = HasDiscoveries::AnyOf(BTreeSet::from([promise]));
    bounds.checker().finish_when(found).spawn_bfs().join().discovery(promise).map(stateright::Path::into_actions)
}

#[test]
fn every_flaw_is_found() {
    let mut missed = String::new();
    for flaw in Flaw::ALL {
        let (promise, bounds) = broken_by(flaw);
        match find(promise, Bounds { flaw: Some(flaw), ..bounds }) {
            Some(steps) => report(&format!("{flaw:?} breaks {promise}: {steps:?}")),
            None => writeln!(missed, "{flaw:?} breaks {promise} unnoticed").unwrap(),
        }
    }
    assert!(missed.is_empty(), "{missed}");
}

#[test]
fn failing_open_and_acknowledging_early_are_told_apart() {
    for (promise, flaw) in [("G3", Flaw::NoLeaseCheck), ("G3", Flaw::LeaseFromReply)] {
        assert!(find(promise, Bounds { flaw: Some(flaw), ..OUTAGE }).is_some(), "{flaw:?} breaks {promise} unnoticed");
    }
    let flaw = Some(Flaw::AcknowledgesAtOnce);
    assert!(find("G4", Bounds { flaw, ..CALM }).is_some(), "a change is acknowledged that is not in force");
}
