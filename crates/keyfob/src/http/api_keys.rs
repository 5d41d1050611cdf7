//! `GET|POST /auth/keys`, `DELETE /auth/keys/{id}`: a user's own API keys, with a full token of a session (DESIGN §4): a key
//! makes no keys. The secret is in the answer that makes it, and nowhere else. A revocation is answered only after every
//! guard applied it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use keyfob_core::api_key::KeyListing;
use keyfob_core::id::{KeyId, UserId};
use keyfob_core::opaque::Opaque;
use keyfob_store::{KeyMade, NewKey};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::SignedIn;
use super::form::{self, Media};
use super::{Call, HttpError, Reply, problem, sessions};
use crate::app::App;
use crate::body::Body;
use crate::clock::{self, rfc3339};
use crate::new_key::{Wanted, new_key, too_many};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyForm {
    name: String,
    scope: Option<String>,
    /// Seconds.
    expires_in: Option<u64>,
}

pub(super) async fn create(call: Call) -> Reply {
    let caller = call.full_caller().await?;
    let Call { app, parts, body, .. } = call;
    let media = form::media(&parts.headers)?;
    let body = form::bytes(body, &app.settings.limits).await?;
    let form = read(media, &body)?;
    let wanted = Wanted {
        name: &form.name,
        scope: form.scope.as_deref(),
        life: form.expires_in.map(Duration::from_secs),
        session: Some(caller.claims.session),
    };
    let made = new_key(&app.verifier.mint, app.store().incarnation(), &caller.user, app.settings.api_key_life, &wanted);
    let (new, secret) = made.map_err(|refused| HttpError::Unprocessable("key-refused", refused.to_string()))?;
    // A client that hangs up cannot leave it half told whether there is a key.
    let task = tokio::spawn(async move { save(&app, &caller, &new, &secret).await });
    task.await.map_err(|_| HttpError::CannotTell)?
}

fn read(media: Media, body: &[u8]) -> Result<KeyForm, HttpError> {
    if media == Media::Json {
        return form::json(body);
    }
    let [name, scope, expires_in] = form::form(body, ["name", "scope", "expires_in"])?;
    let seconds = |text: String| {
        let wrong = || HttpError::Unprocessable("wrong-members", "expires_in is a number of seconds".to_owned());
        text.parse().map_err(|_| wrong())
    };
    Ok(KeyForm { name: form::required(name, "name")?, scope, expires_in: expires_in.map(seconds).transpose()? })
}

async fn save(app: &Arc<App>, caller: &SignedIn, new: &NewKey, secret: &Opaque) -> Reply {
    let mut audit = sessions::audit(caller, "api-key.created", new.key.id.to_string());
    audit.detail = format!("{}: {}", new.name, new.key.scope);
    match app.store().create_key(new, &audit).await? {
        KeyMade::Made => {
            let listing = KeyListing { key: new.key.clone(), name: new.name.clone(), used_at: None };
            let mut document = shown(app, &listing);
            document["key"] = secret.expose().into();
            Ok(problem::json(StatusCode::CREATED, Bytes::from(document.to_string())))
        }
        KeyMade::TooMany => Err(HttpError::Conflict("too-many-keys", too_many())),
        KeyMade::Stale => {
            let detail = "your session or your roles changed meanwhile: nothing was made".to_owned();
            Err(HttpError::Conflict("changed-meanwhile", detail))
        }
    }
}

pub(super) async fn list(call: Call) -> Reply {
    let caller = call.full_caller().await?;
    let listed = call.app.store().api_keys_of(caller.claims.subject, clock::now()).await?;
    Ok(answer(&call.app, &listed))
}

pub(super) async fn revoke(call: Call, id: &str) -> Reply {
    let caller = call.full_caller().await?;
    let id: KeyId = id.parse().map_err(|_| HttpError::NotFound)?;
    let audit = sessions::audit(&caller, "api-key.revoked", id.to_string());
    let app = call.app;
    // A client that hangs up cannot stop a revocation half way.
    let task = tokio::spawn(async move {
        let changed = app.store().revoke_key(id, Some(caller.claims.subject), &audit).await;
        sessions::acknowledge(&app, changed).await
    });
    task.await.map_err(|_| HttpError::CannotTell)?
}

/// The keys that outlive a new password (DESIGN §6), as the answer to whoever set it; `None` if there are none, or if they
/// cannot be read: the password is changed all the same.
pub(super) async fn kept(app: &App, user: UserId) -> Option<Response<Body>> {
    let listed = app.store().api_keys_of(user, clock::now()).await;
    let listed = listed.inspect_err(|error| tracing::error!(%error, "the keys that stay cannot be listed")).ok()?;
    (!listed.is_empty()).then(|| answer(app, &listed))
}

fn answer(app: &App, listed: &[KeyListing]) -> Response<Body> {
    let keys: Vec<Value> = listed.iter().map(|listing| shown(app, listing)).collect();
    problem::json(StatusCode::OK, Bytes::from(json!({ "keys": keys }).to_string()))
}

/// A key, without its secret. The last use is told as it is, though it may not be written yet.
fn shown(app: &App, listing: &KeyListing) -> Value {
    let KeyListing { key, name, used_at } = listing;
    json!({
        "id": key.id.to_string(),
        "name": name.as_str(),
        "scope": key.scope.to_string(),
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339(key.expires_at),
        "last_used_at": app.verifier.key_uses.last(key.id).max(*used_at).map(rfc3339),
        "suspended": key.incarnation != app.store().incarnation(),
    })
}
