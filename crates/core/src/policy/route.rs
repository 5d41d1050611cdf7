//! A compiled policy: routes on matchit, methods per route, requirements.

use crate::scope::Scope;
use crate::user::{KnownUser, RoleName, User};

use super::{Grant, PolicyProblem};

/// A policy, compiled. Immutable: a new one replaces it whole.
pub struct Policy {
    version: u64,
}

/// What a route asks of the gateway once a request is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteOptions {
    /// A WebSocket upgrade may pass.
    pub websocket: bool,
    /// The caller's `Authorization` goes on to the API.
    pub forward_authorization: bool,
    /// Cross-origin rules, if the route has any.
    pub cors: Option<std::sync::Arc<Cors>>,
}

/// Cross-origin rules of a route: exact origins only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Exact origins, such as `https://app.example.com`.
    pub origins: Vec<String>,
}

impl Policy {
    /// Parse and compile a policy file. `version` is its number in the store.
    ///
    /// # Errors
    /// [`PolicyProblem`] with line and column; nothing is half applied.
    pub fn parse(text: &str, version: u64) -> Result<Self, PolicyProblem> {
        let _ = (text, version);
        todo!()
    }

    /// The policy when there is no file at all: any signed-in user may do anything.
    #[must_use]
    pub fn signed_in(version: u64) -> Self {
        let _ = version;
        todo!()
    }

    /// Its number in the store.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether the policy knows this role.
    #[must_use]
    pub fn knows_role(&self, role: &RoleName) -> bool {
        let _ = role;
        todo!()
    }

    /// What these roles grant.
    #[must_use]
    pub fn grant(&self, roles: &[RoleName]) -> Grant {
        let _ = roles;
        todo!()
    }

    /// A user with its grant and header values.
    #[must_use]
    pub fn know(&self, user: User) -> KnownUser {
        let _ = user;
        todo!()
    }

    /// The scopes of a token asked for as `wanted` at sign-in: what is granted, narrowed.
    /// `None` if something was asked for that is not granted.
    #[must_use]
    pub fn narrow(&self, grant: &Grant, wanted: &Scope) -> Option<Scope> {
        wanted.is_subset_of(&grant.scope).then(|| wanted.clone())
    }

    /// The cross-origin rules of the route that `path` falls on, whatever the method: what a preflight asks.
    #[must_use]
    pub fn cors(&self, path: &str) -> Option<&Cors> {
        let _ = path;
        todo!()
    }
}
