//! The decision, line by line, for `keyfob policy explain`. Asks `judge`, which [`super::decide`] asks too; it only
//! assumes what a policy cannot know: a live session, and a token that carries all the user's scopes.

use std::fmt;

use crate::refusal::{Reason, Refusal};
use crate::user::KnownUser;

use super::decide::may_act;
use super::judge::{Lack, Place, Who};
use super::{Ask, Policy};

/// A decision and how it came about. Its text has one `name  value` line for each step, the verdict last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    lines: Vec<(&'static str, String)>,
    refusal: Option<Refusal>,
}

/// Explain what `policy` says to `ask` by `user`, or by somebody who is not signed in.
///
/// ```
/// use keyfob_core::policy::{Ask, Policy, explain};
///
/// let policy = Policy::parse("[[routes]]\npath = \"/news\"\nmethods = [\"GET\"]\npublic = true", 1)?;
/// let explanation = explain(&policy, &Ask::parse("POST", "", b"/news")?, None);
/// assert!(!explanation.is_allowed());
/// assert_eq!(
///     explanation.to_string(),
///     "request  POST /news\n\
///      route    /news (line 2)\n\
///      method   POST is not listed: GET, HEAD\n\
///      user     nobody is signed in\n\
///      missing  a signed-in user\n\
///      verdict  refuse: no-credentials\n"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn explain(policy: &Policy, ask: &Ask, user: Option<&KnownUser>) -> Explanation {
    let place = policy.place(ask);
    let mut lines = vec![("request", format!("{} {}", ask.method(), ask.target()))];
    if ask.path() != ask.target() {
        lines.push(("path", ask.path().to_owned()));
    }
    describe_place(policy, ask, &place, &mut lines);
    // Under another policy the user may have had other scopes: `decide` looks again, and so does this.
    let known = user.map(|known| policy.know(known.user.clone()));
    describe_user(policy, known.as_ref(), &mut lines);

    let refusal = if ask.keeps_escapes() && !place.takes_escapes() {
        lines.push(("missing", "`encoded-slash = true` on the route: the path has an encoded `/` or `%`".to_owned()));
        Some(Refusal::of(Reason::AmbiguousTarget))
    } else if known.as_ref().is_some_and(|known| !may_act(known)) {
        lines.push(("missing", "a user who is enabled".to_owned()));
        Some(Refusal { reason: Reason::InvalidToken, deny: place.deny() })
    } else {
        let who = known.as_ref().map(|user| Who::user(user, None));
        policy.judge(&place, who).err().map(|lack| {
            lines.push(("missing", describe_lack(&lack, who)));
            Refusal { reason: lack.reason(), deny: place.deny() }
        })
    };
    let verdict = refusal.as_ref().map_or("allow".to_owned(), |refusal| {
        let deny = refusal.deny.map(|status| format!(", sent as {status}")).unwrap_or_default();
        format!("refuse: {}{deny}", refusal.reason.slug())
    });
    lines.push(("verdict", verdict));
    Explanation { lines, refusal }
}

impl Explanation {
    /// Whether it is let through.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.refusal.is_none()
    }

    /// Why not, if it is refused.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// The steps: `request`, `path`, `route`, `method`, `needs`, `user`, `roles`, `unknown`, `scopes`, `missing`,
    /// `verdict`, as far as each applies.
    pub fn lines(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.lines.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|(name, value)| writeln!(f, "{name:<7}  {value}"))
    }
}

fn describe_place(policy: &Policy, ask: &Ask, place: &Place<'_, '_>, lines: &mut Vec<(&'static str, String)>) {
    let Some(route) = place.route else {
        lines.push(("route", format!("none: the default is {}", policy.default_name())));
        return;
    };
    lines.push(("route", format!("{} (line {})", route.path, route.line)));
    let Some(rule) = place.rule else {
        let listed = route.rules.iter().map(|rule| route.methods(rule)).collect::<Vec<_>>().join(", ");
        lines.push(("method", format!("{} is not listed: {listed}", ask.method())));
        return;
    };
    lines.push(("method", format!("{} (line {})", route.methods(rule), rule.line)));
    lines.push(("needs", rule.needs_text()));
    if let Some(audience) = &rule.options.assertion {
        lines.push(("asserts", format!("who calls, to {audience}")));
    }
}

fn describe_user(policy: &Policy, known: Option<&KnownUser>, lines: &mut Vec<(&'static str, String)>) {
    let Some(known) = known else {
        lines.push(("user", "nobody is signed in".to_owned()));
        return;
    };
    let state = if may_act(known) { "active" } else { "disabled" };
    lines.push(("user", format!("{} ({state})", known.user.username)));
    let names = |wanted: bool| {
        let chosen = known.user.roles.iter().filter(|role| policy.knows_role(role) == wanted);
        chosen.map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    lines.push(("roles", or_none(names(true))));
    let unknown = names(false);
    if !unknown.is_empty() {
        lines.push(("unknown", format!("{unknown}: the policy does not know these roles")));
    }
    lines.push(("scopes", or_none(known.grant.scope.to_string())));
}

fn describe_lack(lack: &Lack<'_>, who: Option<Who<'_>>) -> String {
    match lack {
        Lack::Credentials => "a signed-in user".to_owned(),
        Lack::Route => "a route for this path".to_owned(),
        Lack::Method => "a rule for this method".to_owned(),
        Lack::Ownership => "the path does not name the caller".to_owned(),
        Lack::Scope(wanted) => {
            let held = |name: &&str| !who.is_some_and(|who| who.granted.contains(name));
            wanted.split(' ').filter(held).collect::<Vec<_>>().join(" ")
        }
    }
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}
