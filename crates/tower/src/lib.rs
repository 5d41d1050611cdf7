//! keyfob-tower guards other people's axum and tower services.
//!
//! [`layer::RequireToken`] wraps a whole service: a request that the policy allows goes in with its
//! [`Caller`](keyfob_core::policy::Caller), any other gets the refusal. What a token is worth a [`guard::Verify`] says:
//! [`local::LocalVerifier`] does so in this process.

pub mod body;
pub mod cache;
pub mod guard;
pub mod identity;
pub mod layer;
pub mod local;
pub mod refusal;
