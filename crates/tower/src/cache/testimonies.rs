//! What tokens said whose signature was checked, by the hash of the token. Nothing of whether they are still worth it: that
//! is judged for each request. Bounded; nothing is found past its `exp`, or once the keys have changed.

use std::sync::Arc;

use keyfob_core::follow::Minted;
use keyfob_core::policy::Testimony;
use keyfob_core::time::Timestamp;

use super::clock::{ClockMap, Generation};
use super::{LEEWAY_MAX, TokenHash};

/// What a token says.
#[derive(Clone)]
pub(crate) struct Heard {
    pub(crate) testimony: Arc<Testimony>,
    pub(crate) minted: Minted,
}

/// What many said.
pub(crate) struct Testimonies(ClockMap<TokenHash, Heard>);

/// Taken before the keys are read, and given back with what was verified by them.
#[derive(Clone, Copy)]
pub(crate) struct Since(Generation);

impl Testimonies {
    /// Of at most `tokens` tokens.
    pub(crate) fn new(tokens: usize) -> Self {
        Self(ClockMap::new(tokens))
    }

    /// What the token of that hash said, unless it is past its time.
    pub(crate) fn look(&self, token: &TokenHash, now: Timestamp) -> Result<Heard, Since> {
        let alive = |heard: &Heard| now < heard.testimony.expires_at() + LEEWAY_MAX;
        let found = self.0.look(token, alive).map_err(Since);
        if found.is_err() {
            self.0.discard(token, |heard| !alive(heard));
        }
        found
    }

    /// Keep what it said, unless all was forgotten since.
    pub(crate) fn remember(&self, token: TokenHash, heard: Heard, since: Since) {
        self.0.remember(token, heard, |generation| generation == since.0);
    }

    /// The keys have changed: what was verified by others counts no more, nor what is being verified by them now.
    pub(crate) fn forget_all(&self) {
        self.0.forget_all();
    }
}
