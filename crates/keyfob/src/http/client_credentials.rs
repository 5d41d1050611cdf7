//! The `client_credentials` grant (RFC 6749 §4.4): a client that authenticated gets an access token for itself. `sub` and
//! `client_id` are both its id (RFC 9068 §2.2), its scope is what the client may have now, narrowed by what it asked
//! for. No refresh token (§4.4.3), no session of a user, and nothing is written.

use bytes::Bytes;
use http::StatusCode;
use keyfob_core::access_token::Claims;
use keyfob_core::client::KnownClient;
use keyfob_core::id::{TokenId, UserId};
use keyfob_core::scope::Scope;
use keyfob_core::time::Timestamp;
use serde_json::json;

use super::HttpError;
use super::oauth::{OAuthError, OAuthReply};
use crate::app::App;
use crate::{clock, reply};

/// Grant `known` a token; `asked` is the `scope` parameter.
pub(super) fn grant(app: &App, known: &KnownClient, asked: Option<&str>) -> OAuthReply {
    let asked = asked.filter(|asked| !asked.is_empty()).map(Scope::parse).transpose();
    let asked = asked.map_err(|_| OAuthError::InvalidScope("the scope is not a list of scope-tokens"))?;
    let granted = &known.client.scope;
    let scope = asked.as_ref().map_or_else(|| granted.clone(), |asked| granted.intersection(asked));
    if asked.is_some() && scope.is_empty() {
        return Err(OAuthError::InvalidScope("the client has none of these scopes"));
    }
    let claims = claims(app, known, scope, clock::now());
    let token = app.verifier.profile.sign(&claims, app.keys.load().signing(), clock::rng()).map_err(|error| {
        tracing::error!(%error, "a token cannot be signed");
        OAuthError::from(HttpError::CannotTell)
    })?;
    let answer = json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": app.settings.access_life.as_secs(),
        "scope": claims.scope.to_string(),
    });
    Ok(reply::json(StatusCode::OK, Bytes::from(answer.to_string())))
}

fn claims(app: &App, known: &KnownClient, scope: Scope, now: Timestamp) -> Claims {
    // RFC 7519 dates are whole seconds; both ends are rounded down, so a token never lives longer than told.
    let issued_at = Timestamp::from_seconds(now.seconds());
    Claims {
        subject: UserId::from_bytes(known.client.id.to_bytes()),
        session: known.client.session,
        token_id: TokenId::new(now, &clock::random()),
        client_id: known.client.id.to_string().into(),
        scope: scope.into(),
        issued_at,
        expires_at: issued_at + app.settings.access_life,
        incarnation: app.store().incarnation(),
    }
}
