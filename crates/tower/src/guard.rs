//! The policy enforcement point that every door shares: read the credential, verify it, let the policy decide.

use std::future::Future;
use std::sync::Arc;

use http::HeaderMap;
use keyfob_core::policy::{Ask, Decision, Evidence, Policy};
use keyfob_core::time::Timestamp;

/// Why a decision could not be made: fails closed as 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotTell;

/// Turns a token into evidence. `Err` means "could not tell", never "no".
pub trait Verify: Send + Sync + 'static {
    /// The evidence that `token` is, at `now`.
    fn verify(&self, token: &str, now: Timestamp) -> impl Future<Output = Result<Evidence, CannotTell>> + Send;

    /// The policy in force.
    fn policy(&self) -> Arc<Policy>;

    /// Now. The only clock a guard reads.
    fn now(&self) -> Timestamp;
}

/// Judge one request by its headers.
///
/// # Errors
/// [`CannotTell`].
pub async fn judge<V: Verify>(verifier: &V, ask: Ask, headers: &HeaderMap) -> Result<Decision, CannotTell> {
    let _ = (verifier, ask, headers);
    todo!()
}

/// The same for keyfob's own self-service endpoints: any signed-in user.
///
/// # Errors
/// [`CannotTell`].
pub async fn judge_signed_in<V: Verify>(verifier: &V, ask: Ask, headers: &HeaderMap) -> Result<Decision, CannotTell> {
    let _ = (verifier, ask, headers);
    todo!()
}
