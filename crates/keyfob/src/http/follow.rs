//! `POST /auth/follow`: what a service that guards itself must know of denials, to a client that authenticates and has the
//! scope `keyfob:follow`. First everything that may concern a token, then what changed, each with a lease
//! ([`keyfob_core::follow`]). A request that brings nothing new is held for half a second. Never tells of API keys.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::StatusCode;
use keyfob_core::change::{Change, Fact, Revision};
use keyfob_core::follow::{Answer, Denial, Full};
use keyfob_core::id::{ClientId, FollowerId};
use keyfob_core::lease::Terms;
use keyfob_core::secret::Secret;

use super::client_auth::{self, Credentials};
use super::oauth::{OAuthError, OAuthReply};
use super::{Call, HttpError, form};
use crate::app::App;
use crate::following::Told;
use crate::{clock, reply};

/// The scope of clients that may follow.
const SCOPE: &str = "keyfob:follow";
/// How long a request is held that has nothing to tell: a quarter of a lease, which it takes from the lease it brings.
const HOLD: Duration = Duration::from_millis(500);
/// A denial may concern a token for the life of that and the leeway. It is told to be kept for longer, as it is in the store.
const KEEP_LONGER: Duration = Duration::from_hours(1);
/// How often a snapshot is made anew because more changed meanwhile than is kept.
const TRIES_MAX: usize = 3;

pub(super) async fn follow(call: Call) -> OAuthReply {
    // Load.
    let Call { app, parts, body, .. } = call;
    form::only_form(&parts.headers)?;
    let body = form::bytes(body, &app.settings.limits).await?;
    let names = ["follower", "applied", "incarnation", "client_id", "client_secret"];
    let [follower, applied, incarnation, id, secret] = form::form(&body, names)?;
    // Decide: who asks, and what does it know?
    let Credentials::Confidential(presented) = Credentials::read(&parts.headers, id, secret.map(Secret::new))? else {
        return Err(OAuthError::invalid_client(&app, true));
    };
    let known = client_auth::required(&app, &presented).await?;
    if !known.client.scope.contains(SCOPE) {
        return Err(OAuthError::InsufficientScope("the client needs the scope keyfob:follow"));
    }
    let client = known.client.id;
    let life = URL_SAFE_NO_PAD.encode(app.store().incarnation().0);
    let knows = match (follower, applied, incarnation) {
        (None, None, None) => None,
        (Some(follower), Some(applied), Some(incarnation)) => {
            let follower = follower.parse().map_err(|_| OAuthError::InvalidRequest("follower is no id"))?;
            let applied = applied.parse().map_err(|_| OAuthError::InvalidRequest("applied is no number"))?;
            (incarnation == life).then_some((follower, Revision(applied)))
        }
        _ => return Err(OAuthError::InvalidRequest("follower, applied and incarnation go together")),
    };
    // Reply.
    let going_on = match knows {
        Some((follower, applied)) => go_on(&app, client, follower, applied).await?,
        None => None,
    };
    let answer = match going_on {
        Some(answer) => answer,
        None => begin(&app, client).await?,
    };
    let document = serde_json::to_vec(&answer).map_err(|_| HttpError::CannotTell)?;
    Ok(reply::json(StatusCode::OK, Bytes::from(document)))
}

/// What changed since; `None` where that is not known any more, or the follower is not.
async fn go_on(
    app: &App,
    client: ClientId,
    follower: FollowerId,
    applied: Revision,
) -> Result<Option<Answer>, OAuthError> {
    if !app.applied.following.heard(follower, client, applied) {
        return Ok(None);
    }
    app.applied.beyond(applied, HOLD).await;
    let lease = lease(app);
    let Some(told) = app.applied.following.tell(follower, applied, lease) else { return Ok(None) };
    let mut answer = answer(app, follower, &told, lease);
    answer.changes = told.changes.iter().filter_map(Denial::of).collect();
    Ok(Some(with_keys(app, answer)?))
}

/// Everything that may concern a token, to a follower that is new.
async fn begin(app: &App, client: ClientId) -> Result<Answer, OAuthError> {
    let full = |Full| OAuthError::TooMany("there are as many followers as this node or this client may have");
    let follower = FollowerId::new(clock::now(), &clock::random());
    app.applied.following.admit(follower, client).map_err(full)?;
    app.applied.following.mark().await.map_err(|error| {
        tracing::error!(%error, "that there are followers cannot be written down");
        HttpError::CannotTell
    })?;
    let _turn = app.applied.following.snapshots.acquire().await.map_err(|_| HttpError::CannotTell)?;
    for _ in 0..TRIES_MAX {
        // The lease before anything that it is given for.
        let (lease, until) = (lease(app), app.applied.revision());
        let mut denials = history(app, until).await?;
        let Some(told) = app.applied.following.tell(follower, until, lease) else { continue };
        denials.extend(told.changes.iter().map(|change| (change.fact, change.revision)));
        let mut answer = answer(app, follower, &told, lease);
        answer.snapshot = true;
        let changes = denials.into_iter().map(|(fact, revision)| Change { revision, fact });
        answer.changes = changes.filter_map(|change| Denial::of(&change)).collect();
        return with_keys(app, answer);
    }
    Err(HttpError::CannotTell.into())
}

/// The last change of each fact, of all up to `until` that are in the store: at least those younger than a token's life.
async fn history(app: &App, until: Revision) -> Result<HashMap<Fact, Revision>, OAuthError> {
    let (mut read, mut last) = (Revision(0), HashMap::new());
    while read < until {
        let changes = app.store().changes_since(read).await?;
        let Some(newest) = changes.last() else { break };
        read = newest.revision;
        let known = changes.iter().filter(|change| change.revision <= until);
        last.extend(known.map(|change| (change.fact, change.revision)));
    }
    Ok(last)
}

/// What is left of this node's lease; a whole one where it needs none, and none of a store that has closed.
fn lease(app: &App) -> Duration {
    let own = || app.store().check_open().map_or(Duration::ZERO, |()| Terms::DEFAULT.lease());
    app.node.as_ref().map_or_else(own, |node| node.lease_left())
}

fn answer(app: &App, follower: FollowerId, told: &Told, lease: Duration) -> Answer {
    let keep = app.settings.access_life + app.settings.leeway + KEEP_LONGER;
    Answer::new(follower, app.store().incarnation(), told.revision, clock::now()).with_lease(lease, keep)
}

/// With the JWK Set, where it is new to the follower. Read after what is told: it is as new, or newer.
fn with_keys(app: &App, mut answer: Answer) -> Result<Answer, OAuthError> {
    if answer.has_keys() {
        let jwks = serde_json::from_slice(&app.keys.load().jwks).map_err(|_| HttpError::CannotTell)?;
        answer.jwks = Some(jwks);
    }
    Ok(answer)
}
