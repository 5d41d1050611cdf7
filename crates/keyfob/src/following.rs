//! Who follows this node ([`keyfob_core::follow`]): the changes that they are told, and the wait for what they have not
//! confirmed. A process that ends leaves a mark where its followers may hold leases still, and its successor waits those out
//! before it acknowledges anything. Never answers a request, never judges one.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyfob_core::change::{Change, Revision};
use keyfob_core::follow::{Followers, Full};
use keyfob_core::id::{ClientId, FollowerId};
use keyfob_core::lease::{Moment, Terms};
use tokio::sync::{Semaphore, watch};

use crate::clock;

/// Changes that are kept for followers: whoever lacks more begins anew, with a snapshot.
const RECENT_MAX: usize = 4096;
/// The mark in the data directory.
const MARK: &str = "followed";

/// The followers of this node.
pub struct Following {
    terms: Terms,
    state: Mutex<State>,
    /// Counts what waiters may wait for.
    moved: watch::Sender<u64>,
    /// Until when leases may be held that were given before this process had the store.
    before: Option<Moment>,
    mark: Option<PathBuf>,
    /// Snapshots are made one at a time: each reads the whole feed.
    pub(crate) snapshots: Semaphore,
}

struct State {
    followers: Followers,
    /// The newest changes, without a gap up to `newest`.
    recent: VecDeque<Change>,
    newest: Revision,
    marked: bool,
}

/// What a follower is told.
pub(crate) struct Told {
    pub(crate) changes: Vec<Change>,
    pub(crate) revision: Revision,
}

impl Following {
    /// Nobody follows yet; everything up to `revision` is applied here.
    #[must_use]
    pub(crate) fn new(terms: Terms, revision: Revision) -> Self {
        let followers = Followers::new(terms);
        let state = State { followers, recent: VecDeque::new(), newest: revision, marked: false };
        let (moved, snapshots) = (watch::Sender::new(0), Semaphore::new(1));
        Self { terms, state: Mutex::new(state), moved, before: None, mark: None, snapshots }
    }

    /// The same in the process that owns the data directory `dir`: leases from before it did may be held still.
    #[must_use]
    pub(crate) fn of_owner(self, dir: &Path) -> Self {
        Self { before: left_behind(dir, self.terms), mark: Some(dir.join(MARK)), ..self }
    }

    /// These changes, and no others up to the last, are applied here. Said before that is told to anybody else. `gap`: there
    /// were others, which nobody knows.
    pub(crate) fn note(&self, changes: &[Change], gap: bool) {
        let mut state = self.state();
        if gap {
            state.recent.clear();
        }
        state.recent.extend(changes);
        let excess = state.recent.len().saturating_sub(RECENT_MAX);
        state.recent.drain(..excess);
        state.newest = changes.last().map_or(state.newest, |change| change.revision);
    }

    /// Up to where all is applied here and at every follower; `own`: at this node itself.
    #[must_use]
    pub fn applied(&self, own: Revision) -> Revision {
        self.state().followers.applied(own, clock::boot())
    }

    /// Wait until no follower decides without the change of `revision`, which is applied here.
    pub async fn confirmed(&self, revision: Revision) {
        let late = self.wait(|followers, now| followers.lack(revision, now)).await;
        if late {
            tracing::warn!(revision = revision.0, "in force only after the lease of a follower had run out");
        }
    }

    /// Wait until no follower decides at all, and take the mark away: the process is about to end, and gives no more leases.
    pub(crate) async fn run_out(&self) {
        self.wait(Followers::hold).await;
        if let Some(mark) = self.mark.as_ref().filter(|_| self.state().marked) {
            // Where it stays, the next owner waits for nothing.
            let _ = fs::remove_file(mark);
        }
    }

    /// Something to do with `moved` has happened: what is waited for may be there.
    pub(crate) fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.state().followers.len()
    }

    /// A follower of `client` says what it has applied. `false`: it must begin anew.
    pub(crate) fn heard(&self, id: FollowerId, client: ClientId, applied: Revision) -> bool {
        let known = self.state().followers.heard(id, client, applied, clock::boot());
        self.moved.send_modify(|count| *count = count.wrapping_add(1));
        known
    }

    /// A new follower.
    ///
    /// # Errors
    /// [`Full`].
    pub(crate) fn admit(&self, id: FollowerId, client: ClientId) -> Result<(), Full> {
        self.state().followers.admit(id, client, clock::boot())
    }

    /// What to tell a follower that knows all up to `from`, and the lease that goes with it, which was looked at before this
    /// call. `None`: what came after `from` is not known any more, or there is no such follower.
    pub(crate) fn tell(&self, id: FollowerId, from: Revision, lease: Duration) -> Option<Told> {
        let mut state = self.state();
        let newest = state.newest;
        let missing = usize::try_from(newest.0.checked_sub(from.0)?).ok()?;
        let skip = state.recent.len().checked_sub(missing)?;
        let changes = state.recent.iter().skip(skip).copied().collect();
        // Under the lock that `note` takes: whoever waits for a later change sees this lease.
        state.followers.grant(id, newest, lease, clock::boot()).then_some(Told { changes, revision: newest })
    }

    /// Write the mark, before the first lease is given.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) async fn mark(&self) -> std::io::Result<()> {
        let Some(mark) = self.mark.clone().filter(|_| !self.state().marked) else { return Ok(()) };
        let written = tokio::task::spawn_blocking(move || {
            File::create(&mark)?.sync_all()?;
            mark.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
        });
        written.await.map_err(std::io::Error::other)??;
        self.state().marked = true;
        Ok(())
    }

    /// Wait until `until` says that nothing is left to wait for. Whether time had to run out for it.
    async fn wait(&self, until: impl Fn(&Followers, Moment) -> Option<Moment>) -> bool {
        let mut late = false;
        loop {
            let mut moved = self.moved.subscribe();
            let now = clock::boot();
            let held = until(&self.state().followers, now).max(self.before.filter(|before| *before > now));
            let Some(left) = held.and_then(|held| held.since(now)) else { return late };
            late = tokio::time::timeout(left, moved.changed()).await.is_err();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until when leases may be held that an earlier owner of `dir` gave; `None` if it left no mark. The caller owns it now.
pub(crate) fn left_behind(dir: &Path, terms: Terms) -> Option<Moment> {
    dir.join(MARK).exists().then(|| clock::boot() + terms.wait())
}

/// The leases of an earlier owner have run out, and this one gave none.
pub(crate) fn outlived(dir: &Path) {
    let _ = fs::remove_file(dir.join(MARK));
}

#[cfg(test)]
mod tests {
    use keyfob_core::change::Fact;
    use keyfob_core::id::UserId;

    use super::*;

    fn changes(from: u64, to: u64) -> Vec<Change> {
        let fact = Fact::User(UserId::from_bytes([1; 16]));
        (from..=to).map(|number| Change { revision: Revision(number), fact }).collect()
    }

    fn followed() -> (Following, FollowerId) {
        let following = Following::new(Terms::DEFAULT, Revision(10));
        let id = FollowerId::from_bytes([2; 16]);
        following.admit(id, ClientId::from_bytes([3; 16])).expect("there is room");
        (following, id)
    }

    fn told(following: &Following, id: FollowerId, from: u64) -> Option<(Vec<u64>, u64)> {
        let told = following.tell(id, Revision(from), Duration::from_secs(1))?;
        Some((told.changes.iter().map(|change| change.revision.0).collect(), told.revision.0))
    }

    #[test]
    fn a_follower_is_told_what_came_after_and_whoever_lacks_more_than_is_kept_begins_anew() {
        let (following, id) = followed();
        assert_eq!(told(&following, id, 10), Some((vec![], 10)));
        following.note(&changes(11, 13), false);
        assert_eq!(told(&following, id, 11), Some((vec![12, 13], 13)));
        assert_eq!(told(&following, id, 9), None, "what came before this node did");
        assert_eq!(told(&following, id, 14), None, "more than this node knows");
        following.note(&changes(14, 13 + RECENT_MAX as u64), false);
        assert_eq!(told(&following, id, 12), None);
        assert_eq!(told(&following, id, 13).map(|(changes, _)| changes.len()), Some(RECENT_MAX));
        following.note(&changes(9_000, 9_001), true);
        assert_eq!(told(&following, id, 8_998), None, "there was a gap");
        assert_eq!(told(&following, id, 8_999), Some((vec![9_000, 9_001], 9_001)));
        assert_eq!(told(&following, FollowerId::from_bytes([9; 16]), 9_001), None, "nobody of that name");
    }

    #[tokio::test]
    async fn a_change_is_confirmed_when_the_follower_says_so() {
        let (following, id) = followed();
        assert!(told(&following, id, 10).is_some());
        following.note(&changes(11, 11), false);
        let confirmed = following.confirmed(Revision(11));
        let confirms = async {
            tokio::task::yield_now().await;
            assert_eq!(following.applied(Revision(11)), Revision(10));
            assert!(told(&following, id, 10).is_some());
            assert!(following.heard(id, ClientId::from_bytes([3; 16]), Revision(11)));
        };
        let began = clock::instant();
        tokio::join!(confirmed, confirms);
        assert!(began.elapsed() < Duration::from_secs(1), "nobody waited for the lease");
        assert_eq!(following.applied(Revision(11)), Revision(11));
    }

    #[tokio::test]
    async fn an_owner_waits_once_for_the_leases_of_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(left_behind(folder.path(), Terms::DEFAULT).is_none());
        let first = Following::new(Terms::DEFAULT, Revision(1)).of_owner(folder.path());
        first.mark().await.expect("written");
        drop(first);
        let short = Terms::new(Duration::from_millis(100), 1, 1000).expect("terms");
        let second = Following::new(short, Revision(1)).of_owner(folder.path());
        let began = clock::instant();
        second.confirmed(Revision(1)).await;
        assert!(began.elapsed() >= Duration::from_millis(100));
        second.confirmed(Revision(1)).await;
        assert!(began.elapsed() < Duration::from_millis(190), "once");
        outlived(folder.path());
        assert!(left_behind(folder.path(), Terms::DEFAULT).is_none());
    }
}
