//! Rotates the signing keys by schedule, and carries out the steps of commands. Makes the keys; when which of them signs
//! is decided by `keyfob_core::rotation`, and takes effect when the feed applies it. Never shows a private half.

use std::sync::Arc;
use std::time::Duration;

use keyfob_core::rotation::{Refusal, Ring, Schedule, Step};
use keyfob_core::signing_key::SigningKey;
use keyfob_store::{KeyTurn, Result, Store, StoreError, Turned};

use crate::app::App;
use crate::clock;

/// How often the keys are looked at when nothing is due: a clock that was set wakes nobody.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// The shortest wait between two looks.
const LOOK_LEAST: Duration = Duration::from_millis(100);
/// Keys that one step can take: one that signs and one that is next.
const FRESH_MAX: usize = 2;

/// The keys as they stand.
///
/// # Errors
/// Those of the store.
pub async fn ring(store: &dyn Store) -> Result<Ring> {
    Ok(Ring::new(store.signing_keys().await?.into_iter().map(|key| key.standing).collect()))
}

/// Take a step for `actor`, making the keys that it takes.
///
/// # Errors
/// Those of the store.
pub async fn turn(store: &dyn Store, step: Step, schedule: Schedule, actor: &str) -> Result<Turned> {
    let mut fresh = Vec::new();
    let turn = KeyTurn { step, schedule, actor: actor.to_owned(), at: clock::now() };
    loop {
        match store.turn_signing_keys(&turn, &fresh).await? {
            Turned::Refused(Refusal::Short) if fresh.len() < FRESH_MAX => fresh.push(make(&schedule).await?),
            turned => return Ok(turned),
        }
    }
}

/// Do what is due. Where nothing is, nothing is written.
///
/// # Errors
/// Those of the store.
pub async fn tend(store: &dyn Store, schedule: Schedule) -> Result<()> {
    let ring = ring(store).await?;
    if ring.step(&Step::Tend, clock::now(), &schedule, &[]).as_ref() != Ok(&ring) {
        turn(store, Step::Tend, schedule, "keyfob").await?;
    }
    Ok(())
}

/// Do what is due whenever something is, until the process stops.
pub async fn run(app: Arc<App>) {
    let schedule = app.settings.schedule();
    loop {
        tokio::time::sleep(wait(&app, &schedule).await).await;
        if app.clock_is_wrong() {
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        }
        if let Err(error) = tend(&**app.store(), schedule).await {
            tracing::error!(%error, "the signing keys cannot be looked after; the ones there are stay in use");
        }
    }
}

/// How long until something is due.
async fn wait(app: &App, schedule: &Schedule) -> Duration {
    let due = ring(&**app.store()).await.ok().and_then(|ring| ring.due_at(schedule));
    due.map_or(LOOK_EVERY, |due| due.since(clock::now())).clamp(LOOK_LEAST, LOOK_EVERY)
}

/// A new key, on a thread that has time: an RSA key takes a good part of a second.
async fn make(schedule: &Schedule) -> Result<SigningKey> {
    let algorithm = schedule.algorithm;
    let made = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm, clock::rng())).await;
    let failed = |why: String| StoreError::Unavailable(format!("no signing key can be made: {why}"));
    made.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
}
