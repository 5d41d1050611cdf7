//! From a policy file as written to a [`Policy`] that is valid by construction. Every refusal names line and column and
//! says what to do; nothing is guessed and nothing is half applied.

use std::collections::btree_map::Entry as RoleEntry;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use crate::scope::{Scope, is_scope_token};
use crate::user::RoleName;

use super::PolicyProblem;
use super::basic::read_window;
use super::file::{Block, Document, read};
use super::pattern::{Pattern, spell};
use super::requirement::{is_origin, read_assertion, read_deny, read_methods, read_needs};
use super::route::{Cors, Policy, Route, RouteOptions, Rule, Unmatched};
use super::tree::Tree;

/// Most `[[routes]]` blocks in one file. The route tree takes some kilobytes for each.
pub const ROUTES_MAX: usize = 10_000;

/// Parse and compile a policy file.
pub(super) fn compile(text: &str, version: u64) -> Result<Policy, PolicyProblem> {
    let document: Document = read(text)?;
    let source = Source::new(text);
    let unmatched = read_default(&source, document.default.as_ref())?;
    let roles = read_roles(&source, &document.roles)?;
    if let Some(one_too_many) = document.routes.get(ROUTES_MAX) {
        let message = format!("a policy has at most {ROUTES_MAX} routes: merge some with `{{*rest}}`");
        return Err(source.problem(&one_too_many.path.span(), message));
    }
    let mut drafts = Drafts::default();
    for block in &document.routes {
        drafts.add(&source, block)?;
    }
    let (routes, tree) = drafts.finish(&source)?;
    let cross_origin = routes.iter().any(|route| route.cors.is_some());
    Ok(Policy { version, unmatched, roles, routes, tree, cross_origin, plain: Arc::default() })
}

/// The text being compiled, able to tell lines.
pub(super) struct Source<'t> {
    text: &'t str,
    line_ends: Vec<usize>,
}

impl<'t> Source<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, line_ends: text.match_indices('\n').map(|(at, _)| at).collect() }
    }

    pub(super) fn problem(&self, span: &Range<usize>, message: impl Into<String>) -> PolicyProblem {
        PolicyProblem::at(self.text, span, message)
    }

    /// The one-based line on which `span` begins.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        self.line_ends.partition_point(|end| *end < span.start) + 1
    }

    /// The scopes of a list.
    pub(super) fn scopes(&self, list: &Spanned<Vec<Spanned<String>>>) -> Result<Scope, PolicyProblem> {
        for name in list.get_ref() {
            self.scope_token(name)?;
        }
        Ok(list.get_ref().iter().map(|name| name.get_ref().clone()).collect())
    }

    /// The name, if it is an RFC 6749 scope-token.
    pub(super) fn scope_token<'n>(&self, name: &'n Spanned<String>) -> Result<&'n str, PolicyProblem> {
        if is_scope_token(name.get_ref()) {
            return Ok(name.get_ref());
        }
        let message =
            "this is no scope: use visible ASCII without spaces, quotes or backslashes, such as `reports:read`";
        Err(self.problem(&name.span(), message))
    }
}

fn read_default(source: &Source<'_>, default: Option<&Spanned<String>>) -> Result<Unmatched, PolicyProblem> {
    let Some(default) = default else { return Ok(Unmatched::Deny) };
    match default.get_ref().as_str() {
        "deny" => Ok(Unmatched::Deny),
        "signed-in" => Ok(Unmatched::SignedIn),
        "public" => {
            let message = "the default cannot be public: give public paths a route with `public = true`";
            Err(source.problem(&default.span(), message))
        }
        _ => Err(source.problem(&default.span(), "the default is `deny` or `signed-in`")),
    }
}

type WrittenRoles = BTreeMap<Spanned<String>, Spanned<Vec<Spanned<String>>>>;

fn read_roles(source: &Source<'_>, written: &WrittenRoles) -> Result<BTreeMap<RoleName, Scope>, PolicyProblem> {
    let mut roles = BTreeMap::new();
    let mut folded = BTreeMap::new();
    // In the order of the file, so that it is the later of two that is complained about.
    let mut in_order: Vec<_> = written.iter().collect();
    in_order.sort_by_key(|(name, _)| name.span().start);
    for (name, scopes) in in_order {
        let role = RoleName::parse(name.get_ref()).map_err(|error| source.problem(&name.span(), error.to_string()))?;
        match folded.entry(name.get_ref().to_ascii_lowercase()) {
            RoleEntry::Vacant(free) => free.insert(source.line(&name.span())),
            RoleEntry::Occupied(taken) => {
                let message = format!("line {} has this role in another case: keep one of them", taken.get());
                return Err(source.problem(&name.span(), message));
            }
        };
        // A role may grant nothing: it still names its users to the API behind, in `X-Auth-Roles`.
        roles.insert(role, source.scopes(scopes)?);
    }
    Ok(roles)
}

/// Routes being put together: blocks with one path are merged.
#[derive(Default)]
struct Drafts {
    routes: Vec<Route>,
    patterns: Vec<Pattern>,
    by_shape: HashMap<String, usize>,
}

impl Drafts {
    fn add(&mut self, source: &Source<'_>, block: &Block) -> Result<(), PolicyProblem> {
        let span = block.path.span();
        let pattern = Pattern::parse(block.path.get_ref()).map_err(|message| source.problem(&span, message))?;
        let rule = read_rule(source, block, &pattern)?;
        let index = match self.by_shape.entry(pattern.shape()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                let path = spell(&pattern.segments).into();
                self.routes.push(Route { path, line: source.line(&span), rules: Vec::new(), cors: None });
                self.patterns.push(pattern.clone());
                *free.insert(self.routes.len() - 1)
            }
        };
        let route = &mut self.routes[index];
        if self.patterns[index] != pattern {
            let message = format!(
                "this matches the same requests as `{}` on line {}: name the parameters alike, and the two are merged",
                route.path, route.line
            );
            return Err(source.problem(&span, message));
        }
        check_overlap(source, block, route)?;
        merge_cors(source, block, route)?;
        route.rules.push(rule);
        Ok(())
    }

    fn finish(mut self, source: &Source<'_>) -> Result<(Vec<Route>, Tree), PolicyProblem> {
        // Cross-origin rules belong to the path, so a rule learns of them when all its blocks have been read.
        for route in &mut self.routes {
            for rule in &mut route.rules {
                Arc::make_mut(&mut rule.options).cors.clone_from(&route.cors);
            }
        }
        let patterns: Vec<&Pattern> = self.patterns.iter().collect();
        let tree = Tree::build(&patterns)
            .map_err(|error| source.problem(&(0..0), format!("two routes are in conflict: {error}")))?;
        Ok((self.routes, tree))
    }
}

fn read_rule(source: &Source<'_>, block: &Block, pattern: &Pattern) -> Result<Rule, PolicyProblem> {
    Ok(Rule {
        line: source.line(&block.path.span()),
        methods: read_methods(source, block)?,
        needs: read_needs(source, block, pattern)?,
        deny: read_deny(source, block)?,
        encoded_slash: block.encoded_slash,
        basic: read_window(source, block)?,
        options: Arc::new(RouteOptions {
            websocket: block.websocket,
            forward_authorization: block.forward_authorization,
            assertion: read_assertion(source, block)?,
            cors: None,
        }),
    })
}

/// Two blocks of one path may not both say what a method needs.
fn check_overlap(source: &Source<'_>, block: &Block, route: &Route) -> Result<(), PolicyProblem> {
    let Some(methods) = &block.methods else {
        let Some(other) = route.rules.iter().find(|other| other.methods.is_none()) else { return Ok(()) };
        let message = format!("line {} already covers every method of this path: list `methods` in one", other.line);
        return Err(source.problem(&block.path.span(), message));
    };
    for method in methods.get_ref() {
        if let Some(other) = route.rules.iter().find(|other| other.lists(method.get_ref())) {
            let message = format!("line {} already says what `{}` needs on this path", other.line, method.get_ref());
            return Err(source.problem(&method.span(), message));
        }
    }
    Ok(())
}

fn merge_cors(source: &Source<'_>, block: &Block, route: &mut Route) -> Result<(), PolicyProblem> {
    let Some(written) = &block.cors else { return Ok(()) };
    if written.get_ref().is_empty() {
        return Err(source.problem(&written.span(), "list the origins that may call this path, or leave `cors` out"));
    }
    let mut origins = Vec::with_capacity(written.get_ref().len());
    for origin in written.get_ref() {
        is_origin(origin.get_ref()).map_err(|message| source.problem(&origin.span(), message))?;
        origins.push(origin.get_ref().clone());
    }
    let cors = Cors { origins };
    if route.cors.as_deref().is_some_and(|known| *known != cors) {
        let message = "another block of this path has other origins: a preflight has no method of its own, so write \
                       `cors` once for the path";
        return Err(source.problem(&written.span(), message));
    }
    route.cors = Some(Arc::new(cors));
    Ok(())
}
