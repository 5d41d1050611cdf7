//! `token inspect`: what an access token (RFC 9068) says, and everything that speaks against it here and now. For the
//! operator only: a client is never told why. The token and its signature never come back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyfob_core::access_token::Flaw;
use keyfob_core::bearer::TOKEN_BYTES_MAX;
use keyfob_core::id::UserId;
use keyfob_core::secret::Secret;
use keyfob_core::session::Session;
use keyfob_core::user::Status;
use serde_json::Value;

use super::unavailable;
use crate::clock;
use crate::control::{Desk, Outcome, Problem, TokenView, UserView};
use crate::keys::accepted;

pub(super) async fn inspect(desk: &Desk, token: &Secret) -> Result<Outcome, Problem> {
    let (header, claims) = decode(token.expose());
    let keys = desk.store.signing_keys().await.map_err(unavailable)?;
    let verified = desk.profile.verify(token.expose(), &accepted(&keys), clock::now());
    let mut reasons = Vec::new();
    match &verified {
        Err(Flaw::Issuer) => reasons.push(format!("{}, not by {}", Flaw::Issuer, desk.profile.issuer)),
        Err(Flaw::Audience) => reasons.push(format!("{}, not for {}", Flaw::Audience, desk.profile.audience)),
        Err(flaw) => reasons.push(flaw.to_string()),
        Ok(claims) if claims.incarnation != desk.store.incarnation() => {
            reasons.push("it was made before the database was restored".to_owned());
        }
        Ok(_) => {}
    }
    let text = |name: &str| claims.as_ref().and_then(|claims| claims.get(name)).and_then(Value::as_str);
    let session = match text("sid").and_then(|sid| desk.profile.tagger.open(sid)) {
        Some(id) => desk.store.session(id).await.map_err(unavailable)?,
        None => None,
    };
    let user = match text("sub").and_then(|sub| sub.parse::<UserId>().ok()) {
        Some(id) => desk.store.user(id).await.map_err(unavailable)?,
        None => None,
    };
    let state = state(session.as_ref(), desk);
    if state != "live" {
        reasons.push(format!("its session is {state}"));
    }
    match &user {
        None => reasons.push("its user does not exist".to_owned()),
        Some(user) if user.status == Status::Disabled => reasons.push("its user is disabled".to_owned()),
        Some(user) if session.is_some_and(|session| session.user != user.id) => {
            reasons.push("its session is another user's".to_owned());
        }
        Some(_) => {}
    }
    let user = user.as_ref().map(UserView::from);
    let accepted = reasons.is_empty();
    Ok(Outcome::Token(Box::new(TokenView { header, claims, accepted, reasons, session: state.to_owned(), user })))
}

/// The header and the claims, where they are base64url and JSON. Nothing is checked: this is for reading.
pub(crate) fn decode(token: &str) -> (Option<Value>, Option<Value>) {
    if token.len() > TOKEN_BYTES_MAX {
        return (None, None);
    }
    let part = |part: Option<&str>| {
        let bytes = URL_SAFE_NO_PAD.decode(part?).ok()?;
        serde_json::from_slice::<Value>(&bytes).ok().filter(Value::is_object)
    };
    let mut parts = token.split('.');
    (part(parts.next()), part(parts.next()))
}

/// The state of a session in one word.
fn state(session: Option<&Session>, desk: &Desk) -> &'static str {
    match session {
        None => "unknown",
        Some(session) if session.ended_at.is_some() => "ended",
        Some(session) if !session.is_live(clock::now(), desk.profile.leeway) => "expired",
        Some(_) => "live",
    }
}
