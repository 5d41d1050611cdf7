//! The node's side: who follows it, and which leases it gave with which revision. Never forgets a lease that may still be
//! held, whatever a follower says or does not say.

use std::time::Duration;

use crate::change::Revision;
use crate::id::{ClientId, FollowerId};
use crate::lease::{Moment, Terms};

/// Followers of one node: each may delay an acknowledgement by a lease, and has a request open all the time.
pub const TOTAL_MAX: usize = 64;

/// Followers of one client: one that starts them without end leaves room for the others.
pub const PER_CLIENT_MAX: usize = 16;

/// Leases that are kept apart for one follower. Beyond, the two oldest are taken for one, which waits longer, never shorter.
const GRANTS_MAX: usize = 8;

/// There is no room for another follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The followers of one node.
///
/// ```
/// use keyfob_core::change::Revision;
/// use keyfob_core::follow::Followers;
/// use keyfob_core::id::{ClientId, FollowerId};
/// use keyfob_core::lease::{Moment, Terms};
/// use std::time::Duration;
///
/// # let (id, client) = (FollowerId::from_bytes([1; 16]), ClientId::from_bytes([2; 16]));
/// let mut followers = Followers::new(Terms::DEFAULT);
/// let now = Moment::from_micros(60_000_000);
/// followers.admit(id, client, now).unwrap();
/// assert!(followers.grant(id, Revision(40), Duration::from_secs(2), now));
///
/// // The node has applied revision 41. Its follower may lack it, and believe its memory for two seconds.
/// let until = now + Duration::from_micros(2_004_005);
/// assert_eq!(followers.lack(Revision(41), now), Some(until));
/// assert_eq!(followers.applied(Revision(41), now), Revision(40));
///
/// // It asks again, and says that it has it.
/// followers.grant(id, Revision(41), Duration::from_secs(2), now);
/// assert!(followers.heard(id, client, Revision(41), now));
/// assert_eq!(followers.lack(Revision(41), now), None);
/// assert_eq!(followers.applied(Revision(41), now), Revision(41));
///
/// // Had it been silent, it would be waited for until then and no longer.
/// assert_eq!(followers.lack(Revision(42), until), None);
/// ```
#[derive(Clone, Debug)]
pub struct Followers {
    terms: Terms,
    followers: Vec<Follower>,
}

#[derive(Clone, Debug)]
struct Follower {
    id: FollowerId,
    client: ClientId,
    heard: Moment,
    /// The newest revision that an answer told it.
    told: Revision,
    grants: Vec<Grant>,
}

/// A lease that may be held, by a follower that knows all changes up to `revision` at least.
#[derive(Clone, Copy, Debug)]
struct Grant {
    revision: Revision,
    /// It has run out by then, by the node's clock.
    until: Moment,
}

impl Followers {
    /// Nobody follows yet.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self { terms, followers: Vec::new() }
    }

    /// A new follower, under an id that was never used before. It holds no lease yet.
    ///
    /// # Errors
    /// [`Full`]: there are [`TOTAL_MAX`] already, or [`PER_CLIENT_MAX`] of this client.
    pub fn admit(&mut self, id: FollowerId, client: ClientId, now: Moment) -> Result<(), Full> {
        self.drop_late(now);
        let own = self.followers.iter().filter(|follower| follower.client == client).count();
        if self.followers.len() >= TOTAL_MAX || own >= PER_CLIENT_MAX {
            return Err(Full);
        }
        self.followers.push(Follower { id, client, heard: now, told: Revision(0), grants: Vec::new() });
        Ok(())
    }

    /// A follower asks, and says that it has applied all changes up to `applied`. `false`: there is no such follower of that
    /// client (it was late, and dropped), or it says what it was never told. It must begin anew, with a snapshot.
    pub fn heard(&mut self, id: FollowerId, client: ClientId, applied: Revision, now: Moment) -> bool {
        self.drop_late(now);
        let Some(follower) = self.find(id).filter(|follower| follower.client == client) else { return false };
        follower.heard = now;
        if applied > follower.told {
            return false;
        }
        for grant in &mut follower.grants {
            grant.revision = grant.revision.max(applied);
        }
        follower.tidy(now);
        true
    }

    /// An answer is about to be sent: all changes up to `revision`, and a lease of `left`, which the follower counts from
    /// before it had asked. `false`: there is no such follower, and nothing may be sent.
    pub fn grant(&mut self, id: FollowerId, revision: Revision, left: Duration, now: Moment) -> bool {
        let until = now + self.terms.outlasts(left);
        let Some(follower) = self.find(id) else { return false };
        follower.heard = now;
        follower.told = follower.told.max(revision);
        follower.grants.push(Grant { revision, until });
        follower.tidy(now);
        true
    }

    /// Until when somebody may decide without the change of `revision`; `None` if nobody does any more.
    #[must_use]
    pub fn lack(&self, revision: Revision, now: Moment) -> Option<Moment> {
        self.grants(now).filter(|grant| grant.revision < revision).map(|grant| grant.until).max()
    }

    /// Until when somebody may decide at all.
    #[must_use]
    pub fn hold(&self, now: Moment) -> Option<Moment> {
        self.grants(now).map(|grant| grant.until).max()
    }

    /// Up to where the node may say that all is applied, having applied everything up to `own` itself.
    #[must_use]
    pub fn applied(&self, own: Revision, now: Moment) -> Revision {
        self.grants(now).map(|grant| grant.revision).min().map_or(own, |lowest| lowest.min(own))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.followers.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.followers.is_empty()
    }

    fn find(&mut self, id: FollowerId) -> Option<&mut Follower> {
        self.followers.iter_mut().find(|follower| follower.id == id)
    }

    fn grants(&self, now: Moment) -> impl Iterator<Item = &Grant> {
        self.followers.iter().flat_map(|follower| &follower.grants).filter(move |grant| grant.until > now)
    }

    /// Drop those that have said nothing for a whole lease and hold none.
    fn drop_late(&mut self, now: Moment) {
        let patience = self.terms.wait();
        self.followers.retain(|follower| {
            let held = follower.grants.iter().any(|grant| grant.until > now);
            held || now.since(follower.heard).is_none_or(|silence| silence < patience)
        });
    }
}

impl Follower {
    /// Leases that ran out go, and those that say the same become one.
    fn tidy(&mut self, now: Moment) {
        self.grants.retain(|grant| grant.until > now);
        self.grants.sort_by_key(|grant| grant.revision);
        self.grants.dedup_by(|later, kept| {
            let same = later.revision == kept.revision;
            if same {
                kept.until = kept.until.max(later.until);
            }
            same
        });
        while self.grants.len() > GRANTS_MAX {
            let oldest = self.grants.remove(0);
            if let Some(next) = self.grants.first_mut() {
                *next = Grant { revision: oldest.revision, until: oldest.until.max(next.until) };
            }
        }
    }
}
