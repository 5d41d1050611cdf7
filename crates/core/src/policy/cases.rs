//! Test cases of a policy, for `keyfob policy test`: a TOML file of `[[cases]]`, each a request, who makes it, and what
//! must come of it. Runs through [`decide`] itself, with a session and a token made up for the case. Never asks a store.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::{Spanned, Value};

use crate::access_token::Claims;
use crate::id::{Incarnation, SessionId, TokenId, UserId};
use crate::refusal::{Profile, Reason, Refusal};
use crate::scope::Scope;
use crate::session::Session;
use crate::time::Timestamp;
use crate::user::{RoleName, Status, User, Username};

use super::file::{line_of, read};
use super::{Ask, Decision, Evidence, Policy, PolicyProblem, Proof, decide};

/// The cases of one file.
///
/// ```
/// use keyfob_core::policy::{Cases, Policy};
/// use keyfob_core::refusal::Profile;
///
/// let policy = Policy::parse("[[routes]]\npath = \"/news\"\npublic = true", 1)?;
/// let cases = Cases::parse(
///     r#"
///     [[cases]]
///     method = "GET"
///     path = "/news"
///     expect = "allow"
///
///     [[cases]]
///     name = "nothing else is public"
///     method = "GET"
///     path = "/drafts"
///     expect = 401
///     "#,
/// )?;
/// assert!(cases.run(&policy, Profile::Uniform).iter().all(|result| result.passed));
/// # Ok::<(), keyfob_core::policy::PolicyProblem>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cases {
    cases: Vec<Case>,
}

/// One request, who makes it, and what must come of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// One-based line of its path in the file.
    pub line: usize,
    /// Its own name, or else `METHOD path`.
    pub name: String,
    method: String,
    path: String,
    who: Option<(User, Option<Scope>)>,
    expected: Expected,
}

/// What must come of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is let through.
    Allow,
    /// It is refused, however.
    Deny,
    /// It is refused with this status code.
    Status(u16),
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseResult {
    /// One-based line of the case's path in the file.
    pub line: usize,
    /// The case's name.
    pub name: String,
    /// What had to come of it.
    pub expected: Expected,
    /// What did, such as `allow` or `401 insufficient-scope`.
    pub actual: String,
    /// Whether they agree.
    pub passed: bool,
}

impl Cases {
    /// Read a file of `[[cases]]`. Keys: `method`, `path`, `expect` (`"allow"`, `"deny"`, 400, 401, 403 or 404); `user`,
    /// `id`, `roles` and `scope` for who asks, all left out for nobody; `name`. A token carries all that the roles
    /// grant unless `scope` narrows it.
    ///
    /// # Errors
    /// [`PolicyProblem`] with line and column.
    pub fn parse(text: &str) -> Result<Self, PolicyProblem> {
        let written: WrittenCases = read(text)?;
        let cases = written.cases.iter().map(|case| case.read(text)).collect::<Result<_, _>>()?;
        Ok(Self { cases })
    }

    /// The cases, in the order of the file.
    #[must_use]
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Put every case to `policy`, with status codes as in `profile`.
    #[must_use]
    pub fn run(&self, policy: &Policy, profile: Profile) -> Vec<CaseResult> {
        self.cases.iter().map(|case| case.run(policy, profile)).collect()
    }
}

impl Case {
    fn run(&self, policy: &Policy, profile: Profile) -> CaseResult {
        let (actual, passed) = match (self.unknown_role(policy), self.decide(policy)) {
            // A misspelt role would make a case that expects a refusal pass for the wrong reason.
            (Some(role), _) => (format!("the policy does not know the role `{role}`"), false),
            (None, None) => ("allow".to_owned(), self.expected == Expected::Allow),
            (None, Some(refusal)) => {
                let status = refusal.status(profile);
                let passed = [Expected::Deny, Expected::Status(status)].contains(&self.expected);
                (format!("{status} {}", refusal.reason.slug()), passed)
            }
        };
        CaseResult { line: self.line, name: self.name.clone(), expected: self.expected, actual, passed }
    }

    fn unknown_role(&self, policy: &Policy) -> Option<&RoleName> {
        let (user, _scope) = self.who.as_ref()?;
        user.roles.iter().find(|role| !policy.knows_role(role))
    }

    /// The refusal, if it is refused.
    fn decide(&self, policy: &Policy) -> Option<Refusal> {
        let Ok(ask) = Ask::parse(&self.method, "", self.path.as_bytes()) else {
            return Some(Refusal::of(Reason::AmbiguousTarget));
        };
        let evidence = self
            .who
            .as_ref()
            .map_or(Evidence::Nothing, |(user, scope)| Evidence::Token(prove(policy, user.clone(), scope.clone())));
        match decide(policy, ask, &evidence, NOW) {
            Decision::Allow(_permit) => None,
            Decision::Refuse(refusal) => Some(refusal),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Deny => f.write_str("deny"),
            Self::Status(status) => status.fmt(f),
        }
    }
}

// A case has no clock, store or sign-in: these stand in for them, and only have to agree with one another.
const NOW: Timestamp = Timestamp::from_seconds(0);
const LATER: Timestamp = Timestamp::from_seconds(60);
const INCARNATION: Incarnation = Incarnation([0; 16]);
const ANY_ID: [u8; 16] = [0; 16];
const ANY_NAME: &str = "somebody";

fn prove(policy: &Policy, user: User, scope: Option<Scope>) -> Proof {
    let subject = user.id;
    let user = Arc::new(policy.know(user));
    let session = SessionId::from_bytes(ANY_ID);
    let claims = Claims {
        subject,
        session,
        token_id: TokenId::from_bytes(ANY_ID),
        client_id: "keyfob".into(),
        scope: scope.unwrap_or_else(|| user.grant.scope.clone()).into(),
        issued_at: NOW,
        expires_at: LATER,
        incarnation: INCARNATION,
    };
    Proof {
        claims: Arc::new(claims),
        session: Session { id: session, user: subject, created_at: NOW, expires_at: LATER, ended_at: None },
        user,
        incarnation: INCARNATION,
        leeway: Duration::ZERO,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCases {
    #[serde(default)]
    cases: Vec<WrittenCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCase {
    name: Option<String>,
    method: String,
    path: Spanned<String>,
    user: Option<Spanned<String>>,
    id: Option<Spanned<String>>,
    roles: Option<Vec<Spanned<String>>>,
    scope: Option<Spanned<String>>,
    expect: Spanned<Value>,
}

impl WrittenCase {
    fn read(&self, text: &str) -> Result<Case, PolicyProblem> {
        let path = self.path.get_ref().clone();
        Ok(Case {
            line: line_of(text, &self.path.span()),
            name: self.name.clone().unwrap_or_else(|| format!("{} {path}", self.method)),
            method: self.method.clone(),
            path,
            who: self.who(text)?,
            expected: self.expected(text)?,
        })
    }

    fn who(&self, text: &str) -> Result<Option<(User, Option<Scope>)>, PolicyProblem> {
        if self.user.is_none() && self.id.is_none() && self.roles.is_none() && self.scope.is_none() {
            return Ok(None);
        }
        let here = |span: Range<usize>| move |error: String| PolicyProblem::at(text, &span, error);
        let (name, span) = self.user.as_ref().map_or((ANY_NAME, 0..0), |user| (user.get_ref(), user.span()));
        let username = Username::parse(name).map_err(|error| error.to_string()).map_err(here(span))?;
        let id = self.id.as_ref().map_or(Ok(UserId::from_bytes(ANY_ID)), |id| {
            id.get_ref().parse().map_err(|_| here(id.span())("a user id is a UUID".to_owned()))
        })?;
        let mut roles = Vec::new();
        for role in self.roles.iter().flatten() {
            let parsed = RoleName::parse(role.get_ref());
            roles.push(parsed.map_err(|error| error.to_string()).map_err(here(role.span()))?);
        }
        roles.sort_unstable();
        roles.dedup();
        let scope = self
            .scope
            .as_ref()
            .map(|scope| Scope::parse(scope.get_ref()).map_err(|error| error.to_string()).map_err(here(scope.span())));
        let user = User { id, username, status: Status::Active, roles, auth_version: 0, created_at: NOW };
        Ok(Some((user, scope.transpose()?)))
    }

    fn expected(&self, text: &str) -> Result<Expected, PolicyProblem> {
        match self.expect.get_ref() {
            Value::String(word) if word == "allow" => Ok(Expected::Allow),
            Value::String(word) if word == "deny" => Ok(Expected::Deny),
            Value::Integer(400) => Ok(Expected::Status(400)),
            Value::Integer(401) => Ok(Expected::Status(401)),
            Value::Integer(403) => Ok(Expected::Status(403)),
            Value::Integer(404) => Ok(Expected::Status(404)),
            _ => {
                let message = "`expect` is \"allow\", \"deny\", 400, 401, 403 or 404";
                Err(PolicyProblem::at(text, &self.expect.span(), message))
            }
        }
    }
}
