//! Carries out one intention: load, decide, save, wait for the acknowledgement. The server and a command without a
//! server run this same code. Each change writes its audit row in its own transaction, with the actor (G16).

mod api_keys;
mod clients;
mod cluster;
mod imports;
mod installation;
mod sessions;
mod signing_keys;
mod token;
mod users;

pub(super) use installation::hex;
pub(crate) use token::decode;

use std::time::Duration;

use keyfob_core::id::UserId;
use keyfob_core::policy::Policy;
use keyfob_core::user::{User, Username};
use keyfob_store::{Audit, Changed, StoreError};

use super::{Desk, FailedSignInsView, Intention, Outcome, Problem};
use crate::clock;
use crate::looks_secret::looks_secret;

/// How far back failed sign-ins are counted for people.
const FAILED_SIGN_INS_SHOWN: Duration = Duration::from_hours(24);

/// Carry out `intention` on behalf of `actor` (such as `cli:ada`). When this returns `Ok`, the change is durable and in
/// force at every guard of the process.
///
/// # Errors
/// [`Problem`]: refused, or it could not be told.
pub async fn apply(desk: &Desk, actor: &str, intention: Intention) -> Result<Outcome, Problem> {
    if desk.guard_only && !intention.only_reads() {
        return Err(Problem::refused("this node only guards, and changes nothing")
            .hint("run the command on a node without `guard-only`"));
    }
    match intention {
        Intention::UserAdd { name, password, roles } => users::add(desk, actor, &name, &password, roles).await,
        Intention::UserImport { users, roles } => imports::import(desk, actor, &users, roles).await,
        Intention::BasicReport { after } => imports::report(desk, after.as_deref()).await,
        Intention::UserList { after } => users::list(desk, after.as_deref()).await,
        Intention::UserShow { user } => users::show(desk, &user).await,
        Intention::UserRole { user, set, add, remove } => users::role(desk, actor, &user, set, add, &remove).await,
        Intention::UserPasswd { user, password } => users::passwd(desk, actor, &user, &password).await,
        Intention::UserStatus { user, status } => users::status(desk, actor, &user, status).await,
        Intention::UserDelete { user } => users::delete(desk, actor, &user).await,
        Intention::SessionList { user } => sessions::list(desk, &user).await,
        Intention::SessionEnd { which } => sessions::end(desk, actor, &which).await,
        Intention::ClientAdd { name, scope } => clients::add(desk, actor, &name, &scope).await,
        Intention::ClientList { after } => clients::list(desk, after.as_deref()).await,
        Intention::ClientScope { client, scope } => clients::scope(desk, actor, &client, &scope).await,
        Intention::ClientRotateSecret { client } => clients::rotate_secret(desk, actor, &client).await,
        Intention::ClientStatus { client, status } => clients::status(desk, actor, &client, status).await,
        Intention::ClientDelete { client } => clients::delete(desk, actor, &client).await,
        Intention::SigningKeyList => signing_keys::list(desk).await,
        Intention::SigningKeyRotate { early } => signing_keys::rotate(desk, actor, early).await,
        Intention::SigningKeyRetire { kid } => signing_keys::retire(desk, actor, &kid).await,
        Intention::KeyCreate { user, name, scope, life } => {
            api_keys::create(desk, actor, &user, &name, scope.as_deref(), life).await
        }
        Intention::KeyList { user } => api_keys::list(desk, &user).await,
        Intention::KeyRevoke { id } => api_keys::revoke(desk, actor, &id).await,
        Intention::KeyResume { ids } => api_keys::resume(desk, actor, &ids).await,
        Intention::ClientResume { clients } => clients::resume(desk, actor, &clients).await,
        Intention::Policy => installation::policy(desk).await,
        Intention::PolicyApply { file, text } => installation::apply_policy(desk, actor, &file, &text).await,
        Intention::TokenInspect { token } => token::inspect(desk, &token).await,
        Intention::Backup { file } => installation::backup(desk, actor, &file).await,
        Intention::ClusterStatus => cluster::status(desk).await,
        Intention::StandDown => installation::stand_down(desk).await,
        Intention::Examine => installation::examine(desk).await,
    }
}

/// The audit row of a change.
fn audit(actor: &str, event: &'static str, subject: impl std::fmt::Display, detail: impl Into<String>) -> Audit {
    Audit { at: clock::now(), event, actor: actor.to_owned(), subject: subject.to_string(), detail: detail.into() }
}

/// Wait until a change is in force. Whether anything changed; `None` if there was nothing of that name.
async fn settle(desk: &Desk, changed: Changed) -> Result<Option<bool>, Problem> {
    let (revision, moved) = match changed {
        Changed::At(revision) => (revision, true),
        Changed::Already(revision) => (revision, false),
        Changed::NotFound => return Ok(None),
        Changed::Stale => {
            return Err(Problem::refused("the user was changed meanwhile; nothing was done").hint("try again"));
        }
    };
    if desk.acknowledge.applied(revision).await {
        return Ok(Some(moved));
    }
    Err(Problem::could_not_tell("the change is stored, but it could not be told in time whether it is in force")
        .hint("look at the server's log, then try again"))
}

/// The user of that name or id.
async fn find(desk: &Desk, named: &str) -> Result<User, Problem> {
    let found = if let Ok(id) = named.parse::<UserId>() {
        desk.store.user(id).await
    } else {
        let name = Username::parse(named).map_err(|problem| Problem::refused(problem.to_string()))?;
        desk.store.user_by_name(&name).await
    };
    found.map_err(unavailable)?.ok_or_else(|| no_such_user(named))
}

fn no_such_user(named: &str) -> Problem {
    Problem::refused(format!("there is no user `{}`", shown(named))).hint("list them with `keyfob user list`")
}

/// What an operator named, for a message. Somebody may have given a key, a secret or a token, which must not be repeated.
fn shown(named: &str) -> String {
    if !looks_secret(named) {
        return named.escape_debug().to_string();
    }
    (if named.contains("fob_") { "fob_…" } else { "eyJ…" }).to_owned()
}

/// The failed sign-ins of a user, or of all names that nobody has, of the last 24 hours.
async fn failed_sign_ins(desk: &Desk, user: Option<UserId>) -> Result<Option<FailedSignInsView>, Problem> {
    let failed = desk.store.failed_sign_ins(user, clock::now() - FAILED_SIGN_INS_SHOWN).await;
    Ok(failed.map_err(unavailable)?.map(FailedSignInsView::from))
}

/// The policy in force; without one, none. A stored policy that this version cannot read is none either: `doctor`
/// says so, and no decision is made from this answer.
async fn policy_in_force(desk: &Desk) -> Result<Option<Policy>, Problem> {
    let stored = desk.store.policy().await.map_err(unavailable)?;
    Ok(stored.and_then(|stored| Policy::parse(&stored.text, stored.version).ok()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is the argument of `map_err`")]
fn unavailable(error: StoreError) -> Problem {
    let hint = if error.went_backwards() {
        "put the right database back, or accept this one with `keyfob restore --accept-rollback`; see docs/postgresql.md"
    } else {
        "`keyfob doctor` says what is wrong with the data directory"
    };
    Problem::could_not_tell(error.to_string()).hint(hint)
}
