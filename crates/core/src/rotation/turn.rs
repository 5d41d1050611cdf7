//! One step of a ring, while it is being taken: the transitions, each in the order in which verifiers must see them.
//! Decides nothing from outside: what is due is read from the keys, the schedule and `now` alone.

use std::slice::Iter;
use std::time::Duration;

use super::{Fresh, KEYS_MAX, Refusal, Schedule, Stage, Standing};
use crate::time::Timestamp;

pub(super) struct Turn<'s> {
    pub(super) keys: Vec<Standing>,
    now: Timestamp,
    schedule: &'s Schedule,
    fresh: Iter<'s, Fresh>,
}

impl<'s> Turn<'s> {
    pub(super) fn new(keys: Vec<Standing>, now: Timestamp, schedule: &'s Schedule, fresh: &'s [Fresh]) -> Self {
        Self { keys, now, schedule, fresh: fresh.iter() }
    }

    pub(super) fn tend(&mut self) -> Result<(), Refusal> {
        self.drop_dead();
        if self.active().is_none() {
            if self.next().is_none() {
                self.publish()?;
            }
            self.activate_next();
        }
        self.note_token_life();
        self.ensure_next()?;
        let rotates = self.has_signed_long_enough() && self.now >= self.ready_at();
        // A full ring waits: a key that signs too long is better than one that is dropped too early.
        if rotates && self.keys.len() < KEYS_MAX { self.take_over() } else { Ok(()) }
    }

    pub(super) fn rotate(&mut self, judged: &str, early: bool) -> Result<(), Refusal> {
        let active = self.active().ok_or(Refusal::NoKey)?;
        if &*active.kid != judged {
            return Err(Refusal::Stale);
        }
        self.drop_dead();
        self.ensure_next()?;
        let ready_at = self.ready_at();
        if self.now < ready_at && !early {
            return Err(Refusal::Early { ready_at });
        }
        if self.keys.len() >= KEYS_MAX {
            return Err(Refusal::Full);
        }
        self.take_over()
    }

    pub(super) fn retire(&mut self, kid: &str) -> Result<(), Refusal> {
        let key = self.keys.iter_mut().find(|key| &*key.kid == kid).ok_or(Refusal::Unknown)?;
        let before = key.stage;
        if matches!(before, Stage::Retired { .. }) {
            return Ok(());
        }
        key.stage = Stage::Retired { at: self.now };
        if matches!(before, Stage::Active { .. }) {
            // Never without a key that signs: the next one in the same step, published long enough or not.
            self.ensure_next()?;
            self.activate_next();
        }
        self.ensure_next()
    }

    /// The active key stops, the next one signs, and another one is published.
    fn take_over(&mut self) -> Result<(), Refusal> {
        let now = self.now;
        for key in self.keys.iter_mut().filter(|key| matches!(key.stage, Stage::Active { .. })) {
            key.stage = Stage::Old { stopped: now };
        }
        self.activate_next();
        self.publish()
    }

    fn activate_next(&mut self) {
        let (now, token_life) = (self.now, self.schedule.token_life);
        if let Some(key) = self.keys.iter_mut().find(|key| key.stage == Stage::Next) {
            key.stage = Stage::Active { since: now };
            key.token_life = token_life;
        }
    }

    /// What was signed under a longer life stays alive that long, whatever the settings say now.
    fn note_token_life(&mut self) {
        let token_life = self.schedule.token_life;
        for key in self.keys.iter_mut().filter(|key| matches!(key.stage, Stage::Active { .. })) {
            key.token_life = key.token_life.max(token_life);
        }
    }

    /// A next key of the schedule's algorithm. One of another algorithm has signed nothing and goes.
    fn ensure_next(&mut self) -> Result<(), Refusal> {
        let algorithm = self.schedule.algorithm;
        self.keys.retain(|key| key.stage != Stage::Next || key.algorithm == algorithm);
        if self.next().is_some() { Ok(()) } else { self.publish() }
    }

    fn publish(&mut self) -> Result<(), Refusal> {
        let algorithm = self.schedule.algorithm;
        let Fresh { kid, algorithm } = self.fresh.find(|key| key.algorithm == algorithm).ok_or(Refusal::Short)?.clone();
        let (published_at, token_life) = (self.now, Duration::ZERO);
        self.keys.push(Standing { kid, algorithm, published_at, stage: Stage::Next, token_life });
        Ok(())
    }

    fn drop_dead(&mut self) {
        let (now, leeway) = (self.now, self.schedule.leeway);
        self.keys.retain(|key| key.dead_at(leeway).is_none_or(|dead| now < dead));
    }

    fn has_signed_long_enough(&self) -> bool {
        self.active().is_some_and(|key| {
            let Stage::Active { since } = key.stage else { return false };
            key.algorithm != self.schedule.algorithm || self.now >= since + self.schedule.key_life
        })
    }

    /// When the next key will have been published for long enough.
    fn ready_at(&self) -> Timestamp {
        self.next().map_or(self.now, |key| key.published_at) + self.schedule.publish_ahead
    }

    fn active(&self) -> Option<&Standing> {
        self.keys.iter().find(|key| matches!(key.stage, Stage::Active { .. }))
    }

    fn next(&self) -> Option<&Standing> {
        self.keys.iter().find(|key| key.stage == Stage::Next)
    }
}
