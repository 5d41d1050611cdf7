//! `GET /auth/me`, `POST /auth/logout`, `GET|DELETE /auth/sessions[/{id}]`: what a signed-in user sees and ends. An
//! answer that ends something is sent only after every guard applied it.

use bytes::Bytes;
use http::StatusCode;
use keyfob_core::id::{SessionId, UserId};
use keyfob_core::policy::Credential;
use keyfob_store::{Audit, Changed, StoreError};
use serde_json::{Value, json};

use super::call::SignedIn;
use super::{Call, HttpError, Reply, problem};
use crate::app::App;
use crate::clock::{self, rfc3339};

pub(super) async fn me(call: Call) -> Reply {
    let caller = call.caller().await?;
    // A signed-in permit always names its user; if it did not, nobody would be let in.
    let user = &caller.user().ok_or(HttpError::CannotTell)?.user;
    let mut document = json!({
        "sub": user.id.to_string(),
        "username": user.username.as_str(),
        "roles": user.roles,
        "scope": String::from_utf8_lossy(caller.scope()),
    });
    match caller.credential() {
        Credential::Token(claims) => {
            document["client_id"] = (*claims.client_id).into();
            document["session_id"] = claims.session.to_string().into();
            document["expires_at"] = rfc3339(claims.expires_at).into();
        }
        Credential::Key(key) => {
            document["key_id"] = key.id.to_string().into();
            document["expires_at"] = rfc3339(key.expires_at).into();
        }
        // Nobody gets here with one.
        Credential::Testimony(_) | Credential::Basic(_) => return Err(HttpError::CannotTell),
    }
    Ok(problem::json(StatusCode::OK, Bytes::from(document.to_string())))
}

/// Narrowed tokens may log out too: giving up is never too much.
pub(super) async fn logout(call: Call) -> Reply {
    let caller = call.session_caller().await?;
    end(call, caller.claims.session, caller).await
}

pub(super) async fn list(call: Call) -> Reply {
    let caller = call.full_caller().await?;
    let listed = call.app.store().sessions_of(caller.claims.subject, clock::now()).await?;
    let sessions: Vec<Value> = listed
        .iter()
        .map(|listing| {
            json!({
                "id": listing.session.id.to_string(),
                "created_at": rfc3339(listing.session.created_at),
                "expires_at": rfc3339(listing.session.expires_at),
                "client_name": listing.client_name,
                "address": listing.address,
                "current": listing.session.id == caller.claims.session,
            })
        })
        .collect();
    Ok(problem::json(StatusCode::OK, Bytes::from(json!({ "sessions": sessions }).to_string())))
}

pub(super) async fn end_one(call: Call, id: &str) -> Reply {
    let caller = call.full_caller().await?;
    let id: SessionId = id.parse().map_err(|_| HttpError::NotFound)?;
    end(call, id, caller).await
}

/// All sessions of the caller; with `?except=current` all others.
pub(super) async fn end_all(call: Call) -> Reply {
    let caller = call.full_caller().await?;
    let except = match call.parts.uri.query() {
        None => None,
        Some("except=current") => Some(caller.claims.session),
        Some(_) => {
            let detail = "the only query here is ?except=current".to_owned();
            return Err(HttpError::BadRequest("bad-query", detail));
        }
    };
    let audit = audit(&caller, "sessions.ended", caller.claims.subject.to_string());
    let app = call.app;
    let task = tokio::spawn(async move {
        let changed = app.store().end_sessions(caller.claims.subject, except, &audit).await;
        acknowledge(&app, changed).await
    });
    task.await.map_err(|_| HttpError::CannotTell)?
}

async fn end(call: Call, session: SessionId, caller: SignedIn) -> Reply {
    let audit = audit(&caller, "session.ended", session.to_string());
    let app = call.app;
    // A client that hangs up cannot stop a revocation half way.
    let task = tokio::spawn(async move {
        let changed = app.store().end_session(session, Some(caller.claims.subject), &audit).await;
        acknowledge(&app, changed).await
    });
    task.await.map_err(|_| HttpError::CannotTell)?
}

/// 204 once the change is durable and applied; 503 if that cannot be told.
pub(super) async fn acknowledge(app: &App, changed: Result<Changed, StoreError>) -> Reply {
    match changed? {
        Changed::At(revision) | Changed::Already(revision) => {
            if app.applied.reached(revision).await {
                Ok(problem::done())
            } else {
                Err(HttpError::CannotTell)
            }
        }
        Changed::NotFound => Err(HttpError::NotFound),
        Changed::Stale => Err(HttpError::SignInFailed(app.style.clone())),
    }
}

pub(super) fn audit(caller: &SignedIn, event: &'static str, subject: String) -> Audit {
    audit_by(caller.claims.subject, event, subject)
}

pub(super) fn audit_by(user: UserId, event: &'static str, subject: String) -> Audit {
    let actor = user.to_string();
    Audit { at: clock::now(), event, actor, subject, detail: String::new() }
}
