//! The successful answer of sign-in and of refresh (RFC 6749 §5.1): an access token (RFC 9068) of a session, and the
//! refresh token that goes with it. Never outlives the session: `exp` and `expires_in` are cut to its end.

use bytes::Bytes;
use http::StatusCode;
use keyfob_core::access_token::Claims;
use keyfob_core::id::TokenId;
use keyfob_core::opaque::Opaque;
use keyfob_core::scope::Scope;
use keyfob_core::session::Session;
use keyfob_core::time::Timestamp;
use serde_json::json;

use super::{HttpError, Reply, login};
use crate::app::App;
use crate::{clock, reply};

/// An access token of `session` for `scope`, in the answer that also tells `refresh`.
pub(super) fn answer(app: &App, session: &Session, scope: Scope, refresh: &Opaque, now: Timestamp) -> Reply {
    // RFC 7519 dates are whole seconds; both ends are rounded down, so a token never lives longer than told.
    let issued_at = Timestamp::from_seconds(now.seconds());
    let claims = Claims {
        subject: session.user,
        session: session.id,
        token_id: TokenId::new(now, &clock::random()),
        client_id: login::CLIENT_ID.into(),
        scope: scope.into(),
        issued_at,
        expires_at: (issued_at + app.settings.access_life).min(Timestamp::from_seconds(session.expires_at.seconds())),
        incarnation: app.store().incarnation(),
    };
    let token = app.verifier.profile.sign(&claims, app.keys.load().signing(), clock::rng()).map_err(|error| {
        tracing::error!(%error, "a token cannot be signed");
        HttpError::CannotTell
    })?;
    let answer = json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": claims.expires_at.since(issued_at).as_secs(),
        "refresh_token": refresh.expose(),
        "scope": claims.scope.to_string(),
    });
    Ok(reply::json(StatusCode::OK, Bytes::from(answer.to_string())))
}
