//! The policy decision point. Pure; "no" is an `Ok` value of it, and the only way to a [`Permit`] is through it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::access_token::Claims;
use crate::id::Incarnation;
use crate::refusal::Refusal;
use crate::session::Session;
use crate::time::Timestamp;
use crate::user::KnownUser;

use super::{Ask, Policy, RouteOptions};

/// What a request proves about its caller.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// No credentials.
    Nothing,
    /// Another scheme than Bearer.
    OtherScheme,
    /// Credentials that break RFC 6750's form.
    Malformed,
    /// A token that is flawed on its face, or whose session or user does not exist.
    Invalid,
    /// A genuine token, and the facts it names.
    Token(Proof),
}

/// A genuine token and the facts it names, as they are now.
#[derive(Clone, Debug)]
pub struct Proof {
    /// What the token says.
    pub claims: Arc<Claims>,
    /// Its session.
    pub session: Session,
    /// Its user.
    pub user: Arc<KnownUser>,
    /// The store's incarnation.
    pub incarnation: Incarnation,
    /// Allowed clock difference.
    pub leeway: Duration,
}

/// Who is let through, with which permissions.
#[derive(Clone, Debug)]
pub struct Caller {
    claims: Arc<Claims>,
    user: Arc<KnownUser>,
    scope: Bytes,
}

impl Caller {
    /// The token's claims.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> &Arc<KnownUser> {
        &self.user
    }

    /// The scopes in force for this request, space separated: the user's, narrowed by the token's.
    #[must_use]
    pub fn scope(&self) -> &Bytes {
        &self.scope
    }
}

/// Leave to do exactly one thing. Owns what was judged; made by [`decide`] and nothing else.
#[derive(Debug)]
pub struct Permit {
    ask: Ask,
    caller: Option<Caller>,
    options: RouteOptions,
}

impl Permit {
    /// What was judged.
    #[must_use]
    pub fn ask(&self) -> &Ask {
        &self.ask
    }

    /// Who asked; none on a public route without a token.
    #[must_use]
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// What the route wants of the gateway.
    #[must_use]
    pub fn options(&self) -> &RouteOptions {
        &self.options
    }
}

/// The answer.
#[derive(Debug)]
pub enum Decision {
    /// Let it through.
    Allow(Permit),
    /// Do not, and say why.
    Refuse(Refusal),
}

/// Judge one request.
#[must_use]
pub fn decide(policy: &Policy, ask: Ask, evidence: &Evidence, now: Timestamp) -> Decision {
    let _ = (policy, ask, evidence, now);
    todo!()
}

/// Judge a request to one of keyfob's own self-service endpoints: any signed-in user, whatever the routes say.
/// The same checks of token, session and user as [`decide`], and the same refusals.
#[must_use]
pub fn decide_signed_in(policy: &Policy, ask: Ask, evidence: &Evidence, now: Timestamp) -> Decision {
    let _ = (policy, ask, evidence, now);
    todo!()
}
