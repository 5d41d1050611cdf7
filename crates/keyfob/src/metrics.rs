//! Every metric's name in one table. Counters are resolved once, so counting is one atomic addition. No label ever
//! carries a name, a path or anything else a client can choose.

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::app::App;
use crate::attempt::Unproven;

/// Which door a decision was made at.
#[derive(Clone, Copy, Debug)]
pub enum DoorName {
    /// `/auth/check/…`.
    Check,
    /// The gateway.
    Gateway,
}

/// What was decided.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// Let through.
    Allowed,
    /// Refused.
    Refused,
    /// 503.
    CannotTell,
}

/// How many outcomes there are: the stride of the decision counters.
const OUTCOMES: usize = 3;

/// How a sign-in ended.
#[derive(Clone, Copy, Debug)]
pub enum SignIn {
    /// A token was issued, or a request let in that brought the password itself.
    Succeeded,
    /// Wrong, unknown or disabled.
    Failed,
    /// The throttle said later.
    Throttled,
    /// The hashing pool was full.
    Busy,
}

/// What is counted.
pub struct Metrics {
    registry: Registry,
    decisions: Vec<Counter>,
    sign_ins: Vec<Counter>,
    upstream: Vec<Counter>,
    revision: Gauge<u64, AtomicU64>,
    followers: Gauge<u64, AtomicU64>,
    lease_left: Gauge<f64, AtomicU64>,
    clock_skew: Gauge<f64, AtomicU64>,
    hashing_free: Gauge<u64, AtomicU64>,
    hashes: Counter,
    store_operations: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("keyfob");
        let decisions = ["check", "gateway"]
            .map(|door| ["allowed", "refused", "cannot_tell"].map(|outcome| [("door", door), ("outcome", outcome)]));
        let decisions = family(&mut registry, "decisions", "Decisions, by door and outcome", decisions.as_flattened());
        let sign_ins = ["succeeded", "failed", "throttled", "busy"].map(|outcome| [("outcome", outcome)]);
        let sign_ins = family(&mut registry, "sign_ins", "Sign-in attempts, by outcome", &sign_ins);
        let upstream = ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|class| [("class", class)]);
        let upstream = family(&mut registry, "upstream_answers", "Answers on the gateway, by status class", &upstream);
        let revision = Gauge::default();
        registry.register("applied_revision", "The newest change this node has applied", revision.clone());
        let followers = Gauge::default();
        registry.register("followers", "Services that follow this node", followers.clone());
        let lease_left = Gauge::default();
        let help = "What is left of this node's lease; without one it asks the store for each request";
        registry.register_with_unit("lease_left", help, Unit::Seconds, lease_left.clone());
        let clock_skew = Gauge::default();
        let help = "By how much this machine's clock is ahead of the shared database's; behind, if negative";
        registry.register_with_unit("clock_skew", help, Unit::Seconds, clock_skew.clone());
        let hashing_free = Gauge::default();
        registry.register("hashing_places_free", "Places free in the hashing pool", hashing_free.clone());
        let started: Gauge = Gauge::default();
        started.set(crate::clock::now().seconds());
        registry.register_with_unit("start_time", "When this process started", Unit::Seconds, started);
        let hashes = Counter::default();
        registry.register("password_hashes", "Password hashes computed", hashes.clone());
        let store_operations = Counter::default();
        registry.register("store_operations", "Reads and intentions the store has served", store_operations.clone());
        Self {
            registry,
            decisions,
            sign_ins,
            upstream,
            revision,
            followers,
            lease_left,
            clock_skew,
            hashing_free,
            hashes,
            store_operations,
        }
    }
}

impl Metrics {
    /// Count a decision.
    pub fn decision(&self, door: DoorName, outcome: Outcome) {
        self.decisions[door as usize * OUTCOMES + outcome as usize].inc();
    }

    /// Count a sign-in.
    pub fn sign_in(&self, outcome: SignIn) {
        self.sign_ins[outcome as usize].inc();
    }

    /// Count a password attempt that proved nothing.
    pub fn unproven(&self, unproven: &Unproven) {
        match unproven {
            // Neither was an attempt.
            Unproven::TooLong(_) | Unproven::CannotTell => {}
            Unproven::Busy => self.sign_in(SignIn::Busy),
            Unproven::Throttled(_) => self.sign_in(SignIn::Throttled),
            Unproven::Wrong => self.sign_in(SignIn::Failed),
        }
    }

    /// Count an answer on the gateway.
    pub fn upstream(&self, status: StatusCode) {
        if let Some(counter) = self.upstream.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            counter.inc();
        }
    }

    /// The OpenMetrics text.
    #[must_use]
    pub fn text(&self, app: &App) -> String {
        self.revision.set(app.applied.revision().0);
        self.followers.set(app.applied.following.count() as u64);
        if let Some(node) = &app.node {
            self.lease_left.set(node.lease_left().as_secs_f64());
            #[expect(
                clippy::cast_precision_loss,
                reason = "a gauge of seconds needs no microsecond beyond three centuries"
            )]
            self.clock_skew.set(node.skew.now().map_or(f64::NAN, |micros| micros as f64 / 1e6));
        }
        self.hashing_free.set(app.attempts.hashing.free() as u64);
        self.hashes.inner().store(app.attempts.hashing.hashed(), Ordering::Relaxed);
        self.store_operations.inner().store(app.store().operations(), Ordering::Relaxed);
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "metrics cannot be written");
        }
        text
    }
}

/// One metric with a counter for each set of labels, resolved once and in their order.
fn family<const N: usize>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    labels: &[[(&'static str, &'static str); N]],
) -> Vec<Counter> {
    let family = Family::<Vec<(&'static str, &'static str)>, Counter>::default();
    let counters = labels.iter().map(|labels| family.get_or_create_owned(&labels.to_vec())).collect();
    registry.register(name, help, family);
    counters
}
