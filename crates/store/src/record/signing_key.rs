//! Signing keys and the steps of their life.

use keyfob_core::change::Revision;
use keyfob_core::rotation::{Refusal, Schedule, Standing, Step};
use keyfob_core::signing_key::SigningKey;
use keyfob_core::time::Timestamp;

use super::Audit;

/// A signing key at rest.
pub struct StoredKey {
    /// The key, unwrapped.
    pub key: SigningKey,
    /// Where in its life it is.
    pub standing: Standing,
}

/// A step in the life of the signing keys.
#[derive(Clone, Debug)]
pub struct KeyTurn {
    /// The intention.
    pub step: Step,
    /// How often keys change, and what they sign.
    pub schedule: Schedule,
    /// Who takes it.
    pub actor: String,
    /// Now.
    pub at: Timestamp,
}

impl KeyTurn {
    /// The audit row of what it did to one key.
    pub(crate) fn audit(&self, (event, key): (&'static str, &Standing)) -> Audit {
        let (actor, subject) = (self.actor.clone(), key.kid.to_string());
        Audit { at: self.at, event, actor, subject, detail: key.algorithm.name().to_owned() }
    }
}

/// Whether the signing keys took a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// They did, at this revision: acknowledge when it is applied.
    At(Revision),
    /// There was nothing to do. Acknowledge when this revision (the newest) is applied.
    Already(Revision),
    /// It was not to be; nothing was written.
    Refused(Refusal),
}
