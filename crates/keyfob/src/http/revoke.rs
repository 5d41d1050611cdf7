//! `POST /auth/revoke` (RFC 7009): a token that got out, or is needed no more, ends; so does everything else of its
//! session, because in keyfob everything minted from a session dies with it (§2.1 allows it). The built-in public client
//! proves its tokens by having them, and so does whoever has an API key, which ends alone; a registered client authenticates, and ends its own only. Answered after every
//! guard applied it; a token that is unknown or dead already is 200 too (§2.2).

use std::sync::Arc;

use http::{Response, StatusCode};
use keyfob_core::access_token::Claims;
use keyfob_core::api_key::ApiKey;
use keyfob_core::client::KnownClient;
use keyfob_core::id::{SessionId, UserId};
use keyfob_core::opaque::{Kind, Opaque};
use keyfob_core::policy::{Caller, Credential, caller_of};
use keyfob_core::secret::Secret;
use keyfob_store::{Audit, Changed, Family};
use keyfob_tower::guard::Verify as _;

use super::client_auth::{self, Credentials};
use super::oauth::{OAuthError, OAuthReply};
use super::{Call, HttpError, form, sessions};
use crate::app::App;
use crate::body::Body;
use crate::{clock, reply};

pub(super) async fn revoke(call: Call) -> OAuthReply {
    let Call { app, parts, body, .. } = call;
    form::only_form(&parts.headers)?;
    let body = form::bytes(body, &app.settings.limits).await?;
    // `token_type_hint` only saves looking in two places (§2.1): the token says what it is.
    let [token, id, secret] = form::form(&body, ["token", "client_id", "client_secret"])?;
    let token = Secret::new(token.ok_or(OAuthError::InvalidRequest("the parameter token is missing"))?);
    let credentials = Credentials::read(&parts.headers, id, secret.map(Secret::new))?;
    let client = client_auth::registered_or_public(&app, credentials).await?;
    if let Some(refresh) = Opaque::parse_as(Kind::Refresh, token.expose()) {
        return end_family(app, &refresh, client.as_deref()).await;
    }
    let evidence = app.verifier.verify(token.expose(), clock::now()).await?;
    let Some(caller) = caller_of(&app.verifier.policy(), &evidence, clock::now()) else {
        let ours = app.verifier.looks_made_here(token.expose(), clock::now());
        return if ours { dead_everywhere(&app).await } else { Ok(done()) };
    };
    let ends = issued_to(&app, &caller, client.as_deref())?;
    // A client that hangs up cannot stop a revocation half way.
    let task = tokio::spawn(async move { end(&app, ends).await });
    task.await.map_err(|_| OAuthError::from(HttpError::CannotTell))?
}

/// A refresh token, the newest of its family or an older one: whoever has it may end the family (§2.1).
async fn end_family(app: Arc<App>, token: &Opaque, client: Option<&KnownClient>) -> OAuthReply {
    let Some(Family { session, .. }) = app.store().refresh_token(&token.digest()).await? else {
        return dead_everywhere(&app).await;
    };
    if client.is_some() {
        return Err(OAuthError::InvalidGrant("the token was issued to another client"));
    }
    let task = tokio::spawn(async move { end(&app, Ends::Session(session.id, session.user)).await });
    task.await.map_err(|_| OAuthError::from(HttpError::CannotTell))?
}

/// What a revocation ends.
enum Ends {
    /// The session of a user.
    Session(SessionId, UserId),
    /// What a service account was minted so far.
    ServiceAccount(Arc<KnownClient>, Arc<Claims>),
    /// One API key.
    Key(Arc<ApiKey>),
}

/// §2.1: the token must have been issued to the client that asks.
fn issued_to(app: &App, caller: &Caller, client: Option<&KnownClient>) -> Result<Ends, OAuthError> {
    match (caller.credential(), caller.client(), client) {
        (Credential::Key(key), _, None) => Ok(Ends::Key(Arc::clone(key))),
        (Credential::Token(claims), None, None) => Ok(Ends::Session(claims.session, claims.subject)),
        (Credential::Token(claims), Some(own), Some(asking)) if own.client.id == asking.client.id => {
            Ok(Ends::ServiceAccount(Arc::clone(own), Arc::clone(claims)))
        }
        (Credential::Testimony(_) | Credential::Basic(_), _, None) => Err(HttpError::CannotTell.into()),
        (_, Some(_), None) => Err(OAuthError::invalid_client(app, false)),
        (_, _, Some(_)) => Err(OAuthError::InvalidGrant("the token was issued to another client")),
    }
}

async fn end(app: &App, ends: Ends) -> OAuthReply {
    let changed = match ends {
        Ends::Key(key) => {
            let audit = sessions::audit_by(key.user, "api-key.revoked", key.id.to_string());
            app.store().revoke_key(key.id, Some(key.user), &audit).await?
        }
        Ends::Session(id, user) => {
            let audit = sessions::audit_by(user, "session.ended", id.to_string());
            app.store().end_session(id, Some(user), &audit).await?
        }
        Ends::ServiceAccount(known, claims) => {
            let id = known.client.id;
            let (at, actor) = (clock::now(), id.to_string());
            let event = "client.tokens-revoked";
            let audit = Audit { at, event, actor, subject: id.to_string(), detail: known.client.name.to_string() };
            let fresh = SessionId::new(at, &clock::random());
            app.store().end_client_session(id, claims.session, fresh, &audit).await?
        }
    };
    match changed {
        Changed::At(revision) | Changed::Already(revision) if app.applied.reached(revision).await => Ok(done()),
        Changed::NotFound | Changed::Stale => dead_everywhere(app).await,
        Changed::At(_) | Changed::Already(_) => Err(HttpError::CannotTell.into()),
    }
}

/// What is dead here was ended by another hand. Whoever did that waits until it is dead everywhere, and so must this answer.
async fn dead_everywhere(app: &App) -> OAuthReply {
    let revision = app.store().revision().await?;
    if app.applied.reached(revision).await { Ok(done()) } else { Err(HttpError::CannotTell.into()) }
}

/// §2.2: 200, and nothing to say.
fn done() -> Response<Body> {
    let mut response = reply::done();
    *response.status_mut() = StatusCode::OK;
    response
}
