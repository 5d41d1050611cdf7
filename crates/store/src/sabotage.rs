//! Breaks the store's promises on purpose, one at a time, so that the tests that should notice can be seen to. Only in a
//! build with the feature `sabotage`, and there only what the variable `KEYFOB_SABOTAGE` names; any other build is
//! without the variable and the breaks. Never for use.

use keyfob_core::refresh::Transition;
use keyfob_core::rotation::Stage;
use keyfob_core::session::Session;

#[cfg(all(test, feature = "sabotage"))]
mod tests;

/// Each use of a refresh token makes a successor of its own (against G7).
pub(crate) const TWO_WINNERS: &str = "two-winners";
/// A second use is taken for a replay at once, so whoever loses a race is signed out (against G7).
pub(crate) const NO_RETRY: &str = "no-retry";
/// A replay is refused, but the family lives on (against G7).
pub(crate) const REPLAY_FORGIVEN: &str = "replay-forgiven";
/// A refresh that commits after the end of its session revives it (against G8).
pub(crate) const REVOKED_REFRESHES: &str = "revoked-refreshes";
/// What has expired is refreshed.
pub(crate) const EXPIRED_REFRESHES: &str = "expired-refreshes";
/// A sign-in or a refresh that was judged on an older user is saved.
pub(crate) const STALE_USER: &str = "stale-user";
/// A change raises no revision and is not in the feed, so no cache forgets it (against G1).
pub(crate) const UNPUBLISHED: &str = "unpublished";
/// A change is answered before it is committed (against G1 and G5).
pub(crate) const EARLY_ACK: &str = "early-ack";
/// A retired signing key is taken for one that was only rotated out, so what it signed is accepted (against G1 and G14).
pub(crate) const RETIRED_LIVES: &str = "retired-lives";
/// A key that was rotated out is taken for a retired one, so what it signed is refused (against G14).
pub(crate) const ROTATED_DIES: &str = "rotated-dies";
/// A restore begins no new life, so what was issued before is believed (against G6).
pub(crate) const SAME_LIFE: &str = "same-life";
/// A PostgreSQL database that lacks what was acknowledged is taken for the right one (against G6).
pub(crate) const BACKWARDS_UNSEEN: &str = "backwards-unseen";
/// PostgreSQL is not asked to have a commit on the disk before it answers (against G5).
pub(crate) const UNSYNCED: &str = "unsynced";
/// A commit whose answer was lost is taken for done (against G5).
pub(crate) const LOST_IS_DONE: &str = "lost-is-done";

/// Whether this is what the build gets wrong.
pub(crate) fn chosen(what: &str) -> bool {
    cfg!(feature = "sabotage") && std::env::var_os("KEYFOB_SABOTAGE").is_some_and(|chosen| chosen == what)
}

/// Nobody runs a sabotaged build without being told.
pub(crate) fn confess() {
    if cfg!(feature = "sabotage") {
        tracing::error!("this is a sabotaged build, made for tests: it keeps no promise");
    }
}

/// What a sabotaged build takes a session for.
pub(crate) fn session(session: Session) -> Session {
    if chosen(REVOKED_REFRESHES) { Session { ended_at: None, ..session } } else { session }
}

/// What a sabotaged build takes the stage of a signing key for.
pub(crate) fn stage(stage: Stage) -> Stage {
    match stage {
        Stage::Retired { at } if chosen(RETIRED_LIVES) => Stage::Old { stopped: at },
        Stage::Old { stopped } if chosen(ROTATED_DIES) => Stage::Retired { at: stopped },
        right => right,
    }
}

/// What a sabotaged build makes of the right judgement.
pub(crate) fn transition(right: Transition) -> Transition {
    match right {
        Transition::Retry(_) if chosen(TWO_WINNERS) => Transition::Rotate,
        Transition::Retry(_) if chosen(NO_RETRY) => Transition::Replay,
        Transition::Replay if chosen(REPLAY_FORGIVEN) => Transition::Expired,
        Transition::Expired if chosen(EXPIRED_REFRESHES) => Transition::Rotate,
        right => right,
    }
}
