//! The successful answer of sign-in and of every grant (RFC 6749 §5.1): an access token (RFC 9068), and the refresh token
//! that goes with it, if there is one. Never outlives its session: `exp` and `expires_in` are cut to its end.

use bytes::Bytes;
use http::StatusCode;
use keyfob_core::access_token::{Carried, Claims};
use keyfob_core::change::Revision;
use keyfob_core::id::{SessionId, TokenId, UserId};
use keyfob_core::opaque::Opaque;
use keyfob_core::session::Session;
use keyfob_core::time::Timestamp;
use serde_json::json;

use super::{HttpError, Reply, login};
use crate::app::App;
use crate::{clock, reply};

/// What an access token is made for.
pub(super) struct Grant {
    pub(super) subject: UserId,
    pub(super) session: SessionId,
    pub(super) client_id: Box<str>,
    /// When its session ends; `None`: when somebody ends it.
    pub(super) ends_at: Option<Timestamp>,
    /// Narrowed: somebody asked for certain scopes, now or at the sign-in.
    pub(super) scope: Carried,
    /// What was applied here before anything of this was loaded: all of it was so then or later.
    pub(super) revision: Revision,
}

/// For a user's session: the built-in public client asks, and gets `refresh` with it.
pub(super) fn to_user(
    app: &App,
    session: &Session,
    (scope, revision): (Carried, Revision),
    refresh: &Opaque,
    now: Timestamp,
) -> Reply {
    let Session { id, user, expires_at, .. } = *session;
    let client_id = login::CLIENT_ID.into();
    let grant = Grant { subject: user, session: id, client_id, ends_at: Some(expires_at), scope, revision };
    answer(app, grant, Some(refresh), now)
}

/// An access token for `grant`, in the answer that also tells `refresh`.
pub(super) fn answer(app: &App, grant: Grant, refresh: Option<&Opaque>, now: Timestamp) -> Reply {
    // RFC 7519 dates are whole seconds; both ends are rounded down, so a token never lives longer than told.
    let issued_at = Timestamp::from_seconds(now.seconds());
    let whole_life = issued_at + app.settings.access_life;
    let ends_at = grant.ends_at.map(|end| Timestamp::from_seconds(end.seconds()));
    let claims = Claims {
        subject: grant.subject,
        session: grant.session,
        token_id: TokenId::new(now, &clock::random()),
        client_id: grant.client_id.into(),
        scope: grant.scope.into(),
        issued_at,
        expires_at: ends_at.map_or(whole_life, |end| whole_life.min(end)),
        incarnation: app.store().incarnation(),
    };
    let keys = app.keys.load();
    let signed = app.verifier.profile.sign_at(grant.revision, &claims, keys.signing(), clock::rng());
    let token = signed.map_err(|error| {
        tracing::error!(%error, "a token cannot be signed");
        HttpError::CannotTell
    })?;
    let mut answer = json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": claims.expires_at.since(issued_at).as_secs(),
        "scope": claims.scope.scope.to_string(),
    });
    if let Some(refresh) = refresh {
        answer["refresh_token"] = refresh.expose().into();
    }
    Ok(reply::json(StatusCode::OK, Bytes::from(answer.to_string())))
}
