//! The life of signing keys (guarantee G14): published before use, then signing, then verified until nothing they signed
//! is alive, then gone; or retired, and refused at once. Pure transitions of a whole [`Ring`]: never makes a key, never
//! reads a clock, never holds a private half.

#[cfg(test)]
mod tests;
mod turn;

use std::time::Duration;

use crate::signing_key::{Algorithm, VerifyingKey};
use crate::time::Timestamp;

/// Keys in a ring at most: a JWK Set that every verifier fetches stays small (RSA: 13 KiB).
pub const KEYS_MAX: usize = 32;

/// How long after a rotation was stored a node may still sign with the key before, because it has not heard of it.
pub const SIGNING_LAG: Duration = Duration::from_secs(10);

/// How often keys change, and what they sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// How long a key signs.
    pub key_life: Duration,
    /// How long a key is in the JWK Set before it signs: longer than any verifier keeps a copy of the set.
    pub publish_ahead: Duration,
    /// The longest life of a token that is signed from now on.
    pub token_life: Duration,
    /// Allowed clock difference.
    pub leeway: Duration,
    /// The algorithm of new keys.
    pub algorithm: Algorithm,
}

/// Where in its life a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Published; signs nothing yet.
    Next,
    /// Signs.
    Active {
        /// Since when.
        since: Timestamp,
    },
    /// Signs no more; what it signed is still accepted.
    Old {
        /// When it stopped signing.
        stopped: Timestamp,
    },
    /// Refused, and so is everything it signed.
    Retired {
        /// Since when.
        at: Timestamp,
    },
}

/// One key of a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its id: its RFC 7638 thumbprint.
    pub kid: Box<str>,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// When it was made, and so published.
    pub published_at: Timestamp,
    /// Where in its life it is.
    pub stage: Stage,
    /// The longest life of a token that it may have signed; zero before it signs.
    pub token_life: Duration,
}

impl Standing {
    /// Whether its signatures are accepted, and it is in the JWK Set. The next key's are, because another node may
    /// have heard of a rotation earlier.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        !matches!(self.stage, Stage::Retired { .. })
    }

    /// When nothing it signed is alive any more, leeway included; `None` while it may still sign.
    #[must_use]
    pub fn dead_at(&self, leeway: Duration) -> Option<Timestamp> {
        match self.stage {
            Stage::Next | Stage::Active { .. } => None,
            Stage::Old { stopped: last } | Stage::Retired { at: last } => {
                Some(last + self.token_life + leeway + SIGNING_LAG)
            }
        }
    }
}

/// A key that was just made and is in no ring yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// Its id.
    pub kid: Box<str>,
    /// Its algorithm.
    pub algorithm: Algorithm,
}

impl From<&VerifyingKey> for Fresh {
    fn from(key: &VerifyingKey) -> Self {
        Self { kid: key.kid().into(), algorithm: key.algorithm() }
    }
}

/// What is to be done with a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Whatever is due: make what is missing, rotate when a key has signed long enough and the next one was published
    /// long enough, drop keys of which nothing is alive.
    Tend,
    /// The next key takes over now.
    Rotate {
        /// The active key that this was judged on: of many rotations at once, one takes place.
        judged: Box<str>,
        /// Although the next key was not published for long enough.
        early: bool,
    },
    /// A key and all it signed is refused from now on. If it was to sign, the next one takes over.
    Retire {
        /// Which.
        kid: Box<str>,
    },
}

/// Why a step is not taken. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It takes one more fresh key of the schedule's algorithm.
    #[error("a new key is needed")]
    Short,
    /// There is no active key.
    #[error("there is no signing key yet")]
    NoKey,
    /// No key has that id.
    #[error("there is no such signing key")]
    Unknown,
    /// The active key is not the one that this was judged on.
    #[error("the signing keys were changed meanwhile; nothing was done")]
    Stale,
    /// Verifiers may not know the next key yet.
    #[error("the next key was not published for long enough")]
    Early {
        /// When it was.
        ready_at: Timestamp,
    },
    /// [`KEYS_MAX`].
    #[error("there are too many old signing keys whose tokens are still alive")]
    Full,
}

/// All keys of an installation.
///
/// ```
/// use std::time::Duration;
///
/// use keyfob_core::rotation::{Fresh, Refusal, Ring, Schedule, Step};
/// use keyfob_core::signing_key::Algorithm;
/// use keyfob_core::time::Timestamp;
///
/// let day = Duration::from_secs(24 * 60 * 60);
/// let schedule = Schedule {
///     key_life: 30 * day,
///     publish_ahead: day,
///     token_life: Duration::from_secs(900),
///     leeway: Duration::from_secs(30),
///     algorithm: Algorithm::Es256,
/// };
/// let fresh = |kid: &str| Fresh { kid: kid.into(), algorithm: Algorithm::Es256 };
/// let start = Timestamp::from_seconds(1_800_000_000);
///
/// let ring = Ring::default();
/// assert_eq!(ring.step(&Step::Tend, start, &schedule, &[]), Err(Refusal::Short));
/// let ring = ring.step(&Step::Tend, start, &schedule, &[fresh("a"), fresh("b")])?;
/// assert_eq!(ring.active().map(|key| &*key.kid), Some("a"));
/// assert_eq!(ring.next().map(|key| &*key.kid), Some("b"));
///
/// let ring = ring.step(&Step::Tend, start + 30 * day, &schedule, &[fresh("c")])?;
/// assert_eq!(ring.active().map(|key| &*key.kid), Some("b"));
/// assert!(ring.key("a").is_some_and(|key| key.is_accepted()), "what it signed is alive");
/// # Ok::<(), Refusal>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring(Vec<Standing>);

impl Ring {
    /// The ring of these keys.
    #[must_use]
    pub fn new(keys: Vec<Standing>) -> Self {
        Self(keys)
    }

    /// All of them.
    #[must_use]
    pub fn keys(&self) -> &[Standing] {
        &self.0
    }

    /// The key of that id.
    #[must_use]
    pub fn key(&self, kid: &str) -> Option<&Standing> {
        self.0.iter().find(|key| &*key.kid == kid)
    }

    /// The key that signs.
    #[must_use]
    pub fn active(&self) -> Option<&Standing> {
        self.0.iter().find(|key| matches!(key.stage, Stage::Active { .. }))
    }

    /// The key that signs next.
    #[must_use]
    pub fn next(&self) -> Option<&Standing> {
        self.0.iter().find(|key| key.stage == Stage::Next)
    }

    /// The ring after a step at `now`. Of `fresh`, as many are used as it takes, in order.
    ///
    /// # Errors
    /// [`Refusal`]: the step is not taken.
    pub fn step(&self, step: &Step, now: Timestamp, schedule: &Schedule, fresh: &[Fresh]) -> Result<Self, Refusal> {
        let mut turn = turn::Turn::new(self.0.clone(), now, schedule, fresh);
        match step {
            Step::Tend => turn.tend(),
            Step::Rotate { judged, early } => turn.rotate(judged, *early),
            Step::Retire { kid } => turn.retire(kid),
        }?;
        Ok(Self(turn.keys))
    }

    /// When the active key has signed for its life (or at once if it is of another algorithm than the schedule's);
    /// `None` without one.
    #[must_use]
    pub fn life_ends_at(&self, schedule: &Schedule) -> Option<Timestamp> {
        let active = self.active()?;
        let Stage::Active { since } = active.stage else { return None };
        Some(if active.algorithm == schedule.algorithm { since + schedule.key_life } else { since })
    }

    /// When [`Step::Tend`] has something to do next; `None` if a key is missing, which is now.
    #[must_use]
    pub fn due_at(&self, schedule: &Schedule) -> Option<Timestamp> {
        let ready = self.next()?.published_at + schedule.publish_ahead;
        let rotation = self.life_ends_at(schedule)?.max(ready);
        let deaths = self.0.iter().filter_map(|key| key.dead_at(schedule.leeway));
        Some(deaths.fold(rotation, Timestamp::min))
    }
}
