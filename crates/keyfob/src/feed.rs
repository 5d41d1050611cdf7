//! Follows the store's changes: forgets what changed, swaps the policy and the keys, and only then says "applied".
//! A node learns its own changes here like any other's; a denial is acknowledged after it is applied.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyfob_core::change::{Fact, Revision};
use keyfob_core::lease::Terms;
use keyfob_core::policy::Policy;
use keyfob_store::{Result, StoreError};
use tokio::sync::watch;

use crate::app::App;
use crate::following::Following;
use crate::keys::Keys;
use crate::peers::Peers;

/// How often the store is asked although no doorbell rang: a lost beat costs at most this.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a change may take to be applied before its acknowledgement is given up as "could not tell".
const ACKNOWLEDGE_MAX: Duration = Duration::from_secs(10);

/// How far this node has applied the store's changes, and whether the others that share the store have.
pub struct Applied {
    here: watch::Sender<Revision>,
    peers: Option<Peers>,
    /// Those who follow this node.
    pub following: Following,
}

impl Applied {
    /// Everything up to `revision` was so when the node loaded its facts.
    #[must_use]
    pub fn new(revision: Revision) -> Self {
        let following = Following::new(Terms::DEFAULT, revision);
        Self { here: watch::Sender::new(revision), peers: None, following }
    }

    /// The same where this process owns the data directory `dir`.
    #[must_use]
    pub fn in_directory(self, dir: &Path) -> Self {
        Self { following: self.following.of_owner(dir), ..self }
    }

    /// The same where other nodes share the store: a change is in force only when it is at all of them.
    #[must_use]
    pub fn and_at(self, peers: Peers) -> Self {
        Self { peers: Some(peers), ..self }
    }

    /// The newest applied revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        *self.here.borrow()
    }

    /// The newest revision that is applied here and at all who follow this node: what other nodes are told.
    #[must_use]
    pub fn confirmed(&self) -> Revision {
        self.following.applied(self.revision())
    }

    /// Wait until something after `known` is applied here, for `patience` at most.
    pub async fn beyond(&self, known: Revision, patience: Duration) {
        let mut applied = self.here.subscribe();
        let _ = tokio::time::timeout(patience, applied.wait_for(|applied| *applied > known)).await;
    }

    /// Wait until `revision`, whose commit has returned, is in force at every node and at all who follow one. `false`: it
    /// could not be told in time, so nothing may be acknowledged.
    pub async fn reached(&self, revision: Revision) -> bool {
        let everywhere = async {
            if let Some(peers) = &self.peers {
                peers.confirmed(revision).await;
            }
        };
        let here = async {
            let reached = self.reached_here(revision).await;
            if reached {
                self.following.confirmed(revision).await;
            }
            reached
        };
        tokio::join!(here, everywhere).0
    }

    /// Wait until `revision` is applied by this node. `false`: it was not in time.
    pub async fn reached_here(&self, revision: Revision) -> bool {
        let mut applied = self.here.subscribe();
        let wait = applied.wait_for(|applied| *applied >= revision);
        matches!(tokio::time::timeout(ACKNOWLEDGE_MAX, wait).await, Ok(Ok(_)))
    }
}

/// Follow the feed of a store that this process owns, until it stops.
pub async fn follow(app: Arc<App>) {
    let mut doorbell = app.verifier.store.doorbell();
    loop {
        if let Err(error) = catch_up(&app).await {
            // What cannot be read may be a revocation: until it can, nothing is judged on what was remembered before.
            app.verifier.facts.forget_all();
            tracing::error!(%error, "the change feed cannot be read");
            if doorbell.has_changed().is_err() {
                // The store has stopped for good, and the process is about to.
                return;
            }
            tokio::time::sleep(PATIENCE / 10).await;
            continue;
        }
        if let Ok(Err(_)) = tokio::time::timeout(PATIENCE, doorbell.changed()).await {
            app.verifier.facts.forget_all();
            return;
        }
    }
}

/// Apply every change there is. Never twice at once: what was read first would be applied last.
///
/// # Errors
/// Those of the store. What was applied until then stays applied.
pub async fn catch_up(app: &App) -> Result<()> {
    loop {
        let changes = app.verifier.store.changes_since(app.applied.revision()).await?;
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else { return Ok(()) };
        let last = last.revision;
        let gap = first.revision.0 != app.applied.revision().0 + 1;
        if gap {
            // What came between was swept before it was read here: anything may have changed.
            apply(app, Fact::Policy).await?;
            apply(app, Fact::SigningKeys).await?;
            app.verifier.facts.forget_all();
        }
        for change in &changes {
            apply(app, change.fact).await?;
        }
        app.applied.following.note(&changes, gap);
        app.applied.here.send_replace(last);
    }
}

async fn apply(app: &App, fact: Fact) -> Result<()> {
    match fact {
        Fact::Policy => app.verifier.policy.store(Arc::new(load_policy(&*app.verifier.store).await?)),
        Fact::SigningKeys => {
            let keys = Keys::load(&*app.verifier.store).await?;
            // Accepted before it signs: no token is handed out that is refused a moment later.
            app.verifier.keys.store(Arc::new(keys.accepted()));
            app.keys.store(Arc::new(keys));
        }
        Fact::User(_) | Fact::Session(_) | Fact::Key(_) | Fact::Client(_) => {}
    }
    // After the swap: a fill that began before it is refused by the cache, one that begins now sees the new value.
    app.verifier.facts.forget(fact);
    if fact == Fact::SigningKeys {
        app.verifier.retirements.note(app.keys.load().retired_at);
    }
    Ok(())
}

/// The policy in force, or "any signed-in user" where none was ever imported.
///
/// # Errors
/// Those of the store, and [`StoreError::Corrupt`] if the stored text does not parse.
pub async fn load_policy(store: &dyn keyfob_store::Store) -> Result<Policy> {
    match store.policy().await? {
        None => Ok(Policy::signed_in(0)),
        Some(stored) => Policy::parse(&stored.text, stored.version)
            .map_err(|problem| StoreError::Corrupt(format!("the policy in force does not parse: {problem}"))),
    }
}
