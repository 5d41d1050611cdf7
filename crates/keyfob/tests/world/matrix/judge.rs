//! The invariant of every door: a request that reached the API had an allow of its own, for exactly those bytes; it
//! carries what keyfob said of the caller and nothing that the client said in that place. Independent of what the door
//! answered, and of how it is made.

use super::door::{Kind, Seen};
use super::wire::Message;
use super::witness::{Allow, Dialect};
use crate::support::http::Request;

/// Who a request may pass as, by the policy and by what its sender holds: known to the row, not asked of anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum May {
    /// It must not reach the API.
    Nobody,
    /// As this user.
    User(&'static str),
    /// As the service account: a subject and scopes, no name.
    Service,
    /// The route is public, and nobody is signed in.
    Anyone,
}

/// Every forged value has this word in it, and the API must never see it.
pub const FORGED: &str = "forged";

const IDENTITY: &[&str] = &["x-auth-user", "x-auth-subject", "x-auth-roles", "x-auth-scope"];
/// Frameworks take another method or path from these.
const OVERRIDES: &[&str] =
    &["x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"];

/// What is wrong with what came of a request.
pub fn problems(kind: &Kind, request: &Request, may: May, seen: &Seen, mut allows: Vec<Allow>) -> Vec<String> {
    let mut wrong = Vec::new();
    let status = seen.answer.as_ref().map_or(0, |answer| answer.status);
    if may == May::Nobody && (100..400).contains(&status) {
        wrong.push(format!("answered with {status}"));
    }
    if seen.arrivals.len() > 1 {
        wrong.push(format!("reached the API {} times", seen.arrivals.len()));
    }
    for arrival in &seen.arrivals {
        let place = allows.iter().position(|allow| covers(kind.dialect, allow, arrival));
        let unasked = kind.dialect == Dialect::Introspection && may == May::Anyone;
        match place {
            Some(place) => drop(allows.remove(place)),
            None if kind.dialect == Dialect::None || unasked => {}
            None => wrong.push(format!("had no allow of its own; there were {allows:?}")),
        }
        wrong.extend(content(kind, request, may, arrival));
        wrong.extend(identity(kind, may, arrival));
    }
    wrong
}

/// Whether that allow is for these very bytes.
fn covers(dialect: Dialect, allow: &Allow, arrival: &Message) -> bool {
    let told = arrival.header("x-auth-user").unwrap_or_default();
    let same = allow.method == arrival.method && allow.target == arrival.target;
    (same || dialect == Dialect::Introspection) && allow.user == told
}

/// It is the request that was sent, and may be here.
fn content(kind: &Kind, request: &Request, may: May, arrival: &Message) -> Vec<String> {
    let mut wrong = Vec::new();
    if may == May::Nobody {
        wrong.push(format!("reached the API as {} {}", arrival.method, arrival.target));
    }
    if arrival.method != request.method() || (arrival.target != request.target() && !kind.tidies) {
        wrong.push(format!("reached the API as another request: {} {}", arrival.method, arrival.target));
    }
    if arrival.body != request.content() {
        wrong.push(format!("reached the API with {} other bytes of content", arrival.body.len()));
    }
    wrong
}

/// It says who the caller is, as keyfob did.
fn identity(kind: &Kind, may: May, arrival: &Message) -> Vec<String> {
    let mut wrong = Vec::new();
    let trailers = arrival.trailers.iter().filter(|_| !kind.keeps_trailers);
    for (name, value) in arrival.headers.iter().chain(trailers) {
        let folded = fold(name);
        let lower = name.to_ascii_lowercase();
        if value.contains(FORGED) {
            wrong.push(format!("the API is told by the client: {name}: {value}"));
        } else if (IDENTITY.contains(&folded.as_str()) && lower != folded) || OVERRIDES.contains(&folded.as_str()) {
            wrong.push(format!("the API is told {name}"));
        } else if lower == "authorization" || (lower == "upgrade" && !value.eq_ignore_ascii_case("websocket")) {
            wrong.push(format!("{name} reached the API"));
        }
    }
    let roles = if kind.dialect == Dialect::Introspection { "" } else { "member" };
    let told: [&str; 3] = match may {
        May::User(name) => [name, roles, "things:use"],
        May::Service => ["", "", "things:use"],
        May::Anyone | May::Nobody => ["", "", ""],
    };
    for (name, expected) in ["x-auth-user", "x-auth-roles", "x-auth-scope"].iter().zip(told) {
        let values = arrival.all(name);
        let right = values == [expected] || (expected.is_empty() && values.is_empty());
        wrong.extend((!right).then(|| format!("the API is told {name}: {values:?} and not {expected}")));
    }
    let subjects = arrival.all("x-auth-subject");
    let known = subjects.iter().filter(|subject| !subject.is_empty()).count();
    let right = subjects.len() <= 1 && (known == 1) == matches!(may, May::User(_) | May::Service);
    wrong.extend((!right).then(|| format!("the API is told x-auth-subject: {subjects:?}")));
    wrong
}

/// As servers that pass headers on as variables read a name.
fn fold(name: &str) -> String {
    name.chars().map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' }).collect()
}
