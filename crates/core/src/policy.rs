//! The policy: roles grant scopes, routes require them (DESIGN §5), and [`decide`] is the one function that answers.
//! A policy is a TOML file, parsed once into valid values and swapped whole. Unmatched means the default; a method
//! that is not listed is refused, never falls through.

mod decide;
mod file;
mod grant;
mod route;
mod target;

pub use decide::{Caller, Decision, Evidence, Permit, Proof, decide, decide_signed_in};
pub use file::PolicyProblem;
pub use grant::Grant;
pub use route::{Cors, Policy, RouteOptions};
pub use target::{AmbiguousTarget, Ask};
