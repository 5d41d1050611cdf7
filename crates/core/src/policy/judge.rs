//! The part of the decision that is the policy's alone: where a request falls, and what its caller lacks. `decide` and
//! `explain` both ask here, so what is explained is what is decided. Never looks at a token.

use matchit::Params;

use crate::client::KnownClient;
use crate::refusal::Reason;
use crate::scope::Scope;
use crate::user::KnownUser;

use super::route::{Needs, Owner, Permission, Route, Rule, Unmatched, Wanted};
use super::{Ask, Policy};

/// Where a request falls in a policy.
pub(super) struct Place<'p, 'a> {
    pub(super) route: Option<&'p Route>,
    pub(super) rule: Option<&'p Rule>,
    parameters: Params<'p, 'a>,
}

/// A caller as far as a policy cares.
#[derive(Clone, Copy)]
pub(super) struct Who<'w> {
    /// `sub`, as text.
    pub(super) subject: &'w [u8],
    /// The canonical username; a service account has none.
    pub(super) username: Option<&'w str>,
    /// What the user's roles or the client's registration grant now.
    pub(super) granted: &'w Scope,
    /// What the token carries, if it may carry less.
    pub(super) carried: Option<&'w Scope>,
}

/// Why a policy does not let a request through.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lack<'p> {
    /// Nobody is signed in.
    Credentials,
    /// No route decides this path, and the default is deny.
    Route,
    /// The route does not list this method.
    Method,
    /// These scopes, or some of them.
    Scope(&'p str),
    /// The path names somebody else.
    Ownership,
}

impl Lack<'_> {
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Credentials => Reason::NoCredentials,
            Self::Scope(text) => Reason::Insufficient { scope: Some((*text).into()) },
            Self::Route | Self::Method | Self::Ownership => Reason::Insufficient { scope: None },
        }
    }
}

impl Policy {
    /// Where `ask` falls. One look-up.
    pub(super) fn place<'p, 'a>(&'p self, ask: &'a Ask) -> Place<'p, 'a> {
        let Some((index, parameters)) = self.tree.find(ask.path()) else {
            return Place { route: None, rule: None, parameters: Params::new() };
        };
        let route = self.routes.get(index);
        Place { route, rule: route.and_then(|route| route.rule(ask.method())), parameters }
    }

    /// What `who` lacks there; `Ok` if nothing.
    pub(super) fn judge<'p>(&'p self, place: &Place<'p, '_>, who: Option<Who<'_>>) -> Result<(), Lack<'p>> {
        match (place.route, place.rule, who) {
            (_, Some(Rule { needs: Needs::Public, .. }), _) => Ok(()),
            (_, _, None) => Err(Lack::Credentials),
            (None, _, Some(_)) if self.unmatched == Unmatched::SignedIn => Ok(()),
            (None, _, Some(_)) => Err(Lack::Route),
            (Some(_), None, Some(_)) => Err(Lack::Method),
            (Some(_), Some(rule), Some(who)) => match &rule.needs {
                Needs::Public | Needs::SignedIn => Ok(()),
                Needs::Permission(permission) => place.check(permission, who),
            },
        }
    }
}

impl<'p> Place<'p, '_> {
    /// Whether an encoded `/` or `%` may pass here.
    pub(super) fn takes_escapes(&self) -> bool {
        self.rule.is_some_and(|rule| rule.encoded_slash)
    }

    /// The route's own refusal status.
    pub(super) fn deny(&self) -> Option<u16> {
        match (self.rule, self.route) {
            (Some(rule), _) => rule.deny,
            (None, route) => route.and_then(Route::deny),
        }
    }

    fn check(&self, permission: &'p Permission, who: Who<'_>) -> Result<(), Lack<'p>> {
        if permission.or_scope.as_deref().is_some_and(|name| who.holds(name)) {
            return Ok(());
        }
        if let Some(wanted) = permission.require.as_ref().filter(|wanted| !who.holds_all(wanted)) {
            return Err(Lack::Scope(&wanted.text));
        }
        if let Some(wanted) = permission.any_of.as_ref().filter(|wanted| !who.holds_any(wanted)) {
            return Err(Lack::Scope(&wanted.text));
        }
        match &permission.owner {
            Some(owner) if !self.names(owner, who) => Err(Lack::Ownership),
            _ => Ok(()),
        }
    }

    /// Whether the path names `who`. Byte for byte, in the canonical spelling: the API behind reads the path as sent,
    /// and to it `Alice` may be somebody else than `alice`.
    fn names(&self, owner: &Owner, who: Who<'_>) -> bool {
        let (name, caller) = match owner {
            Owner::Subject(name) => (name, Some(who.subject)),
            Owner::Username(name) => (name, who.username.map(str::as_bytes)),
        };
        self.parameters.get(name).is_some_and(|named| Some(named.as_bytes()) == caller)
    }
}

impl<'w> Who<'w> {
    pub(super) fn user(known: &'w KnownUser, carried: Option<&'w Scope>) -> Self {
        let username = Some(known.user.username.as_str());
        Self { subject: &known.subject_header, username, granted: &known.grant.scope, carried }
    }

    pub(super) fn client(known: &'w KnownClient, carried: Option<&'w Scope>) -> Self {
        Self { subject: &known.subject_header, username: None, granted: &known.client.scope, carried }
    }

    /// Whether both the grant and the token give `name`.
    pub(super) fn holds(self, name: &str) -> bool {
        self.granted.contains(name) && self.carried.is_none_or(|carried| carried.contains(name))
    }

    fn holds_all(self, wanted: &Wanted) -> bool {
        wanted.scope.iter().all(|name| self.holds(name))
    }

    fn holds_any(self, wanted: &Wanted) -> bool {
        wanted.scope.iter().any(|name| self.holds(name))
    }
}
