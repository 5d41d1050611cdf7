//! Intentions about users.

use keyfob_core::id::UserId;
use keyfob_core::password::{Password, PasswordHash};
use keyfob_core::secret::Secret;
use keyfob_core::user::{RoleName, Status, User, Username};
use keyfob_store::{Made, NewUser, PasswordChange};

use super::{audit, failed_sign_ins, find, no_such_user, policy_in_force, settle, unavailable};
use crate::clock;
use crate::control::{Desk, Outcome, Problem, UserView};

/// Roles a user may have: a header names them all to the API, and headers are small.
const ROLES_MAX: usize = 64;

pub(super) async fn add(
    desk: &Desk,
    actor: &str,
    name: &str,
    password: &Secret,
    roles: Vec<RoleName>,
) -> Result<Outcome, Problem> {
    let username = Username::parse(name).map_err(|problem| Problem::refused(problem.to_string()))?;
    let roles = sorted(roles)?;
    let password = hash(desk, password, &username).await?;
    let id = UserId::new(clock::now(), &clock::random());
    let user = User { id, username, status: Status::Active, roles, auth_version: 1, created_at: clock::now() };
    let by = audit(actor, "user.created", id, detail(&user));
    let new = NewUser { user, password };
    match desk.store.create_user(&new, &by).await.map_err(unavailable)? {
        Made::Made => shown(desk, &new.user, true).await,
        Made::Exists => Err(Problem::refused(format!("there is a user `{}` already", new.user.username))
            .hint("change it with `keyfob user role` or `keyfob user passwd`")),
    }
}

pub(super) async fn list(desk: &Desk, after: Option<&str>) -> Result<Outcome, Problem> {
    let after = after.map(Username::parse).transpose().map_err(|problem| Problem::refused(problem.to_string()))?;
    let page = desk.store.users(after.as_ref()).await.map_err(unavailable)?;
    Ok(Outcome::Users(page.iter().map(UserView::from).collect()))
}

pub(super) async fn show(desk: &Desk, named: &str) -> Result<Outcome, Problem> {
    let user = find(desk, named).await?;
    let failed = failed_sign_ins(desk, Some(user.id)).await?;
    let mut outcome = shown(desk, &user, false).await?;
    if let Outcome::User { user, .. } = &mut outcome {
        user.failed_sign_ins = failed;
    }
    Ok(outcome)
}

pub(super) async fn role(
    desk: &Desk,
    actor: &str,
    named: &str,
    set: Option<Vec<RoleName>>,
    add: Vec<RoleName>,
    remove: &[RoleName],
) -> Result<Outcome, Problem> {
    let _turn = desk.turn.lock().await;
    let user = find(desk, named).await?;
    let mut roles = set.unwrap_or_else(|| user.roles.clone());
    roles.extend(add);
    roles.retain(|role| !remove.contains(role));
    let roles = sorted(roles)?;
    let by = audit(actor, "user.roles", user.id, format!("{}: {}", user.username, words(&roles)));
    let changed = desk.store.set_roles(user.id, &roles, &by).await.map_err(unavailable)?;
    let moved = settle(desk, changed).await?.ok_or_else(|| no_such_user(named))?;
    shown(desk, &User { roles, ..user }, moved).await
}

pub(super) async fn passwd(desk: &Desk, actor: &str, named: &str, password: &Secret) -> Result<Outcome, Problem> {
    let user = find(desk, named).await?;
    let password = hash(desk, password, &user.username).await?;
    let by = audit(actor, "user.password", user.id, detail(&user));
    // Set by an operator: every session ends, so none is kept, and nothing was judged that could be stale.
    let change = PasswordChange { user: user.id, password, auth_version: None, keep: None, proof: None };
    let changed = desk.store.set_password(&change, &by).await.map_err(unavailable)?;
    let moved = settle(desk, changed).await?.ok_or_else(|| no_such_user(named))?;
    shown(desk, &user, moved).await
}

pub(super) async fn status(desk: &Desk, actor: &str, named: &str, status: Status) -> Result<Outcome, Problem> {
    let user = find(desk, named).await?;
    let event = match status {
        Status::Active => "user.enabled",
        Status::Disabled => "user.disabled",
    };
    let by = audit(actor, event, user.id, detail(&user));
    let changed = desk.store.set_status(user.id, status, &by).await.map_err(unavailable)?;
    let moved = settle(desk, changed).await?.ok_or_else(|| no_such_user(named))?;
    shown(desk, &User { status, ..user }, moved).await
}

pub(super) async fn delete(desk: &Desk, actor: &str, named: &str) -> Result<Outcome, Problem> {
    let user = find(desk, named).await?;
    let by = audit(actor, "user.deleted", user.id, detail(&user));
    let changed = desk.store.delete_user(user.id, &by).await.map_err(unavailable)?;
    settle(desk, changed).await?.ok_or_else(|| no_such_user(named))?;
    Ok(Outcome::Deleted(UserView::from(&user)))
}

async fn shown(desk: &Desk, user: &User, changed: bool) -> Result<Outcome, Problem> {
    let policy = policy_in_force(desk).await?;
    let unknown = |role: &&RoleName| policy.as_ref().is_some_and(|policy| !policy.knows_role(role));
    let unknown_roles = user.roles.iter().filter(unknown).cloned().collect();
    Ok(Outcome::User { user: UserView::from(user), changed, unknown_roles })
}

async fn hash(desk: &Desk, typed: &Secret, username: &Username) -> Result<PasswordHash, Problem> {
    let refused = |problem: keyfob_core::password::PasswordProblem| Problem::refused(problem.to_string());
    let password = Password::parse(typed.expose()).map_err(refused)?;
    desk.rules.check(&password, username).map_err(refused)?;
    desk.hashing.hash(password).await
}

pub(super) fn sorted(mut roles: Vec<RoleName>) -> Result<Vec<RoleName>, Problem> {
    roles.sort();
    roles.dedup();
    if roles.len() > ROLES_MAX {
        return Err(
            Problem::refused(format!("a user has at most {ROLES_MAX} roles")).hint("let one role grant more scopes")
        );
    }
    Ok(roles)
}

/// A user for an audit row: the row outlives the user, so it says the name as well as the id.
fn detail(user: &User) -> String {
    format!("{}: {}", user.username, words(&user.roles))
}

fn words(roles: &[RoleName]) -> String {
    roles.iter().map(RoleName::as_str).collect::<Vec<_>>().join(" ")
}
