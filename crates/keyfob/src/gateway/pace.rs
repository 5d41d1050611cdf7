//! The pulse of a body or tunnel that lasts: about once a second it asks whether its caller is still allowed, and
//! it ends a body that has stood still too long. Never reads a clock; a message that never waits costs no timer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use super::StillAllowed;

/// Between two questions to [`StillAllowed`]: half of the two seconds in which a dead session's streams are cut.
pub(super) const BEAT: Duration = Duration::from_secs(1);

/// Why a body is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The caller may no longer do this.
    NotAllowed,
    /// Nothing moved for the idle limit.
    Idle,
}

pub(super) struct Pace {
    alive: Arc<dyn StillAllowed>,
    idle_limit: Duration,
    beat: Duration,
    stood_still: Duration,
    // Made at the first wait, so that a message that is there at once costs no timer.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub(super) fn new(alive: Arc<dyn StillAllowed>, idle_limit: Duration) -> Self {
        Self { alive, idle_limit, beat: BEAT.min(idle_limit), stood_still: Duration::ZERO, sleep: None }
    }

    /// Something moved.
    pub(super) fn moved(&mut self) {
        self.stood_still = Duration::ZERO;
    }

    /// Ask before each piece of a message: due beats are taken, no timer is started.
    pub(super) fn check(&mut self, cx: &mut Context<'_>) -> Option<Stop> {
        if self.sleep.is_some() { self.wait(cx) } else { None }
    }

    /// Ask while waiting: wakes the task at the next beat.
    pub(super) fn wait(&mut self, cx: &mut Context<'_>) -> Option<Stop> {
        let beat = self.beat;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(beat)));
        while let Poll::Ready(()) = sleep.as_mut().poll(cx) {
            if !self.alive.still_allowed() {
                return Some(Stop::NotAllowed);
            }
            // The first beat after a movement is a partial one, so it takes one more than the limit holds.
            self.stood_still += beat;
            if self.stood_still > self.idle_limit {
                return Some(Stop::Idle);
            }
            let next = sleep.deadline() + beat;
            sleep.as_mut().reset(next);
        }
        None
    }
}
