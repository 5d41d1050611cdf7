//! `POST /auth/login`: username and password to a bearer token. First-party sign-in, not the OAuth password grant (RFC 9700
//! §2.4 forbids that), though its form shape works as the `tokenUrl` of an OpenAPI password flow.

use std::sync::Arc;

use bytes::Bytes;
use http::header::USER_AGENT;
use keyfob_core::access_token::Carried;
use keyfob_core::change::Revision;
use keyfob_core::id::SessionId;
use keyfob_core::opaque::{Kind, Opaque};
use keyfob_core::scope::Scope;
use keyfob_core::secret::Secret;
use keyfob_core::session::Session;
use keyfob_store::{Audit, Login, Saved};
use serde::Deserialize;

use super::attempt;
use super::form::{self, Media};
use super::{Call, HttpError, Reply, issue};
use crate::app::App;
use crate::attempt::{Guess, Proven};
use crate::metrics::SignIn;
use crate::{client, clock};

/// The built-in public client of first-party sign-ins.
pub(super) const CLIENT_ID: &str = "keyfob";
/// How much of a `User-Agent` is kept, in bytes.
const CLIENT_NAME_BYTES_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginForm {
    username: String,
    password: Secret,
    scope: Option<String>,
}

pub(super) async fn login(call: Call) -> Reply {
    let Call { app, parts, body, address } = call;
    let media = form::media(&parts.headers)?;
    let body = form::bytes(body, &app.settings.limits).await?;
    let form = read(media, &body)?;
    let wanted = form.scope.as_deref().map(Scope::parse).transpose();
    let wanted = wanted.map_err(|problem| HttpError::BadRequest("invalid-scope", problem.to_string()))?;
    let client_name = client_name(parts.headers.get(USER_AGENT).map(http::HeaderValue::as_bytes));
    let coarse_address = client::coarse(address);
    let guess = Guess { username: form.username, password: form.password, address };
    // In a task of its own: a client that hangs up cannot leave a reservation open or a commit half told.
    let task = tokio::spawn(async move {
        let revision = app.applied.revision();
        let proven = attempt::prove(&app, guess).await?;
        sign_in(&app, (proven, revision), wanted, client_name, coarse_address).await
    });
    task.await.map_err(|_| HttpError::CannotTell)?
}

fn read(media: Media, body: &Bytes) -> Result<LoginForm, HttpError> {
    if media == Media::Json {
        return form::json(body);
    }
    let [username, password, scope] = form::form(body, ["username", "password", "scope"])?;
    Ok(LoginForm {
        username: form::required(username, "username")?,
        password: Secret::new(form::required(password, "password")?),
        scope: scope.filter(|scope| !scope.is_empty()),
    })
}

async fn sign_in(
    app: &Arc<App>,
    (proven, revision): (Proven, Revision),
    wanted: Option<Scope>,
    client_name: String,
    coarse_address: String,
) -> Reply {
    // Decide: what the user may have now, narrowed by what was asked for (RFC 6749 §3.3: less is allowed, and told).
    let now = clock::now();
    let user = app.verifier.policy.load().know(proven.account.user.clone());
    let narrowed = wanted.is_some();
    let scope = wanted.as_ref();
    let scope = scope.map_or_else(|| user.grant.scope.clone(), |wanted| user.grant.scope.intersection(wanted));
    let refresh = Opaque::new(Kind::Refresh, &clock::random());
    let session = Session {
        id: SessionId::new(now, &clock::random()),
        user: user.user.id,
        created_at: now,
        expires_at: app.settings.refresh.end(now, now),
        ended_at: None,
    };
    // Save.
    let login = Login {
        attempt: proven.reservation.id,
        account: proven.reservation.account,
        address: proven.reservation.address,
        session,
        client_name,
        coarse_address,
        refresh: refresh.digest(),
        scope: wanted,
        sessions_max: app.settings.sessions_per_user,
        auth_version: user.user.auth_version,
        rehash: proven.rehashed().await,
        audit: Audit {
            at: now,
            event: "session.started",
            actor: session.user.to_string(),
            subject: session.id.to_string(),
            detail: String::new(),
        },
    };
    let saved = app.store().record_login(&login).await?;
    app.attempts.settled.notify_waiters();
    match saved {
        Saved::Saved => {}
        // It ended another session: told when every guard refuses that one.
        Saved::At(revision) if app.applied.reached(revision).await => {}
        Saved::At(_) => return Err(HttpError::CannotTell),
        Saved::Stale => {
            app.metrics.sign_in(SignIn::Failed);
            return Err(HttpError::SignInFailed(app.style.clone()));
        }
    }
    app.metrics.sign_in(SignIn::Succeeded);
    // Reply.
    issue::to_user(app, &session, (Carried { scope, narrowed }, revision), &refresh, now)
}

/// What a session list calls the client: its `User-Agent` in printable ASCII, cut.
fn client_name(user_agent: Option<&[u8]>) -> String {
    let bytes = user_agent.unwrap_or_default().iter().take(CLIENT_NAME_BYTES_MAX);
    bytes.filter(|byte| matches!(byte, 0x20..=0x7E)).map(|byte| char::from(*byte)).collect()
}
