//! The answer of `POST /auth/follow`, as JSON. What a newer node adds is ignored; what is missing is an error.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::change::{Change, Fact, Revision};
use crate::id::{ClientId, FollowerId, Incarnation, SessionId, UserId};
use crate::time::Timestamp;

/// What changed, as far as a follower cares. API keys are not among it: it asks about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Denial {
    /// A user: what tokens from before say of it may be wrong.
    User(UserId),
    /// A session ended.
    Session(SessionId),
    /// A client: what tokens from before say of it may be wrong.
    Client(ClientId),
    /// The policy: what tokens from before carry may be too much.
    Policy,
    /// The signing keys: the answer has the new set.
    SigningKeys,
}

impl Denial {
    /// The denial in a change; `None` in one of no concern.
    #[must_use]
    pub fn of(change: &Change) -> Option<(Revision, Self)> {
        let denial = match change.fact {
            Fact::User(id) => Self::User(id),
            Fact::Session(id) => Self::Session(id),
            Fact::Client(id) => Self::Client(id),
            Fact::Policy => Self::Policy,
            Fact::SigningKeys => Self::SigningKeys,
            Fact::Key(_) => return None,
        };
        Some((change.revision, denial))
    }
}

/// The answer.
///
/// ```
/// use keyfob_core::follow::Answer;
///
/// let answer: Answer = serde_json::from_str(r#"{
///     "follower": "0193a1f0-0000-7000-8000-000000000001",
///     "snapshot": false,
///     "incarnation": "AQEBAQEBAQEBAQEBAQEBAQ",
///     "revision": 41,
///     "changes": [[41, {"user": "0193a1f0-0000-7000-8000-000000000002"}]],
///     "lease": 1999000,
///     "keep": 4530,
///     "now": 1800000000000000
/// }"#)?;
/// assert_eq!(answer.lease().as_millis(), 1_999);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Who the follower is, to be said with the next request.
    pub follower: FollowerId,
    /// Whether `changes` is everything that may concern a token, and what the follower knew before is void.
    pub snapshot: bool,
    /// The life of the store.
    #[serde(serialize_with = "write_incarnation", deserialize_with = "read_incarnation")]
    pub incarnation: Incarnation,
    /// All changes up to this one are in `changes`, or were told before.
    pub revision: Revision,
    /// What changed.
    pub changes: Vec<(Revision, Denial)>,
    /// The lease in microseconds, counted from before the follower asked.
    lease: u64,
    /// For how many seconds a denial may concern a token.
    keep: u64,
    /// What the node's wall clock says, in microseconds since the epoch.
    pub now: Timestamp,
    /// The JWK Set (RFC 7517), in a snapshot and where `signing-keys` is among the changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<serde_json::Value>,
}

impl Answer {
    /// An answer without changes.
    #[must_use]
    pub fn new(follower: FollowerId, incarnation: Incarnation, revision: Revision, now: Timestamp) -> Self {
        let (snapshot, changes, lease, keep, jwks) = (false, Vec::new(), 0, 0, None);
        Self { follower, snapshot, incarnation, revision, changes, lease, keep, now, jwks }
    }

    /// The same with a lease, and for how long denials are to be kept.
    #[must_use]
    pub fn with_lease(self, lease: Duration, keep: Duration) -> Self {
        Self { lease: u64::try_from(lease.as_micros()).unwrap_or(0), keep: keep.as_secs(), ..self }
    }

    /// The lease, counted from before the follower asked.
    #[must_use]
    pub fn lease(&self) -> Duration {
        Duration::from_micros(self.lease)
    }

    /// For how long a denial may concern a token.
    #[must_use]
    pub fn keep(&self) -> Duration {
        Duration::from_secs(self.keep)
    }

    /// Whether the keys changed.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.snapshot || self.changes.iter().any(|(_, denial)| *denial == Denial::SigningKeys)
    }
}

fn write_incarnation<S: Serializer>(incarnation: &Incarnation, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&URL_SAFE_NO_PAD.encode(incarnation.0))
}

fn read_incarnation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Incarnation, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = URL_SAFE_NO_PAD.decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(Incarnation).ok_or_else(|| serde::de::Error::custom("that is no incarnation"))
}
