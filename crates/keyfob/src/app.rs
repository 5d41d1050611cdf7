//! App: all that a handler may touch. Built once by [`crate::serve`], shared by every request.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use keyfob_core::basic;
use keyfob_core::password::Rules;
use keyfob_core::policy::{BasicEvidence, Credential, Evidence, Policy};
use keyfob_core::time::Timestamp;
use keyfob_store::Store;
use keyfob_tower::guard::{CannotTell, Verify};
use keyfob_tower::refusal::Style;

use crate::attempt::Attempts;
use crate::basic::Basic;
use crate::config::Settings;
use crate::feed::Applied;
use crate::keys::Keys;
use crate::metadata::Metadata;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::skew::Agreement;
use crate::verify::StoreVerifier;

/// Everything a request may need.
pub struct App {
    /// What the operator set.
    pub settings: Settings,
    /// Tokens to evidence.
    pub verifier: StoreVerifier,
    /// The key that signs, and the published set.
    pub keys: ArcSwap<Keys>,
    /// How far the feed is applied.
    pub applied: Applied,
    /// This node among those that share the store; `None` where this process owns it.
    pub node: Option<Arc<Node>>,
    /// Whether it is about to stop: it answers as ever, and says that it is not ready.
    pub leaving: AtomicBool,
    /// Password attempts, at whichever door.
    pub attempts: Arc<Attempts>,
    /// HTTP Basic, where a route still takes it.
    pub basic: Arc<Basic>,
    /// What a new password must satisfy.
    pub rules: Rules,
    /// How refusals look.
    pub style: Style,
    /// The two documents under `/.well-known/`.
    pub metadata: Metadata,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl App {
    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.verifier.store
    }

    /// Whether what is remembered may be believed now. A node of a shared store whose lease ran out asks the store first.
    ///
    /// # Errors
    /// [`CannotTell`].
    pub async fn fresh(&self) -> Result<(), CannotTell> {
        match &self.node {
            Some(node) if !node.holds_lease() => node.catch_up(self).await.map_err(|error| {
                tracing::warn!(%error, "there is no lease, and the store cannot be asked");
                CannotTell
            }),
            Some(_) => Ok(()),
            // Once it is moved away, or its disk has failed, nothing that is remembered of it is to be believed.
            None => self.store().check_open().map_err(|_| CannotTell),
        }?;
        // What is judged and issued is judged and issued by the wall clock.
        if self.clock_is_wrong() { Err(CannotTell) } else { Ok(()) }
    }

    /// Whether this machine's clock is too far from that of the store that nodes share.
    #[must_use]
    pub fn clock_is_wrong(&self) -> bool {
        self.node.as_ref().is_some_and(|node| node.skew.agreement() == Agreement::Wrong)
    }

    /// Whether requests with this token or key would still be let in: for tunnels and long streams.
    ///
    /// # Errors
    /// [`CannotTell`].
    pub async fn is_live(&self, credential: &Credential) -> Result<bool, CannotTell> {
        self.fresh().await?;
        self.verifier.is_live(credential).await
    }

    /// The same from memory alone; `None` if a fact is not there, or may not be believed.
    #[must_use]
    pub fn is_live_in_memory(&self, credential: &Credential, now: Timestamp) -> Option<bool> {
        let holds = self.node.as_ref().map_or_else(|| self.store().check_open().is_ok(), |node| node.holds_lease());
        let believed = holds && !self.clock_is_wrong();
        believed.then(|| self.verifier.is_live_in_memory(credential, now)).flatten()
    }
}

/// The verifier of this node, for as long as what it remembers may be believed.
impl Verify for App {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Evidence, CannotTell> {
        self.verifier.verify(token, now).await
    }

    async fn fresh(&self) -> Result<(), CannotTell> {
        self.fresh().await
    }

    /// A node that only guards signs nobody in, by whatever door.
    fn takes_basic(&self) -> bool {
        !self.settings.guard_only
    }

    async fn verify_basic(&self, credential: basic::Credential, from: IpAddr) -> Result<BasicEvidence, CannotTell> {
        self.basic.verify(self, credential, from).await
    }

    fn policy(&self) -> Arc<Policy> {
        self.verifier.policy()
    }

    fn now(&self) -> Timestamp {
        self.verifier.now()
    }
}
