//! How a command gets its intention carried out: by the owner of the data directory, or else by itself.

use std::sync::Arc;
use std::time::Duration;

use keyfob_core::access_token::Profile;
use keyfob_core::lease::Terms;
use keyfob_core::password::Rules;

use super::hold::{Hold, Taken, owned};
use super::listener::actor;
use super::store::{OpenStore, open_for};
use super::{Acknowledge, AtOnce, Desk, Intention, Outcome, Outlast, Problem, apply, client};
use crate::config::{Ack, Settings};
use crate::peers::Peers;

/// How long to wait for an owner that does not answer: a server that is starting or stopping, or another command.
const PATIENCE: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(20);

/// Carry out an intention on the data directory of `settings`, wherever it has to be done. When this returns `Ok`, it
/// is durable and in force.
///
/// # Errors
/// [`Problem`].
pub async fn carry_out(settings: &Settings, intention: Intention) -> Result<Outcome, Problem> {
    let dir = &settings.data;
    // Only the first user makes a data directory: any other command on a wrong path must say so, not leave one there.
    let there = settings.database.is_some() || dir.join("keyfob.db").exists();
    if !there && !matches!(intention, Intention::UserAdd { .. } | Intention::UserImport { .. }) {
        return Err(Problem::refused(format!("there is no keyfob in {}", dir.display()))
            .hint("name its data directory with `--data`, or start one with `keyfob user add NAME`"));
    }
    let mut left = PATIENCE;
    loop {
        if let Some(stream) = client::connect(dir).await {
            return client::send(stream, intention).await;
        }
        match Hold::attempt(dir)? {
            Taken::Ours(hold) => {
                let open = open_for(settings, hold).await?;
                let desk = offline_desk(settings, &open).await?;
                let outcome = apply(&desk, &actor(rustix::process::geteuid().as_raw()), intention).await;
                if let Some(nodes) = open.store.nodes()
                    && let Err(error) = nodes.remember().await
                {
                    tracing::warn!(%error, "an older database would not be noticed after this");
                }
                return outcome;
            }
            Taken::Theirs(holder) if left.is_zero() => return Err(owned(dir, holder)),
            Taken::Theirs(_) => {
                tokio::time::sleep(STEP).await;
                left = left.saturating_sub(STEP);
            }
        }
    }
}

/// A desk without a server: it caches nothing, so in a store of its own every change is in force once it is committed.
///
/// # Errors
/// [`Problem`] if the store cannot be read.
pub async fn offline_desk(settings: &Settings, open: &OpenStore) -> Result<Desk, Problem> {
    let stored = open.store.public_url().await.map_err(|error| Problem::could_not_tell(error.to_string()))?;
    let issuer: Box<str> = settings
        .public_url
        .clone()
        .or(stored)
        .unwrap_or_else(|| format!("http://{}", settings.listen))
        .into_boxed_str();
    // Nodes of a shared store have caches, though this command has none.
    let acknowledge: Arc<dyn Acknowledge> = match open.store.nodes() {
        Some(_) if settings.ack == Ack::All => Arc::new(Peers::new(Arc::clone(&open.store), Terms::DEFAULT)),
        Some(_) => Arc::new(AtOnce),
        None => match Outlast::of(open.hold.dir()) {
            Some(outlast) => Arc::new(outlast),
            None => Arc::new(AtOnce),
        },
    };
    Ok(Desk {
        store: Arc::clone(&open.store),
        rules: Rules { min: settings.password_min },
        profile: Profile { audience: issuer.clone(), issuer, leeway: settings.leeway, tagger: open.tagger.clone() },
        schedule: settings.schedule(),
        mint: open.mint.clone(),
        guard_only: settings.guard_only,
        api_key_life: settings.api_key_life,
        key_uses: Arc::default(),
        basic_uses: Arc::default(),
        hashing: Arc::new(settings.password_cost),
        acknowledge,
        turn: tokio::sync::Mutex::new(()),
    })
}
