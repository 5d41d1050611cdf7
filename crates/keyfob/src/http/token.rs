//! `POST /auth/token` (RFC 6749 §3.2): the token endpoint. Reads which grant is asked for and who asks; each grant is a
//! file of its own. Parameters may be there once, unknown ones are ignored, an empty one is as if it were not there.
//! There is one resource, so a `resource` (RFC 8707) is that one or `invalid_target`.
//! `password` is no grant here (RFC 9700 §2.4 forbids it): signing in is `/auth/login`.

use keyfob_core::secret::Secret;

use super::client_auth::{self, Credentials};
use super::oauth::{OAuthError, OAuthReply};
use super::{Call, client_credentials, form, refresh};
use crate::config;

pub(super) async fn token(call: Call) -> OAuthReply {
    let Call { app, parts, body, .. } = call;
    form::only_form(&parts.headers)?;
    let body = form::bytes(body, &app.settings.limits).await?;
    let names = ["grant_type", "client_id", "client_secret", "scope", "refresh_token", "resource"];
    let parameters = form::form(&body, names)?;
    let [grant_type, id, secret, scope, token, resource] =
        parameters.map(|value| value.filter(|value| !value.is_empty()));
    let grant_type = grant_type.ok_or(OAuthError::InvalidRequest("the parameter grant_type is missing"))?;
    let credentials = Credentials::read(&parts.headers, id, secret.map(Secret::new))?;
    // RFC 9068 §3: `aud` is the resource that was asked for, so a token for another one is never made.
    if resource.is_some_and(|asked| config::origin(&asked).as_deref() != Some(&*app.verifier.profile.audience)) {
        return Err(OAuthError::InvalidTarget);
    }
    match grant_type.as_str() {
        "client_credentials" => {
            // §4.4.2: only a client that proves who it is.
            let Credentials::Confidential(presented) = credentials else {
                return Err(OAuthError::invalid_client(&app, !matches!(credentials, Credentials::Public(_))));
            };
            let revision = app.applied.revision();
            let client = client_auth::required(&app, &presented).await?;
            client_credentials::grant(&app, &client, scope.as_deref(), revision)
        }
        "refresh_token" => {
            let token = Secret::new(token.ok_or(OAuthError::InvalidRequest("the parameter refresh_token is missing"))?);
            // §5.2: a token that was issued to another client is `invalid_grant`; no registered client has one.
            if client_auth::registered_or_public(&app, credentials).await?.is_some() {
                return Err(OAuthError::InvalidGrant("the refresh token was issued to another client"));
            }
            refresh::grant(app, token.expose(), scope.as_deref()).await
        }
        _ => Err(OAuthError::UnsupportedGrantType),
    }
}
