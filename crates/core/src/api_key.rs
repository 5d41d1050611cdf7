//! API keys (`fob_key_…`, RFC 6750 bearer credentials): made by a user for a script, named, scoped, expiring, revocable.
//! A key never gives more than its user has when it is used. Never holds the secret, only what is known of it.

mod mint;
mod name;

pub use mint::{MINT_RANDOM_BYTES, Mint};
pub use name::{KeyName, NotAKeyName};

use crate::id::{Incarnation, KeyId, UserId};
use crate::scope::Scope;
use crate::time::Timestamp;

/// Live keys that a user may have at once. More would be a key for each run of a script, and nobody reads such a list.
pub const KEYS_PER_USER_MAX: u32 = 100;

/// What a guard must know of an API key.
///
/// ```
/// use std::time::Duration;
///
/// use keyfob_core::api_key::ApiKey;
/// use keyfob_core::id::{Incarnation, KeyId, UserId};
/// use keyfob_core::scope::Scope;
/// use keyfob_core::time::Timestamp;
///
/// let made = Timestamp::from_seconds(1_800_000_000);
/// let incarnation = Incarnation([1; 16]);
/// let key = ApiKey {
///     id: KeyId::new(made, &[2; 10]),
///     user: UserId::new(made, &[3; 10]),
///     scope: Scope::parse("reports:read")?,
///     incarnation,
///     created_at: made,
///     expires_at: made + Duration::from_hours(24),
///     revoked_at: None,
/// };
/// assert!(key.is_live(made, incarnation));
/// assert!(!key.is_live(key.expires_at, incarnation)); // no leeway: one clock set the date and reads it
/// assert!(!key.is_live(made, Incarnation([9; 16]))); // suspended since the store was restored
/// # Ok::<(), keyfob_core::scope::NotAScope>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// What lists and logs call it by.
    pub id: KeyId,
    /// Who made it, and on whose behalf it acts.
    pub user: UserId,
    /// What it may be used for: narrowed, at each use, by what the user has then.
    pub scope: Scope,
    /// The life of the store it was made in; in another one it is suspended.
    pub incarnation: Incarnation,
    /// When it was made.
    pub created_at: Timestamp,
    /// From this instant on it is refused.
    pub expires_at: Timestamp,
    /// When it was revoked, or died with its user.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it may be used at `now` in this life of the store. Its user is judged apart.
    #[must_use]
    pub fn is_live(&self, now: Timestamp, incarnation: Incarnation) -> bool {
        self.revoked_at.is_none() && now < self.expires_at && self.incarnation == incarnation
    }
}

/// An API key as its owner sees it in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyListing {
    /// The facts.
    pub key: ApiKey,
    /// What its owner calls it.
    pub name: KeyName,
    /// When it was last used, to the minute or so; `None` if never.
    pub used_at: Option<Timestamp>,
}
