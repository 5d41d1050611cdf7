//! Intentions about API keys: an operator makes them for a user, under the same bounds as the user.

use std::time::Duration;

use keyfob_core::api_key::KeyListing;
use keyfob_core::id::KeyId;
use keyfob_core::policy::Policy;
use keyfob_store::KeyMade;

use super::{audit, find, policy_in_force, settle, shown, unavailable};
use crate::clock;
use crate::control::{ApiKeyView, Desk, Outcome, Problem, ShownOnce};
use crate::new_key::{Refused, Wanted, new_key, too_many};

pub(super) async fn create(
    desk: &Desk,
    actor: &str,
    named: &str,
    name: &str,
    scope: Option<&str>,
    life: Option<u64>,
) -> Result<Outcome, Problem> {
    let user = find(desk, named).await?;
    let policy = policy_in_force(desk).await?.unwrap_or_else(|| Policy::signed_in(0));
    let user = policy.know(user);
    let wanted = Wanted { name, scope, life: life.map(Duration::from_secs), session: None };
    let made = new_key(&desk.mint, desk.store.incarnation(), &user, desk.api_key_life, &wanted);
    let (new, secret) = made.map_err(|refused| explain(&refused, user.user.username.as_str()))?;
    let by = audit(actor, "api-key.created", new.key.id, format!("{}: {}", new.name, new.key.scope));
    match desk.store.create_key(&new, &by).await.map_err(unavailable)? {
        KeyMade::Made => {
            let listing = KeyListing { key: new.key, name: new.name, used_at: None };
            Ok(Outcome::ApiKey { key: view(desk, &listing), secret: ShownOnce::from(&secret) })
        }
        KeyMade::TooMany => {
            Err(Problem::refused(too_many()).hint(format!("list them with `keyfob key list {}`", user.user.username)))
        }
        KeyMade::Stale => {
            Err(Problem::refused(format!("{} is disabled, or was changed meanwhile", user.user.username))
                .hint(format!("look with `keyfob user show {}`", user.user.username)))
        }
    }
}

pub(super) async fn list(desk: &Desk, named: &str) -> Result<Outcome, Problem> {
    let user = find(desk, named).await?;
    let live = desk.store.api_keys_of(user.id, clock::now()).await.map_err(unavailable)?;
    Ok(Outcome::ApiKeys(live.iter().map(|listing| view(desk, listing)).collect()))
}

pub(super) async fn revoke(desk: &Desk, actor: &str, text: &str) -> Result<Outcome, Problem> {
    let id: KeyId = text.parse().map_err(|_| no_such_key(text))?;
    let by = audit(actor, "api-key.revoked", id, "");
    let changed = desk.store.revoke_key(id, None, &by).await.map_err(unavailable)?;
    settle(desk, changed).await?.map(Outcome::Ended).ok_or_else(|| no_such_key(text))
}

/// Accept keys again that a restore suspended; all of them if none is named. The named ones are looked up before anything
/// is done: one that cannot be resumed stops all.
pub(super) async fn resume(desk: &Desk, actor: &str, named: &[String]) -> Result<Outcome, Problem> {
    let mut ids = Vec::new();
    for text in named {
        ids.push(resumable(desk, text).await?);
    }
    if named.is_empty() {
        loop {
            let page = desk.store.suspended_keys(clock::now(), ids.last().copied()).await.map_err(unavailable)?;
            if page.is_empty() {
                break;
            }
            ids.extend(page);
        }
    }
    let mut resumed = Vec::new();
    for id in ids {
        let by = audit(actor, "api-key.resumed", id, "");
        let changed = desk.store.resume_key(id, &by).await.map_err(unavailable)?;
        // None: it was revoked or swept since it was found.
        if settle(desk, changed).await? == Some(true) {
            resumed.push(id.to_string());
        }
    }
    Ok(Outcome::Resumed(resumed))
}

/// The id of a key that is neither revoked nor expired.
async fn resumable(desk: &Desk, text: &str) -> Result<KeyId, Problem> {
    let id: KeyId = text.parse().map_err(|_| no_such_key(text))?;
    let key = desk.store.api_key(id).await.map_err(unavailable)?.ok_or_else(|| no_such_key(text))?;
    let dead = match key.revoked_at {
        Some(_) => "is revoked",
        None if key.expires_at <= clock::now() => "has expired",
        None => return Ok(id),
    };
    Err(Problem::refused(format!("API key {id} {dead}; nothing was done"))
        .hint("make another with `keyfob key create`"))
}

fn no_such_key(text: &str) -> Problem {
    Problem::refused(format!("there is no API key with the id `{}`", shown(text)))
        .hint("list them with `keyfob key list USER`")
}

fn explain(refused: &Refused, username: &str) -> Problem {
    let problem = Problem::refused(refused.to_string());
    match refused {
        Refused::Beyond(_) => {
            problem.hint(format!("`keyfob user show {username}` has the roles, the policy their scopes"))
        }
        Refused::Life(_) => problem.hint("ask for less with `--expires-in`, such as `30d`"),
        Refused::Name(_) | Refused::Scope(_) => problem,
    }
}

/// A key without its secret. The last use is told as it is, though it may not be written yet.
fn view(desk: &Desk, listing: &KeyListing) -> ApiKeyView {
    let used_at = desk.key_uses.last(listing.key.id).max(listing.used_at);
    let suspended = listing.key.incarnation != desk.store.incarnation();
    ApiKeyView { suspended, ..ApiKeyView::from(&KeyListing { used_at, ..listing.clone() }) }
}
