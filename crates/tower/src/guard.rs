//! The policy enforcement point that every door shares: read the credential, verify it, let the policy decide. Knows
//! no door and makes no response; on the warm path it allocates nothing of its own.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue};
use keyfob_core::basic::{self, Credential};
use keyfob_core::bearer::{self, Presented};
use keyfob_core::policy::{self, Ask, BasicEvidence, Decision, Evidence, Policy};
use keyfob_core::time::Timestamp;

/// Why a decision could not be made: fails closed as 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotTell;

/// Turns a token into evidence. `Err` means "could not tell", never "no".
pub trait Verify: Send + Sync + 'static {
    /// The evidence that `token` is, at `now`.
    fn verify(&self, token: &str, now: Timestamp) -> impl Future<Output = Result<Evidence, CannotTell>> + Send;

    /// Whether this verifier can check passwords. Only then does a route that still takes HTTP Basic take it, and say so;
    /// others refuse it as any scheme that is not theirs.
    fn takes_basic(&self) -> bool {
        false
    }

    /// What an HTTP Basic credential (RFC 7617) of a client at `from` is worth. Called only where [`Verify::takes_basic`] and
    /// the route's window is open. Must not compute a hash for each request.
    fn verify_basic(
        &self,
        _credential: Credential,
        _from: IpAddr,
    ) -> impl Future<Output = Result<BasicEvidence, CannotTell>> + Send {
        std::future::ready(Ok(BasicEvidence::Unchecked))
    }

    /// Returns once what is remembered may be judged on: whoever remembers for a bounded time only asks here whether it is
    /// over. Awaited once for each request, before anything else of the verifier is used.
    fn fresh(&self) -> impl Future<Output = Result<(), CannotTell>> + Send {
        std::future::ready(Ok(()))
    }

    /// The policy in force.
    fn policy(&self) -> Arc<Policy>;

    /// Now. The only clock a guard reads.
    fn now(&self) -> Timestamp;
}

/// Judge one request by its headers.
///
/// ```
/// use std::sync::Arc;
///
/// use http::HeaderMap;
/// use keyfob_core::policy::{Ask, Decision, Evidence, Policy};
/// use keyfob_core::refusal::Reason;
/// use keyfob_core::time::Timestamp;
/// use keyfob_tower::guard::{CannotTell, Verify, judge};
///
/// struct NobodySignedIn;
///
/// impl Verify for NobodySignedIn {
///     async fn verify(&self, _token: &str, _now: Timestamp) -> Result<Evidence, CannotTell> {
///         Ok(Evidence::Invalid)
///     }
///     fn policy(&self) -> Arc<Policy> {
///         Arc::new(Policy::signed_in(1))
///     }
///     fn now(&self) -> Timestamp {
///         Timestamp::from_seconds(1_800_000_000)
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let ask = Ask::parse("GET", "api.example.com", b"/reports/7").expect("a plain path");
/// let decision = judge(&NobodySignedIn, ask, &HeaderMap::new()).await;
/// let Ok(Decision::Refuse(refusal)) = decision else { panic!("let through without a token") };
/// assert_eq!(refusal.reason, Reason::NoCredentials);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// [`CannotTell`].
pub async fn judge<V: Verify>(verifier: &V, ask: Ask, headers: &HeaderMap) -> Result<Decision, CannotTell> {
    judge_from(verifier, ask, headers, None::<fn() -> Option<IpAddr>>).await
}

/// The same where a client's address can be told: guesses by HTTP Basic are counted by it, so without one Basic is not taken.
/// `from` is asked only when there is a password to check.
///
/// # Errors
/// [`CannotTell`].
pub async fn judge_from<V: Verify>(
    verifier: &V,
    ask: Ask,
    headers: &HeaderMap,
    from: Option<impl FnOnce() -> Option<IpAddr>>,
) -> Result<Decision, CannotTell> {
    let from = from.filter(|_| verifier.takes_basic());
    let takes_basic = from.is_some();
    let evidence = match (evidence(verifier, headers).await?, from) {
        (Evidence::OtherScheme, Some(from)) => basic_evidence(verifier, &ask, headers, from).await?,
        (evidence, _) => evidence,
    };
    let decision = policy::decide(&verifier.policy(), ask, &evidence, verifier.now());
    Ok(match decision {
        Decision::Refuse(refusal) if !takes_basic => Decision::Refuse(refusal.without_basic()),
        decision => decision,
    })
}

/// What a credential of another scheme is worth where passwords can be checked. One that the route does not take is not
/// looked at.
async fn basic_evidence<V: Verify>(
    verifier: &V,
    ask: &Ask,
    headers: &HeaderMap,
    from: impl FnOnce() -> Option<IpAddr>,
) -> Result<Evidence, CannotTell> {
    // There is exactly one field line: two would be malformed.
    let value = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    if !basic::is_scheme(value) {
        return Ok(Evidence::OtherScheme);
    }
    if !verifier.policy().takes_basic(ask, verifier.now()) {
        return Ok(Evidence::Basic(BasicEvidence::Unchecked));
    }
    match (Credential::read(value), from()) {
        (Some(credential), Some(from)) => Ok(Evidence::Basic(verifier.verify_basic(credential, from).await?)),
        _ => Ok(Evidence::Basic(BasicEvidence::Wrong)),
    }
}

/// The same for keyfob's own self-service endpoints: any signed-in user.
///
/// # Errors
/// [`CannotTell`].
pub async fn judge_signed_in<V: Verify>(verifier: &V, ask: Ask, headers: &HeaderMap) -> Result<Decision, CannotTell> {
    let evidence = evidence(verifier, headers).await?;
    Ok(policy::decide_signed_in(&verifier.policy(), ask, &evidence, verifier.now()))
}

/// The same for keyfob's own endpoints that need the scope `needed`, of a user or a service account.
///
/// # Errors
/// [`CannotTell`].
pub async fn judge_scoped<V: Verify>(
    verifier: &V,
    ask: Ask,
    headers: &HeaderMap,
    needed: &str,
) -> Result<Decision, CannotTell> {
    let evidence = evidence(verifier, headers).await?;
    Ok(policy::decide_scoped(&verifier.policy(), ask, &evidence, needed, verifier.now()))
}

/// What the request proves. The policy and the time are read after this, which may have waited for a store: what is
/// decided on is as new as it can be.
async fn evidence<V: Verify>(verifier: &V, headers: &HeaderMap) -> Result<Evidence, CannotTell> {
    verifier.fresh().await?;
    match bearer::read(headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes)) {
        Presented::Nothing => Ok(Evidence::Nothing),
        Presented::OtherScheme => Ok(Evidence::OtherScheme),
        Presented::Malformed => Ok(Evidence::Malformed),
        Presented::Bearer(token) => verifier.verify(token, verifier.now()).await,
    }
}
