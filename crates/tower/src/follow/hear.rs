//! Hears of denials: one request after the other, each of which says what is applied here, and is answered with what changed
//! since. What is heard is applied first, and believed after. Never goes back to less than was known.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use keyfob_core::follow::{Answer, Memory};
use keyfob_core::time::Timestamp;

use super::{Known, Shared};
use crate::clock;
use crate::issuer::SetupProblem;
use crate::jwks;
use crate::remote::{Remote, Trouble};

/// Longest answer, in bytes: a snapshot of half a million denials.
const ANSWER_MAX: usize = 64 * 1024 * 1024;
/// After a failure: soon, because there is a lease to lose, and then less often.
const AGAIN_FIRST: Duration = Duration::from_millis(50);
const AGAIN_MAX: Duration = Duration::from_secs(1);
/// How long one request may take, of which the node holds it for half a second if there is nothing to tell.
const ASK_MAX: Duration = Duration::from_secs(2);

/// When a request was sent, by both clocks.
struct Asked {
    moment: u64,
    wall: Timestamp,
}

/// What became of a request.
enum Heard {
    /// There is a lease, or the node has none to give.
    Applied,
    /// Nothing can be believed of it.
    Nothing(&'static str),
    /// This client may not follow, or not now.
    Refused(u16),
}

/// Ask until there is a lease, for `patience` at most.
pub(super) async fn until_first(remote: &Remote, shared: &Shared, patience: Duration) -> Result<(), SetupProblem> {
    let begin = clock::boot();
    loop {
        let trouble = match once(remote, shared).await {
            Ok(Heard::Applied) if shared.until.load(Ordering::Acquire) > clock::boot_micros() => return Ok(()),
            Ok(Heard::Refused(status @ (401 | 403))) => return Err(SetupProblem::Refused(status)),
            Ok(Heard::Refused(status)) => Trouble::Status(status),
            Ok(Heard::Applied | Heard::Nothing(_)) => Trouble::Late,
            Err(trouble) => trouble,
        };
        if clock::boot().since(begin).is_none_or(|waited| waited >= patience) {
            return Err(trouble.into());
        }
        tokio::time::sleep(AGAIN_FIRST).await;
    }
}

/// Ask for ever.
pub(super) async fn on(remote: Remote, shared: Arc<Shared>) {
    let mut pause = AGAIN_FIRST;
    loop {
        match once(&remote, &shared).await {
            Ok(Heard::Applied) => {
                pause = AGAIN_FIRST;
                continue;
            }
            Ok(Heard::Nothing(why)) => tracing::warn!(why, "what the issuer says cannot be believed"),
            Ok(Heard::Refused(status)) => tracing::warn!(status, "the issuer lets nobody follow right now"),
            Err(trouble) => tracing::warn!(%trouble, "the issuer cannot be followed"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(AGAIN_MAX);
    }
}

/// One request, and what comes of it.
async fn once(remote: &Remote, shared: &Shared) -> Result<Heard, Trouble> {
    let fields = {
        let known = shared.known.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|Known { follower, memory }| {
            let life = URL_SAFE_NO_PAD.encode(memory.incarnation().0);
            [("follower", follower.to_string()), ("applied", memory.applied().0.to_string()), ("incarnation", life)]
        })
    };
    let fields = fields.iter().flatten().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>();
    let asked = Asked { moment: clock::boot_micros(), wall: clock::now() };
    let exchange = remote.post("/follow", &fields, ANSWER_MAX);
    match tokio::time::timeout(ASK_MAX, exchange).await.map_err(|_| Trouble::Late)?? {
        (StatusCode::OK, body) => {
            let answer: Answer = serde_json::from_slice(&body).map_err(|_| Trouble::Unreadable)?;
            Ok(shared.apply(&answer, &asked, clock::now()))
        }
        (status, _) => Ok(Heard::Refused(status.as_u16())),
    }
}

impl Shared {
    /// Apply an answer, and then believe what is known for as long as it says.
    fn apply(&self, answer: &Answer, asked: &Asked, now: Timestamp) -> Heard {
        let keys = answer.jwks.as_ref().and_then(jwks::understood);
        if answer.has_keys() && keys.is_none() {
            return Heard::Nothing("it brings no keys");
        }
        // Expiry is judged by this machine's clock, and denials are kept for as long as tokens live by the node's.
        let leeway = self.server.leeway;
        if answer.now + leeway < asked.wall || now + leeway < answer.now {
            self.until.store(0, Ordering::Release);
            return Heard::Nothing("its clock and this machine's are too far apart");
        }
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            let same_life = |known: &&mut Known| known.memory.incarnation() == answer.incarnation;
            match known.as_mut().filter(same_life) {
                Some(known) if answer.revision < known.memory.applied() => {
                    return Heard::Nothing("it knows less than was known here");
                }
                Some(known) if !answer.snapshot && known.follower != answer.follower => {
                    return Heard::Nothing("it speaks to another follower");
                }
                None if !answer.snapshot => return Heard::Nothing("it leaves out what came before"),
                _ => {}
            }
            if answer.snapshot {
                *known =
                    Some(Known { follower: answer.follower, memory: Memory::new(answer.incarnation, answer.revision) });
            }
            if let Some(known) = known.as_mut() {
                let moment = clock::boot();
                known.memory.apply(&answer.changes, answer.revision, moment);
                known.memory.forget(answer.keep(), moment);
            }
        }
        if let Some(keys) = keys {
            self.keys.store(Arc::new(keys));
            // After the swap: what is being verified by the old ones comes in no more.
            self.heard.forget_all();
        }
        let lease = u64::try_from(answer.lease().as_micros()).unwrap_or(0);
        self.until.store(asked.moment.saturating_add(lease), Ordering::Release);
        Heard::Applied
    }
}
