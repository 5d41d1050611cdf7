//! One call to an endpoint of keyfob's own: its head, its body not yet read, its client, and who is asking.

use std::net::IpAddr;
use std::sync::Arc;

use http::{Request, request};
use hyper::body::Incoming;
use keyfob_core::access_token::Claims;
use keyfob_core::policy::{Ask, Caller, Decision};
use keyfob_core::refusal::{Reason, Refusal};
use keyfob_core::user::KnownUser;
use keyfob_tower::guard;

use super::problem::HttpError;
use crate::app::App;
use crate::serve::listener::Connection;
use crate::{client, framing};

/// The call.
pub(super) struct Call {
    pub(super) app: Arc<App>,
    pub(super) parts: request::Parts,
    pub(super) body: Incoming,
    pub(super) address: IpAddr,
}

impl Call {
    pub(super) fn read(app: &Arc<App>, connection: &Connection, request: Request<Incoming>) -> Result<Self, HttpError> {
        framing::check(&request).map_err(|bad| HttpError::BadRequest("bad-request", bad.to_string()))?;
        let address = client::address(connection, request.headers(), &app.settings.trusted_proxies).map_err(
            |client::Unreadable| {
                HttpError::BadRequest("bad-forwarded-for", "X-Forwarded-For cannot be read".to_owned())
            },
        )?;
        let (parts, body) = request.into_parts();
        Ok(Self { app: Arc::clone(app), parts, body, address })
    }

    /// Who is asking: any signed-in user.
    pub(super) async fn caller(&self) -> Result<Caller, HttpError> {
        let target = self.parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let style = || self.app.style.clone();
        let ambiguous = || Refusal { reason: Reason::AmbiguousTarget, deny: None };
        let ask = Ask::parse(self.parts.method.as_str(), "", target.as_bytes())
            .map_err(|_| HttpError::Refused(ambiguous(), style()))?;
        match guard::judge_signed_in(&*self.app, ask, &self.parts.headers).await? {
            Decision::Refuse(refusal) => Err(HttpError::Refused(refusal, style())),
            // A signed-in permit always names its caller; if it did not, nobody would be let in.
            Decision::Allow(permit) => permit.caller().cloned().ok_or(HttpError::CannotTell),
        }
    }

    /// The same, with a token of a session: an API key has none, and looks after nobody's account.
    pub(super) async fn session_caller(&self) -> Result<SignedIn, HttpError> {
        let caller = self.caller().await?;
        match (caller.claims(), caller.user()) {
            (Some(claims), Some(user)) => Ok(SignedIn { claims: Arc::clone(claims), user: Arc::clone(user) }),
            _ => Err(self.insufficient()),
        }
    }

    /// The same, for what only a full token of a password session may do: a narrowed token was handed to somebody for
    /// less than this. Narrowed is what was minted so: that the user may do no more today than it carries makes it no fuller.
    pub(super) async fn full_caller(&self) -> Result<SignedIn, HttpError> {
        let caller = self.session_caller().await?;
        let full = !caller.claims.scope.narrowed && caller.user.grant.scope.is_subset_of(&caller.claims.scope);
        if full { Ok(caller) } else { Err(self.insufficient()) }
    }

    fn insufficient(&self) -> HttpError {
        let refusal = Refusal { reason: Reason::Insufficient { scope: None }, deny: None };
        HttpError::Refused(refusal, self.app.style.clone())
    }
}

/// A user who is signed in, with the token of a session.
pub(super) struct SignedIn {
    pub(super) claims: Arc<Claims>,
    pub(super) user: Arc<KnownUser>,
}
