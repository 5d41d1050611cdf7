//! The control desk of a running server: commands change the store through it, and hear of success only when this
//! node's guards have applied the change.

use std::sync::Arc;

use async_trait::async_trait;
use keyfob_core::change::Revision;
use keyfob_core::password::{Password, PasswordHash};

use crate::app::App;
use crate::clock;
use crate::control::{Acknowledge, Desk, HashPassword, Problem};

/// The desk of `app`.
#[must_use]
pub fn of(app: &Arc<App>) -> Arc<Desk> {
    let node = Arc::new(Node(Arc::clone(app)));
    Arc::new(Desk {
        store: Arc::clone(app.store()),
        rules: app.rules.clone(),
        profile: app.verifier.profile.clone(),
        schedule: app.settings.schedule(),
        mint: app.verifier.mint.clone(),
        guard_only: app.settings.guard_only,
        api_key_life: app.settings.api_key_life,
        key_uses: Arc::clone(&app.verifier.key_uses),
        hashing: Arc::<Node>::clone(&node),
        acknowledge: node,
        turn: tokio::sync::Mutex::new(()),
    })
}

struct Node(Arc<App>);

#[async_trait]
impl HashPassword for Node {
    async fn hash(&self, password: Password) -> Result<PasswordHash, Problem> {
        let busy = || Problem::refused("the hashing pool is full of sign-ins").hint("try again in a moment");
        let place = self.0.hashing.place().ok_or_else(busy)?;
        let hashed = place.hash(Arc::new(password), clock::random()).await;
        hashed.map_err(|_| Problem::could_not_tell("the password cannot be hashed"))
    }
}

#[async_trait]
impl Acknowledge for Node {
    async fn applied(&self, revision: Revision) -> bool {
        self.0.applied.reached(revision).await
    }
}
