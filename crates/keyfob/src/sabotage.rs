//! Breaks what nodes promise each other on purpose, one promise at a time, so that the campaign `nodes` can be seen to notice.
//! Only in a build with the feature `sabotage`, and there only what the variable `KEYFOB_SABOTAGE` names; any other
//! build is without the variable and the breaks. Never for use.

use std::sync::atomic::{AtomicBool, Ordering};

/// A node believes its memory without a lease (against G1 and G3).
pub(crate) const NO_LEASE: &str = "no-lease";
/// A change is acknowledged before the other nodes have applied it (against G1).
pub(crate) const LONE_ACK: &str = "lone-ack";
/// A node that does not confirm is waited for a moment only, not until its lease has run out (against G1).
pub(crate) const IMPATIENT: &str = "impatient";
/// A lease is renewed, and granted, without a look at the feed, which is read when the doorbell rings (against G1).
pub(crate) const BELL_ONLY: &str = "bell-only";
/// Whether this is what the build gets wrong.
pub(crate) fn chosen(what: &str) -> bool {
    cfg!(feature = "sabotage") && std::env::var_os("KEYFOB_SABOTAGE").is_some_and(|chosen| chosen == what)
}

/// Whether the doorbell rang last, for [`BELL_ONLY`].
static HEARD: AtomicBool = AtomicBool::new(true);

/// Whether somebody rang before the next look at the feed.
pub(crate) fn heard(rang: bool) {
    if chosen(BELL_ONLY) {
        HEARD.store(rang, Ordering::Release);
    }
}

/// Whether the feed is not looked at because nobody rang.
pub(crate) fn deaf() -> bool {
    chosen(BELL_ONLY) && !HEARD.load(Ordering::Acquire)
}
