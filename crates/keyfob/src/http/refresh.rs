//! The `refresh_token` grant (RFC 6749 §6): each use rotates the token (RFC 9700 §4.14.2), and of any number of uses at once
//! all get the same successor. A token that should be gone ends its session before the answer. Only tokens of the built-in
//! public client exist, and whoever has one proves it by that.

use std::sync::Arc;

use keyfob_core::access_token::Carried;
use keyfob_core::opaque::{Kind, Opaque};
use keyfob_core::refresh::{self, Transition};
use keyfob_core::scope::Scope;
use keyfob_core::user::Status;
use keyfob_store::{Audit, Family, Refresh, Refreshed};

use super::oauth::{OAuthError, OAuthReply};
use super::{HttpError, issue};
use crate::app::App;
use crate::clock;

/// How often a refresh is judged again because its user changed meanwhile.
const TRIES_MAX: usize = 4;
const GONE: OAuthError = OAuthError::InvalidGrant("the refresh token is unknown, used up, expired or revoked");

/// Use `presented`; `asked` is the `scope` parameter.
pub(super) async fn grant(app: Arc<App>, presented: &str, asked: Option<&str>) -> OAuthReply {
    let asked = asked.map(Scope::parse).transpose();
    let asked = asked.map_err(|_| OAuthError::InvalidScope("the scope is not a list of scope-tokens"))?;
    let presented = Opaque::parse_as(Kind::Refresh, presented).ok_or(GONE)?;
    // In a task of its own: a client that hangs up cannot stop a replay from ending its session.
    let task = tokio::spawn(async move {
        for _ in 0..TRIES_MAX {
            if let Some(reply) = attempt(&app, &presented, asked.as_ref()).await? {
                return Ok(reply);
            }
        }
        Err(HttpError::CannotTell.into())
    });
    task.await.map_err(|_| OAuthError::from(HttpError::CannotTell))?
}

/// One try; `None` if the user it was judged on has changed.
async fn attempt(
    app: &App,
    presented: &Opaque,
    asked: Option<&Scope>,
) -> Result<Option<http::Response<crate::body::Body>>, OAuthError> {
    // Load. A token that nobody knows costs one read and writes nothing.
    let (now, revision) = (clock::now(), app.applied.revision());
    let Some(Family { session, stored, scope }) = app.store().refresh_token(&presented.digest()).await? else {
        return Err(GONE);
    };
    let Some(user) = app.store().user(session.user).await? else { return Err(GONE) };
    // Decide.
    if matches!(refresh::judge(&session, &stored, now), Transition::Ended | Transition::Expired) {
        return Err(GONE);
    }
    if user.status != Status::Active {
        return Err(GONE);
    }
    let auth_version = user.auth_version;
    let known = app.verifier.policy.load().know(user);
    let narrowed = scope.is_some() || asked.is_some();
    let granted = scope.map_or_else(|| known.grant.scope.clone(), |scope| known.grant.scope.intersection(&scope));
    // §6: the scope only narrows.
    if asked.is_some_and(|asked| !asked.is_subset_of(&granted)) {
        return Err(OAuthError::InvalidScope("the session does not have these scopes"));
    }
    // Save.
    let successor = Opaque::new(Kind::Refresh, &clock::random());
    let sealed = refresh::seal(presented, &successor, &clock::random()).ok_or(HttpError::CannotTell)?;
    let refresh = Refresh {
        presented: presented.digest(),
        successor: successor.digest(),
        sealed,
        at: now,
        lives: app.settings.refresh,
        auth_version,
        replayed: Audit {
            at: now,
            event: "refresh.replayed",
            actor: "anonymous".to_owned(),
            subject: session.id.to_string(),
            detail: String::new(),
        },
    };
    let (session, successor) = match app.store().refresh(&refresh).await? {
        Refreshed::Rotated(session) => (session, successor),
        Refreshed::Again(session, sealed) => (session, opened(presented, &sealed)?),
        Refreshed::Replayed(revision) if app.applied.reached(revision).await => return Err(GONE),
        Refreshed::Replayed(_) => return Err(HttpError::CannotTell.into()),
        Refreshed::Refused => return Err(GONE),
        Refreshed::Stale => return Ok(None),
    };
    // Reply.
    let scope = asked.cloned().unwrap_or(granted);
    Ok(Some(issue::to_user(app, &session, (Carried { scope, narrowed }, revision), &successor, now)?))
}

/// The successor that another use of the same token made.
fn opened(presented: &Opaque, sealed: &refresh::Sealed) -> Result<Opaque, OAuthError> {
    refresh::unseal(presented, sealed).ok_or_else(|| {
        tracing::error!("a sealed successor does not open: the store is damaged");
        HttpError::CannotTell.into()
    })
}
