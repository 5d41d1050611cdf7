//! `POST /auth/password`: the user changes the password, with the current one (ASVS 6.2.3). Other sessions end, this one
//! stays (ASVS 7.4.3); API keys stay too, and the answer lists them. Counts as an attempt like a sign-in, so it is no second door for guessing.

use std::sync::Arc;

use keyfob_core::password::Password;
use keyfob_core::secret::Secret;
use keyfob_store::PasswordChange;
use serde::Deserialize;

use super::attempt;
use super::call::SignedIn;
use super::form::{self, Media};
use super::{Call, HttpError, Reply, api_keys, sessions};
use crate::app::App;
use crate::attempt::Guess;
use crate::clock;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeForm {
    current_password: Secret,
    new_password: Secret,
}

pub(super) async fn change(call: Call) -> Reply {
    let caller = call.full_caller().await?;
    let Call { app, parts, body, address } = call;
    let media = form::media(&parts.headers)?;
    let body = form::bytes(body, &app.settings.limits).await?;
    let form = read(media, &body)?;
    let username = &caller.user.user.username;
    let new = Password::parse(form.new_password.expose())
        .and_then(|new| app.rules.check(&new, username).map(|()| new))
        .map_err(|problem| HttpError::Unprocessable("password-refused", problem.to_string()))?;
    let guess = Guess { username: username.to_string(), password: form.current_password, address };
    let task = tokio::spawn(async move { replace(&app, &caller, guess, new).await });
    task.await.map_err(|_| HttpError::CannotTell)?
}

fn read(media: Media, body: &[u8]) -> Result<ChangeForm, HttpError> {
    if media == Media::Json {
        return form::json(body);
    }
    let [current, new] = form::form(body, ["current_password", "new_password"])?;
    Ok(ChangeForm {
        current_password: Secret::new(form::required(current, "current_password")?),
        new_password: Secret::new(form::required(new, "new_password")?),
    })
}

async fn replace(app: &Arc<App>, caller: &SignedIn, guess: Guess, new: Password) -> Reply {
    let proven = attempt::prove(app, guess).await?;
    let hash = proven.place.hash(Arc::new(new), clock::random()).await.map_err(|_| HttpError::CannotTell)?;
    let change = PasswordChange {
        user: caller.claims.subject,
        password: hash,
        auth_version: Some(proven.account.user.auth_version),
        keep: Some(caller.claims.session),
        proof: Some(proven.attempt()),
    };
    let audit = sessions::audit(caller, "password.changed", caller.claims.subject.to_string());
    // Settles the reservation, whatever comes of it.
    let changed = app.store().set_password(&change, &audit).await;
    app.attempts.settled.notify_waiters();
    let done = sessions::acknowledge(app, changed).await?;
    Ok(api_keys::kept(app, caller.claims.subject).await.unwrap_or(done))
}
