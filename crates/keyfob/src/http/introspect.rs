//! `POST /auth/introspect` (RFC 7662): what a token is worth right now, told to a client that authenticates or to a
//! caller whose token has the scope `keyfob:introspect`. A token that is worth nothing is `{"active":false}`, to the
//! byte, whatever the reason (§2.2): expired, revoked, forged, unknown, or for another audience (§4).

use bytes::Bytes;
use http::StatusCode;
use keyfob_core::opaque::{Kind, Opaque};
use keyfob_core::policy::{Ask, Caller, Credential, Decision, caller_of};
use keyfob_core::refresh::{self, Transition};
use keyfob_core::refusal::{Reason, Refusal};
use keyfob_core::secret::Secret;
use keyfob_core::user::Status;
use keyfob_store::Family;
use keyfob_tower::guard::{self, Verify as _};
use serde_json::json;

use super::client_auth::{self, Credentials};
use super::oauth::{OAuthError, OAuthReply};
use super::{Call, form, login};
use crate::app::App;
use crate::{clock, reply};

/// The scope of callers that ask with a token of their own.
const SCOPE: &str = "keyfob:introspect";
/// RFC 7662 §2.2: the one answer for every token that is not good.
const INACTIVE: &[u8] = br#"{"active":false}"#;

pub(super) async fn introspect(call: Call) -> OAuthReply {
    let Call { app, parts, body, .. } = call;
    form::only_form(&parts.headers)?;
    let body = form::bytes(body, &app.settings.limits).await?;
    // The hint is allowed to be wrong (§2.1), so it is not even read.
    let [token, id, secret] = form::form(&body, ["token", "client_id", "client_secret"])?;
    let token = Secret::new(token.ok_or(OAuthError::InvalidRequest("the parameter token is missing"))?);
    // Decide: who asks?
    match Credentials::read(&parts.headers, id, secret.map(Secret::new))? {
        Credentials::Confidential(presented) => {
            client_auth::required(&app, &presented).await?;
        }
        Credentials::OtherScheme => bearer(&app, &parts).await?,
        Credentials::Nothing | Credentials::Public(_) => return Err(OAuthError::invalid_client(&app, true)),
    }
    // Decide: what is the token worth?
    if let Some(refresh) = Opaque::parse_as(Kind::Refresh, token.expose()) {
        let document = of_refresh_token(&app, &refresh).await?;
        return Ok(reply::json(StatusCode::OK, document.unwrap_or(Bytes::from_static(INACTIVE))));
    }
    let evidence = app.verifier.verify(token.expose(), clock::now()).await?;
    let caller = caller_of(&app.verifier.policy(), &evidence, clock::now());
    let document = caller.map_or_else(|| Bytes::from_static(INACTIVE), |caller| active(&app, &caller));
    Ok(reply::json(StatusCode::OK, document))
}

/// A refresh token that would be exchanged now. `None`: it would not, or its use would be taken for a replay.
async fn of_refresh_token(app: &App, token: &Opaque) -> Result<Option<Bytes>, OAuthError> {
    let Some(family) = app.store().refresh_token(&token.digest()).await? else { return Ok(None) };
    let Family { session, stored, scope } = family;
    if !matches!(refresh::judge(&session, &stored, clock::now()), Transition::Rotate | Transition::Retry(_)) {
        return Ok(None);
    }
    let user = app.verifier.user(session.user).await?.filter(|known| known.user.status == Status::Active);
    let Some(known) = user else { return Ok(None) };
    let granted = &known.grant.scope;
    let scope = scope.map_or_else(|| granted.clone(), |scope| granted.intersection(&scope));
    let document = json!({
        "active": true,
        "client_id": login::CLIENT_ID,
        "scope": scope.to_string(),
        "username": known.user.username.as_str(),
        "sub": session.user.to_string(),
        "sid": session.id.to_string(),
        "iss": &*app.verifier.profile.issuer,
        "exp": session.expires_at.seconds(),
    });
    Ok(Some(Bytes::from(document.to_string())))
}

/// The caller's own token, with the scope that this needs.
async fn bearer(app: &App, parts: &http::request::Parts) -> Result<(), OAuthError> {
    let refused = |refusal| OAuthError::Refused(refusal, app.style.clone());
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let ask = Ask::parse(parts.method.as_str(), "", target.as_bytes())
        .map_err(|_| refused(Refusal::of(Reason::AmbiguousTarget)))?;
    match guard::judge_scoped(app, ask, &parts.headers, SCOPE).await? {
        Decision::Allow(_) => Ok(()),
        Decision::Refuse(refusal) => Err(refused(refusal)),
    }
}

/// RFC 7662 §2.2. The scope is what a guard would grant now, not what was granted when the token was made.
fn active(app: &App, caller: &Caller) -> Bytes {
    let profile = &app.verifier.profile;
    let mut document = match caller.credential() {
        Credential::Token(claims) => json!({
            "client_id": &*claims.client_id,
            "exp": claims.expires_at.seconds(),
            "iat": claims.issued_at.seconds(),
            "sub": claims.subject.to_string(),
            "jti": claims.token_id.to_string(),
        }),
        Credential::Key(key) => json!({
            "exp": key.expires_at.seconds(),
            "iat": key.created_at.seconds(),
            "sub": key.user.to_string(),
            "jti": key.id.to_string(),
        }),
        // Nobody gets here with one: what is asked about is a token of this node's.
        Credential::Testimony(_) | Credential::Basic(_) => return Bytes::from_static(INACTIVE),
    };
    document["active"] = true.into();
    document["scope"] = String::from_utf8_lossy(caller.scope()).into();
    document["token_type"] = "Bearer".into();
    document["aud"] = (*profile.audience).into();
    document["iss"] = (*profile.issuer).into();
    // A service account has neither a name nor a session that anybody could list.
    if let Some(user) = caller.user() {
        document["username"] = user.user.username.as_str().into();
        if let Some(claims) = caller.claims() {
            document["sid"] = claims.session.to_string().into();
        }
    }
    Bytes::from(document.to_string())
}
