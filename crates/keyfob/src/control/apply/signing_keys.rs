//! Intentions about signing keys: see them, rotate them before their time, retire one that has leaked.

use keyfob_core::rotation::{Refusal, Ring, Stage, Step};
use keyfob_store::{Changed, StoredKey, Turned};

use super::{settle, unavailable};
use crate::clock::{self, rfc3339};
use crate::control::{Desk, KeyView, Outcome, Problem};
use crate::rotation;

pub(super) async fn list(desk: &Desk) -> Result<Outcome, Problem> {
    Ok(Outcome::SigningKeys(views(desk).await?))
}

/// The next key signs from now on. `early`: although it was not published for long enough.
pub(super) async fn rotate(desk: &Desk, actor: &str, early: bool) -> Result<Outcome, Problem> {
    let _turn = desk.turn.lock().await;
    let ring = rotation::ring(&*desk.store).await.map_err(unavailable)?;
    let active = ring.active().ok_or_else(|| refused(Refusal::NoKey))?;
    let step = Step::Rotate { judged: active.kid.clone(), early };
    turned(desk, actor, &ring, step).await
}

/// A key is refused from now on, and all that it signed.
pub(super) async fn retire(desk: &Desk, actor: &str, kid: &str) -> Result<Outcome, Problem> {
    let _turn = desk.turn.lock().await;
    let ring = rotation::ring(&*desk.store).await.map_err(unavailable)?;
    turned(desk, actor, &ring, Step::Retire { kid: kid.into() }).await
}

async fn turned(desk: &Desk, actor: &str, before: &Ring, step: Step) -> Result<Outcome, Problem> {
    let turned = rotation::turn(&*desk.store, step, desk.schedule, actor).await.map_err(unavailable)?;
    let changed = match turned {
        Turned::At(revision) => Changed::At(revision),
        Turned::Already(revision) => Changed::Already(revision),
        Turned::Refused(refusal) => return Err(refused(refusal)),
    };
    let changed = settle(desk, changed).await?.unwrap_or(false);
    let keys = views(desk).await?;
    // A verifier that keeps a copy of the JWK Set may not have seen the key that signs now.
    let signs = keys.iter().find(|key| key.state == "active");
    let signed = before.active().is_some_and(|key| signs.is_some_and(|now| *now.kid == *key.kid));
    let published = before.keys().iter().find(|key| signs.is_some_and(|now| *now.kid == *key.kid));
    let known = published.is_some_and(|key| key.published_at + desk.schedule.publish_ahead <= clock::now());
    Ok(Outcome::KeysTurned { keys, changed, early: !signed && !known })
}

/// All keys, in the order of their lives: next, active, old, retired; of each the newest first.
async fn views(desk: &Desk) -> Result<Vec<KeyView>, Problem> {
    let mut keys = desk.store.signing_keys().await.map_err(unavailable)?;
    keys.sort_by_key(|key| match key.standing.stage {
        Stage::Next => 0,
        Stage::Active { .. } => 1,
        Stage::Old { .. } => 2,
        Stage::Retired { .. } => 3,
    });
    Ok(keys.iter().map(|key| view(desk, key)).collect())
}

fn view(desk: &Desk, stored: &StoredKey) -> KeyView {
    let standing = &stored.standing;
    let (state, since) = match standing.stage {
        Stage::Next => ("next", standing.published_at),
        Stage::Active { since } => ("active", since),
        Stage::Old { stopped } => ("old", stopped),
        Stage::Retired { at } => ("retired", at),
    };
    KeyView {
        kid: standing.kid.to_string(),
        algorithm: standing.algorithm,
        state: state.to_owned(),
        created_at: rfc3339(standing.published_at),
        since: rfc3339(since),
        dropped_at: standing.dead_at(desk.schedule.leeway).map(rfc3339),
    }
}

fn refused(refusal: Refusal) -> Problem {
    let problem = Problem::refused(refusal.to_string());
    match refusal {
        Refusal::NoKey => problem.hint("the first `keyfob serve` makes one"),
        Refusal::Unknown => problem.hint("list them with `keyfob signing-key list`"),
        Refusal::Short | Refusal::Stale => problem.hint("try again"),
        Refusal::Early { ready_at } => problem.hint(format!(
            "wait until {}, or use `--now`: those who verify tokens by a copy of the JWK Set may refuse new tokens \
             until they fetch it again",
            rfc3339(ready_at)
        )),
        Refusal::Full => problem.hint("wait until the oldest is dropped; `keyfob signing-key list` says when"),
    }
}
