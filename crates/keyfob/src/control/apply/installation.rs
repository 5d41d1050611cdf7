//! Intentions about the installation: the policy in force, the state of the database.

use std::path::Path;
use std::time::Duration;

use keyfob_core::id::Incarnation;
use keyfob_core::policy::Policy;
use keyfob_store::StoreError;

use super::{audit, failed_sign_ins, settle, unavailable};
use crate::clock::{self, rfc3339};
use crate::control::{BackupView, Desk, Examination, Outcome, PolicyView, Problem, TableView};
use crate::rotation;
use crate::skew::Skew;

pub(super) async fn policy(desk: &Desk) -> Result<Outcome, Problem> {
    let stored = desk.store.policy().await.map_err(unavailable)?;
    Ok(Outcome::Policy(stored.map(|stored| PolicyView { version: stored.version, text: stored.text })))
}

/// Put a policy in force, at every guard.
pub(super) async fn apply_policy(desk: &Desk, actor: &str, file: &str, text: &str) -> Result<Outcome, Problem> {
    Policy::parse(text, 0).map_err(|problem| {
        Problem::refused(format!("{file}: {problem}"))
            .hint("try it with `keyfob policy check`; the old one stays in force")
    })?;
    let changed = desk.store.set_policy(text, &audit(actor, "policy.applied", file, "")).await.map_err(unavailable)?;
    let moved = settle(desk, changed).await?;
    Ok(Outcome::PolicyApplied(moved.unwrap_or(false)))
}

pub(super) async fn backup(desk: &Desk, actor: &str, file: &Path) -> Result<Outcome, Problem> {
    let by = audit(actor, "store.backed-up", file.display(), "");
    let made = desk.store.backup(file, &by).await.map_err(|error| match error {
        StoreError::Backup(why) => {
            Problem::refused(why).hint("name a new file in a directory that the user of keyfob can write")
        }
        other => unavailable(other),
    })?;
    Ok(Outcome::Backup(BackupView {
        file: file.to_owned(),
        bytes: made.bytes,
        revision: made.revision.0,
        incarnation: hex(desk.store.incarnation()),
        tables: made.tables.into_iter().map(|(name, rows)| TableView { name, rows }).collect(),
    }))
}

pub(super) async fn stand_down(desk: &Desk) -> Result<Outcome, Problem> {
    let shared = desk.store.nodes().is_some();
    match desk.store.stand_down().await {
        Ok(()) => Ok(Outcome::StoodDown { moved: false, shared }),
        Err(StoreError::Moved(_)) => Ok(Outcome::StoodDown { moved: true, shared }),
        Err(error) => Err(unavailable(error)),
    }
}

/// An incarnation as people compare it.
pub(in crate::control) fn hex(incarnation: Incarnation) -> String {
    format!("{:032x}", u128::from_be_bytes(incarnation.0))
}

/// By how many microseconds the clock here is ahead of that of the database that nodes share.
async fn clock_skew(desk: &Desk) -> Result<Option<i64>, Problem> {
    let Some(nodes) = desk.store.nodes() else { return Ok(None) };
    let (skew, asked) = (Skew::new(Duration::ZERO), clock::boot_micros());
    let store = nodes.clock().await.map_err(unavailable)?;
    skew.compared(asked, clock::boot_micros(), store);
    Ok(skew.now())
}

pub(super) async fn examine(desk: &Desk) -> Result<Outcome, Problem> {
    let damage = match desk.store.check().await {
        Ok(()) => None,
        Err(StoreError::Corrupt(damage)) => Some(damage),
        Err(error) => return Err(unavailable(error)),
    };
    let ring = rotation::ring(&*desk.store).await.map_err(unavailable)?;
    let life_ended = ring.life_ends_at(&desk.schedule).filter(|end| *end <= clock::now());
    let counts = desk.store.counts().await.map_err(unavailable)?;
    let stored = desk.store.policy().await.map_err(unavailable)?;
    let parsed = stored.as_ref().map(|stored| Policy::parse(&stored.text, stored.version));
    let life = desk.store.life().await.map_err(unavailable)?;
    Ok(Outcome::Examination(Box::new(Examination {
        incarnation: hex(desk.store.incarnation()),
        restored_at: life.restored_at.map(rfc3339),
        backed_up_at: life.backed_up_at.map(rfc3339),
        damage,
        users: counts.users,
        sessions: counts.sessions,
        audit: counts.audit,
        failed_at_unknown_names: failed_sign_ins(desk, None).await?,
        revision: desk.store.revision().await.map_err(unavailable)?.0,
        signing_key: ring.active().map(|key| key.kid.to_string()),
        signing_key_overdue_since: life_ended.map(rfc3339),
        policy: stored.map(|stored| stored.version),
        policy_problem: parsed.and_then(Result::err).map(|problem| problem.to_string()),
        public_url: desk.store.public_url().await.map_err(unavailable)?,
        clock_skew_ms: clock_skew(desk).await?.map(|micros| micros / 1000),
    })))
}
