//! Intentions about what comes from HTTP Basic: users with the hashes they have, and who still uses it.

use keyfob_core::id::UserId;
use keyfob_core::password::{LegacyForm, LegacyHash};
use keyfob_core::user::{RoleName, Status, User, Username};
use keyfob_store::{Made, NewUser};

use super::users::sorted;
use super::{audit, policy_in_force, unavailable};
use crate::clock;
use crate::control::{BasicUserView, Desk, ImportedUser, Outcome, Problem};

/// Make users with legacy hashes, which are wrapped here: a store never has a bare one.
pub(super) async fn import(
    desk: &Desk,
    actor: &str,
    users: &[ImportedUser],
    roles: Vec<RoleName>,
) -> Result<Outcome, Problem> {
    let _turn = desk.turn.lock().await;
    let roles = sorted(roles)?;
    let (mut names, mut hashes) = (Vec::new(), Vec::new());
    for ImportedUser { name, hash } in users {
        let name = Username::parse(name).map_err(|problem| Problem::refused(problem.to_string()))?;
        // Taken names cost no hash, so that what was broken off goes on fast.
        if desk.store.user_by_name(&name).await.map_err(unavailable)?.is_none() {
            let hash = LegacyHash::parse(hash.expose());
            hashes.push(hash.map_err(|problem| Problem::refused(format!("{name}: {problem}")))?);
            names.push(name);
        }
    }
    bound_forms(desk, &hashes).await?;
    let mut new = Vec::with_capacity(names.len());
    for (username, password) in names.into_iter().zip(desk.hashing.wrap(hashes).await?) {
        let detail = format!("{username}: {}", password.legacy_form().map(LegacyForm::words).unwrap_or_default());
        let (id, now) = (UserId::new(clock::now(), &clock::random()), clock::now());
        let user =
            User { id, username, status: Status::Active, roles: roles.clone(), auth_version: 1, created_at: now };
        new.push((NewUser { user, password }, audit(actor, "user.imported", id, detail)));
    }
    let answers = desk.store.import_users(&new).await.map_err(unavailable)?;
    let made = new.iter().zip(answers).filter(|(_, made)| *made == Made::Made);
    let made: Vec<String> = made.map(|((new, _), _)| new.user.username.to_string()).collect();
    let canonical = |it: &ImportedUser| Username::parse(&it.name).ok().map(|name| name.to_string());
    let taken = users.iter().filter_map(canonical).filter(|name| !made.contains(name)).collect();
    let policy = policy_in_force(desk).await?;
    let unknown = |role: &RoleName| policy.as_ref().is_some_and(|policy| !policy.knows_role(role));
    Ok(Outcome::Imported { made, taken, unknown_roles: roles.into_iter().filter(unknown).collect() })
}

/// Who is not done with HTTP Basic. What is noted and not written yet is written first, but not where nothing may be.
pub(super) async fn report(desk: &Desk, after: Option<&str>) -> Result<Outcome, Problem> {
    let after = after.map(Username::parse).transpose().map_err(|problem| Problem::refused(problem.to_string()))?;
    if !desk.guard_only {
        desk.basic_uses.flush(&*desk.store).await.map_err(unavailable)?;
    }
    let page = desk.store.basic_users(after.as_ref()).await.map_err(unavailable)?;
    Ok(Outcome::BasicUsers(page.iter().map(BasicUserView::from).collect()))
}

/// Every sign-in computes one hash of each form that there is: there must not be too many.
async fn bound_forms(desk: &Desk, hashes: &[LegacyHash]) -> Result<(), Problem> {
    let mut forms = desk.store.legacy_forms().await.map_err(unavailable)?;
    forms.extend(hashes.iter().map(LegacyHash::form));
    forms.sort();
    forms.dedup();
    if forms.len() <= LegacyForm::MAX {
        return Ok(());
    }
    let words: Vec<_> = forms.into_iter().map(LegacyForm::words).collect();
    let most = LegacyForm::MAX;
    Err(Problem::refused(format!("these hashes would be of more than {most} kinds and costs: {}", words.join(", ")))
        .hint("every sign-in takes the time of one of each: import the most common first, and the others when these users have signed in"))
}
