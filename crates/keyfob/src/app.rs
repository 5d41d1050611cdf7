//! App: all that a handler may touch. Built once by [`crate::serve`], shared by every request.

use std::sync::Arc;

use arc_swap::ArcSwap;
use keyfob_core::password::{PasswordHash, Rules};
use keyfob_store::Store;
use keyfob_tower::refusal::Style;
use tokio::sync::Notify;

use crate::config::Settings;
use crate::feed::Applied;
use crate::hashing::HashingPool;
use crate::keys::Keys;
use crate::metadata::Metadata;
use crate::metrics::Metrics;
use crate::verify::StoreVerifier;

/// Everything a request may need.
pub struct App {
    /// What the operator set.
    pub settings: Settings,
    /// Tokens to evidence.
    pub verifier: StoreVerifier,
    /// The key that signs, and the published set.
    pub keys: ArcSwap<Keys>,
    /// How far the feed is applied.
    pub applied: Applied,
    /// Where passwords are hashed.
    pub hashing: HashingPool,
    /// Verified instead of a stored hash when there is no such user, at the same cost.
    pub dummy_hash: PasswordHash,
    /// What a new password must satisfy.
    pub rules: Rules,
    /// Rings when a sign-in attempt was settled, for those that wait for its outcome.
    pub settled: Notify,
    /// How refusals look.
    pub style: Style,
    /// The two documents under `/.well-known/`.
    pub metadata: Metadata,
    /// What is counted.
    pub metrics: Metrics,
}

impl App {
    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.verifier.store
    }
}
