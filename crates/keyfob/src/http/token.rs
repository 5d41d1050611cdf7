//! `POST /auth/token` (RFC 6749 §3.2): the token endpoint. Reads which grant is asked for and who asks; each grant is a
//! file of its own. Parameters may be there once, unknown ones are ignored, an empty one is as if it were not there.
//! `password` is no grant here (RFC 9700 §2.4 forbids it): signing in is `/auth/login`.

use keyfob_core::secret::Secret;

use super::client_auth::{self, Credentials};
use super::oauth::{OAuthError, OAuthReply};
use super::{Call, client_credentials, form};

pub(super) async fn token(call: Call) -> OAuthReply {
    let Call { app, parts, body, .. } = call;
    form::only_form(&parts.headers)?;
    let body = form::bytes(body, &app.settings.limits).await?;
    let parameters = form::form(&body, ["grant_type", "client_id", "client_secret", "scope"])?;
    let [grant_type, id, secret, scope] = parameters.map(|value| value.filter(|value| !value.is_empty()));
    let grant_type = grant_type.ok_or(OAuthError::InvalidRequest("the parameter grant_type is missing"))?;
    let credentials = Credentials::read(&parts.headers, id, secret.map(Secret::new))?;
    if grant_type != "client_credentials" {
        return Err(OAuthError::UnsupportedGrantType);
    }
    // §4.4.2: only a client that proves who it is.
    let Credentials::Confidential(presented) = credentials else {
        return Err(OAuthError::invalid_client(&app, !matches!(credentials, Credentials::Public(_))));
    };
    let client = client_auth::authenticate(&app.verifier, &presented).await?;
    let client = client.ok_or_else(|| OAuthError::invalid_client(&app, presented.basic))?;
    client_credentials::grant(&app, &client, scope.as_deref())
}
