//! The policy: roles grant scopes, routes require them (DESIGN §5), and [`decide`] is the one function that answers.
//! A policy is a TOML file, parsed once into valid values and swapped whole. Unmatched means the default; a method
//! that is not listed is refused, never falls through.
//!
//! Reading order: [`Ask`] is what is asked, `file` → `compile` (with `pattern` and `requirement`) make a [`Policy`] on
//! a `tree` of routes, `judge` says what a caller lacks, [`decide`] adds what the token proves. [`explain`] and
//! [`Cases`] show the same decision to people.

mod target;

mod basic;
mod file;
mod pattern;
mod requirement;

mod compile;
mod route;
mod tree;

mod grant;
mod judge;

mod decide;

mod cases;
mod explain;

pub use basic::{BasicCaller, BasicEvidence, BasicProof};
pub use cases::{Case, CaseResult, Cases, Expected};
pub use compile::ROUTES_MAX;
pub use decide::{
    Caller, ClientProof, Credential, Decision, Evidence, KeyProof, Permit, Proof, Testimony, caller_of, decide,
    decide_scoped, decide_signed_in,
};
pub use explain::{Explanation, explain};
pub use file::{FILE_BYTES_MAX, PolicyProblem};
pub use grant::Grant;
pub use route::{Cors, Policy, RouteListing, RouteOptions};
pub use target::{AmbiguousTarget, Ask, HOST_BYTES_MAX, METHOD_BYTES_MAX, TARGET_BYTES_MAX};

#[cfg(test)]
mod tests;
