//! A compiled policy: routes on matchit, methods per route, requirements. Valid by construction: what a file may get
//! wrong was refused by `compile`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::scope::Scope;
use crate::time::Timestamp;
use crate::user::RoleName;

use super::PolicyProblem;
use super::basic::Window;
use super::compile::compile;
use super::tree::Tree;

/// A policy, compiled. Immutable: a new one replaces it whole.
///
/// ```
/// use keyfob_core::policy::Policy;
///
/// let text = r#"
///     [roles]
///     analyst = ["reports:read"]
///
///     [[routes]]
///     path = "/reports/{*rest}"
///     methods = ["GET"]
///     require = ["reports:read"]
/// "#;
/// let policy = Policy::parse(text, 1)?;
/// let listed: Vec<String> = policy.routes().map(|route| route.to_string()).collect();
/// assert_eq!(listed, ["/reports/{*rest}  GET, HEAD  all of reports:read"]);
///
/// let problem = Policy::parse("default = \"allow\"", 2).expect_err("refused");
/// assert_eq!((problem.line, problem.column), (1, 11));
/// # Ok::<(), keyfob_core::policy::PolicyProblem>(())
/// ```
pub struct Policy {
    pub(super) version: u64,
    pub(super) unmatched: Unmatched,
    pub(super) roles: BTreeMap<RoleName, Scope>,
    pub(super) routes: Vec<Route>,
    pub(super) tree: Tree,
    // Whether any route has cross-origin rules: most policies have none, and then no request looks for them.
    pub(super) cross_origin: bool,
    // What a request that no route decides is given when the default lets it through.
    pub(super) plain: Arc<RouteOptions>,
}

/// What a route asks of the gateway once a request is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteOptions {
    /// A WebSocket upgrade may pass.
    pub websocket: bool,
    /// The caller's `Authorization` goes on to the API.
    pub forward_authorization: bool,
    /// The API is told who calls in a signed assertion ([`crate::assertion`]), for this audience.
    pub assertion: Option<Arc<str>>,
    /// Cross-origin rules, if the route has any.
    pub cors: Option<Arc<Cors>>,
}

/// Cross-origin rules of a route: exact origins only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Exact origins, such as `https://app.example.com`.
    pub origins: Vec<String>,
}

/// One rule of a policy, for people: what a path and some methods need. Its text is `path  methods  needs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteListing {
    /// The path as the file writes it, without a trailing slash.
    pub path: String,
    /// `GET, HEAD`, or `every method`, or `every other method` beside rules that list some.
    pub methods: String,
    /// What is needed, such as `all of reports:read` or `public`.
    pub needs: String,
    /// One-based line of the file.
    pub line: usize,
}

impl fmt::Display for RouteListing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  {}", self.path, self.methods, self.needs)
    }
}

impl Policy {
    /// Parse and compile a policy file. `version` is its number in the store.
    ///
    /// # Errors
    /// [`PolicyProblem`] with line and column; nothing is half applied.
    pub fn parse(text: &str, version: u64) -> Result<Self, PolicyProblem> {
        compile(text, version)
    }

    /// The policy when there is no file at all: any signed-in user may do anything.
    #[must_use]
    pub fn signed_in(version: u64) -> Self {
        Self {
            version,
            unmatched: Unmatched::SignedIn,
            roles: BTreeMap::new(),
            routes: Vec::new(),
            tree: Tree::empty(),
            cross_origin: false,
            plain: Arc::default(),
        }
    }

    /// Its number in the store.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether the policy knows this role.
    #[must_use]
    pub fn knows_role(&self, role: &RoleName) -> bool {
        self.roles.contains_key(role)
    }

    /// The roles and what each grants, by name.
    pub fn roles(&self) -> impl Iterator<Item = (&RoleName, &Scope)> {
        self.roles.iter()
    }

    /// What every path and method needs, in the order of the file.
    pub fn routes(&self) -> impl Iterator<Item = RouteListing> {
        self.routes.iter().flat_map(|route| route.rules.iter().map(|rule| route.listing(rule)))
    }

    /// What a path needs that no route decides: `deny` or `signed-in`.
    #[must_use]
    pub fn default_name(&self) -> &'static str {
        match self.unmatched {
            Unmatched::Deny => "deny",
            Unmatched::SignedIn => "signed-in",
        }
    }

    /// Whether the route that `ask` falls on takes HTTP Basic at `now`. Only then is a password looked at.
    ///
    /// ```
    /// use keyfob_core::policy::{Ask, Policy};
    /// use keyfob_core::time::Timestamp;
    ///
    /// let policy = Policy::parse("[[routes]]\npath = \"/old\"\nsigned-in = true\nbasic = \"until 2027-03-01\"", 1)?;
    /// let ask = Ask::parse("GET", "", b"/old")?;
    /// let midnight = Timestamp::from_seconds(1_803_859_200);
    /// assert!(policy.takes_basic(&ask, Timestamp::from_micros(midnight.micros() - 1)));
    /// assert!(!policy.takes_basic(&ask, midnight));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn takes_basic(&self, ask: &super::Ask, now: Timestamp) -> bool {
        self.place(ask).rule.is_some_and(|rule| rule.takes_basic(now).is_some())
    }

    /// The cross-origin rules of the route that `path` ([`super::Ask::path`]) falls on, whatever the method: what a
    /// preflight asks.
    #[must_use]
    pub fn cors(&self, path: &str) -> Option<&Cors> {
        if !self.cross_origin {
            return None;
        }
        let (index, _parameters) = self.tree.find(path)?;
        self.routes.get(index)?.cors.as_deref()
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (roles, routes) = (self.roles.len(), self.routes.len());
        f.debug_struct("Policy")
            .field("version", &self.version)
            .field("roles", &roles)
            .field("routes", &routes)
            .finish_non_exhaustive()
    }
}

/// What becomes of a request that no route decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmatched {
    Deny,
    SignedIn,
}

/// Everything the file says about one path.
pub(super) struct Route {
    /// As the file writes it.
    pub(super) path: Box<str>,
    pub(super) line: usize,
    pub(super) rules: Vec<Rule>,
    pub(super) cors: Option<Arc<Cors>>,
}

/// What some methods of a path need.
pub(super) struct Rule {
    pub(super) line: usize,
    /// `None`: every method that no other rule of the path lists.
    pub(super) methods: Option<Vec<Box<str>>>,
    pub(super) needs: Needs,
    pub(super) deny: Option<u16>,
    pub(super) encoded_slash: bool,
    /// How long HTTP Basic is taken too, if it ever was.
    pub(super) basic: Option<Window>,
    pub(super) options: Arc<RouteOptions>,
}

/// What a rule needs of a caller.
pub(super) enum Needs {
    Public,
    SignedIn,
    Permission(Permission),
}

/// All of `require`, one of `any_of` and the ownership, as far as each is asked for; or else `or_scope`.
pub(super) struct Permission {
    pub(super) require: Option<Wanted>,
    pub(super) any_of: Option<Wanted>,
    pub(super) owner: Option<Owner>,
    pub(super) or_scope: Option<Box<str>>,
}

/// Scopes a rule names, with the text a challenge gives them.
pub(super) struct Wanted {
    pub(super) scope: Scope,
    pub(super) text: Box<str>,
}

/// The path parameter that must name the caller.
pub(super) enum Owner {
    Subject(Box<str>),
    Username(Box<str>),
}

impl Route {
    /// The rule for `method`. A GET rule is also HEAD's, where HEAD has none of its own (RFC 9110 §9.3.2).
    pub(super) fn rule(&self, method: &str) -> Option<&Rule> {
        let listing = |method: &str| self.rules.iter().find(|rule| rule.lists(method));
        listing(method)
            .or_else(|| if method == "HEAD" { listing("GET") } else { None })
            .or_else(|| self.rules.iter().find(|rule| rule.methods.is_none()))
    }

    /// How a method that is not listed is refused: as the path's most secretive rule has it, so 404 goes before 403.
    pub(super) fn deny(&self) -> Option<u16> {
        self.rules.iter().filter_map(|rule| rule.deny).max()
    }

    /// The methods of `rule`, for people.
    pub(super) fn methods(&self, rule: &Rule) -> String {
        let Some(methods) = &rule.methods else {
            return if self.rules.len() == 1 { "every method" } else { "every other method" }.to_owned();
        };
        let mut names: Vec<&str> = methods.iter().map(AsRef::as_ref).collect();
        if rule.lists("GET") && !self.rules.iter().any(|other| other.lists("HEAD")) {
            names.push("HEAD");
        }
        names.join(", ")
    }

    fn listing(&self, rule: &Rule) -> RouteListing {
        RouteListing {
            path: self.path.to_string(),
            methods: self.methods(rule),
            needs: rule.needs_text(),
            line: rule.line,
        }
    }
}

impl Rule {
    /// Whether HTTP Basic is taken at `now`, and until when.
    pub(super) fn takes_basic(&self, now: Timestamp) -> Option<Timestamp> {
        self.basic.as_ref().map(|window| window.until).filter(|until| now < *until)
    }

    /// What it needs, for people.
    pub(super) fn needs_text(&self) -> String {
        let basic = self.basic.as_ref().map_or(String::new(), |window| format!("; HTTP Basic {}", window.text));
        format!("{}{basic}", self.needs)
    }

    pub(super) fn lists(&self, method: &str) -> bool {
        self.methods.as_ref().is_some_and(|methods| methods.iter().any(|listed| listed.as_ref() == method))
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let permission = match self {
            Self::Public => return f.write_str("public"),
            Self::SignedIn => return f.write_str("signed in"),
            Self::Permission(permission) => permission,
        };
        let mut parts = Vec::new();
        parts.extend(permission.require.as_ref().map(|wanted| format!("all of {}", wanted.text)));
        parts.extend(permission.any_of.as_ref().map(|wanted| format!("any of {}", wanted.text)));
        parts.extend(permission.owner.as_ref().map(|owner| match owner {
            Owner::Subject(name) => format!("{{{name}}} is the caller's id"),
            Owner::Username(name) => format!("{{{name}}} is the caller's username"),
        }));
        f.write_str(&parts.join(" and "))?;
        permission.or_scope.as_ref().map_or(Ok(()), |scope| write!(f, ", or else {scope}"))
    }
}
