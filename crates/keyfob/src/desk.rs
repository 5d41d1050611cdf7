//! The control desk of a running server: commands change the store through it, and hear of success only when this
//! node's guards have applied the change.

use std::sync::Arc;

use async_trait::async_trait;
use keyfob_core::change::Revision;
use keyfob_core::password::{LegacyHash, Password, PasswordHash};

use crate::app::App;
use crate::clock;
use crate::control::{Acknowledge, Desk, HashPassword, Problem};
use crate::hashing::Place;

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
        basic_uses: Arc::clone(&app.basic.uses),
        hashing: Arc::<Node>::clone(&node),
        acknowledge: node,
        turn: tokio::sync::Mutex::new(()),
    })
}

struct Node(Arc<App>);

impl Node {
    fn place(&self) -> Result<Place, Problem> {
        let busy = || Problem::refused("the hashing pool is full of sign-ins").hint("try again in a moment");
        self.0.attempts.hashing.place().ok_or_else(busy)
    }
}

#[async_trait]
impl HashPassword for Node {
    async fn hash(&self, password: Password) -> Result<PasswordHash, Problem> {
        let hashed = self.place()?.hash(Arc::new(password), clock::random()).await;
        hashed.map_err(|_| Problem::could_not_tell("the password cannot be hashed"))
    }

    async fn wrap(&self, legacy: Vec<LegacyHash>) -> Result<Vec<PasswordHash>, Problem> {
        let place = self.place()?;
        let mut wrapped = Vec::with_capacity(legacy.len());
        for legacy in legacy {
            let hash = place.wrap(legacy, clock::random()).await;
            wrapped.push(hash.map_err(|_| Problem::could_not_tell("the hash cannot be wrapped"))?);
        }
        Ok(wrapped)
    }
}

#[async_trait]
impl Acknowledge for Node {
    async fn applied(&self, revision: Revision) -> bool {
        self.0.applied.reached(revision).await
    }
}
