//! keyfob-store remembers. One [`Store`] method is one intention is one transaction; it is durable when the future
//! returns `Ok`. Knows no HTTP, makes no decision, reads no clock: `now` and randomness come in as arguments.
//!
//! Every change to a fact that a cache may hold raises the revision as the last statement of its transaction and
//! appends what to forget to the feed. New facts (a session, a user) raise nothing: a cache miss finds them.

mod column;
#[cfg(test)]
mod conformance;
mod error;
#[cfg(test)]
mod fixture;
pub mod high_water;
pub mod moving;
mod nodes;
pub mod postgres;
mod record;
mod retention;
pub mod root_key;
mod sabotage;
mod schema;
mod signing_keys;
pub mod sqlite;

use std::path::Path;

use async_trait::async_trait;
use keyfob_core::api_key::{ApiKey, KeyListing};
use keyfob_core::change::{Change, Revision};
use keyfob_core::client::{Client, ClientName, ClientStatus};
use keyfob_core::id::{ClientId, Incarnation, KeyId, SessionId, UserId};
use keyfob_core::opaque::Digest;
use keyfob_core::password::LegacyForm;
use keyfob_core::scope::Scope;
use keyfob_core::session::{Session, SessionListing};
use keyfob_core::signing_key::SigningKey;
use keyfob_core::time::Timestamp;
use keyfob_core::user::{User, Username};
use tokio::sync::watch;

pub use error::StoreError;
pub use nodes::Nodes;
pub use record::*;

/// The result of every store method: "could not tell" is the only error.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The facts of one keyfob installation.
#[async_trait]
pub trait Store: Send + Sync {
    /// This life of the store; carried in every token.
    fn incarnation(&self) -> Incarnation;

    /// Reads and intentions served since this process opened the store, for metrics.
    fn operations(&self) -> u64;

    /// The newest committed revision of this process's store, as a doorbell: losing a beat costs latency, not truth.
    /// It closes (`changed()` fails) when the store has stopped for good after a failure of the disk: every call is
    /// [`StoreError::Unavailable`] from then on, and the process should stop.
    fn doorbell(&self) -> watch::Receiver<Revision>;

    /// Whether this process may still believe what it remembers of the store: an error once it has closed for good, and from
    /// then on. Looks at no disk.
    ///
    /// # Errors
    /// Why it has closed; [`StoreError::Moved`] if it was moved away.
    fn check_open(&self) -> Result<()> {
        Ok(())
    }

    /// Look whether another process has moved the store away, and close if so. `Ok` if not.
    ///
    /// # Errors
    /// [`StoreError::Moved`]: it was, and this process has closed: [`Self::check_open`] and every other call fail from now on.
    async fn stand_down(&self) -> Result<()> {
        Ok(())
    }

    /// The changes after `applied`, in order, at most 1,000; empty if there is none. Each has a revision of its own; if
    /// the first is not `applied + 1`, those between were swept, and the caller must forget everything it holds.
    async fn changes_since(&self, applied: Revision) -> Result<Vec<Change>>;

    /// The newest revision, read from the store.
    async fn revision(&self) -> Result<Revision>;

    /// The nodes that share this store; `None` where one process owns it.
    fn nodes(&self) -> Option<&dyn Nodes> {
        None
    }

    // Guarding.

    /// One session, ended or not.
    async fn session(&self, id: SessionId) -> Result<Option<Session>>;

    /// One user.
    async fn user(&self, id: UserId) -> Result<Option<User>>;

    /// A session and a user in one read: what a guard needs for a token that it sees for the first time.
    async fn session_and_user(&self, session: SessionId, user: UserId) -> Result<(Option<Session>, Option<User>)>;

    /// One API key, revoked or not.
    async fn api_key(&self, id: KeyId) -> Result<Option<ApiKey>>;

    /// The API key of that digest, revoked or not.
    async fn api_key_by_digest(&self, digest: Digest) -> Result<Option<ApiKey>>;

    /// One client with the digest of its secret.
    async fn client(&self, id: ClientId) -> Result<Option<StoredClient>>;

    // Signing in.

    /// Reserve one attempt for an account and an address before the password is hashed, and read the account in the
    /// same transaction. An unknown account costs the same reads and writes as a known one.
    async fn reserve_attempt(&self, attempt: &Attempt) -> Result<Reservation>;

    /// Settle a reservation as failed, and count it for the operator ([`Self::failed_sign_ins`]): an audit row only where the
    /// account is locked by it, or strangers could fill the disk (G15). The same writes whoever the account was; of the
    /// names that nobody has, only the newest [`keyfob_core::throttle::Limits::unknown_names`] are remembered.
    async fn record_failed_attempt(&self, failure: &FailedAttempt) -> Result<()>;

    /// Settle a reservation as right, and start the session: one transaction with its audit row, and the new hash if
    /// there is one (and an audit row more, if that ends a legacy hash). The session that is one too many ends the user's least recently used one (sign-in and refresh are uses),
    /// with an audit row, and the revision is raised; else it is not. Forgives the account's failures from the same address, and no others. Refused as [`Saved::Stale`] if the user's `auth_version` moved or it is not active.
    async fn record_login(&self, login: &Login) -> Result<Saved>;

    /// What is known of a refresh token and its family. Writes nothing, whatever is presented.
    async fn refresh_token(&self, digest: &Digest) -> Result<Option<Family>>;

    /// Use a refresh token: judged and done in one transaction ([`keyfob_core::refresh::judge`]), so that of any number of
    /// uses at once one makes a successor and the others get the same. A replay ends the session and raises the revision;
    /// a rotation raises nothing, for all it changes is that the session lives longer.
    async fn refresh(&self, refresh: &Refresh) -> Result<Refreshed>;

    // Users.

    /// The user of that name, with the stored password hash's `auth_version`.
    async fn user_by_name(&self, name: &Username) -> Result<Option<User>>;

    /// Up to 1,000 users whose names come after `after`, in order of name.
    async fn users(&self, after: Option<&Username>) -> Result<Vec<User>>;

    /// Make a user. [`Made::Exists`] if the name is taken.
    async fn create_user(&self, user: &NewUser, by: &Audit) -> Result<Made>;

    /// Make users whose names are free, each with its audit row, in one transaction; the answer for each, in order. Raises
    /// nothing.
    async fn import_users(&self, users: &[(NewUser, Audit)]) -> Result<Vec<Made>>;

    /// Replace a user's roles. Raises the revision.
    async fn set_roles(&self, id: UserId, roles: &[keyfob_core::user::RoleName], by: &Audit) -> Result<Changed>;

    /// Enable or disable a user; disabling ends its sessions and keys, enabling clears its throttle (also of a user that is
    /// enabled already). Raises the revision.
    async fn set_status(&self, id: UserId, status: keyfob_core::user::Status, by: &Audit) -> Result<Changed>;

    /// Replace the password hash and end the sessions that `change` names. Settles the reservation that proved the
    /// current one; without one an operator acts, and the account's throttle is cleared. Raises the revision.
    async fn set_password(&self, change: &PasswordChange, by: &Audit) -> Result<Changed>;

    /// Delete a user with its sessions and keys. The audit rows stay. Raises the revision.
    async fn delete_user(&self, id: UserId, by: &Audit) -> Result<Changed>;

    // Sessions.

    /// The live sessions of a user at `now`, newest first, at most 1,000.
    async fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<Vec<SessionListing>>;

    /// End one session, if it is live and, where `owner` is given, is that user's. Raises the revision.
    async fn end_session(&self, id: SessionId, owner: Option<UserId>, by: &Audit) -> Result<Changed>;

    /// End all sessions of a user, but `except`. Raises the revision.
    async fn end_sessions(&self, user: UserId, except: Option<SessionId>, by: &Audit) -> Result<Changed>;

    // API keys.

    /// Make a key, if its user is active at the `auth_version` that was judged, and the session that asked has not
    /// ended. Raises nothing.
    async fn create_key(&self, key: &NewKey, by: &Audit) -> Result<KeyMade>;

    /// The live keys of a user at `now`, newest first, at most 1,000.
    async fn api_keys_of(&self, user: UserId, now: Timestamp) -> Result<Vec<KeyListing>>;

    /// Revoke one key, if it is not revoked and, where `owner` is given, is that user's. Raises the revision.
    async fn revoke_key(&self, id: KeyId, owner: Option<UserId>, by: &Audit) -> Result<Changed>;

    /// The keys that a restore suspended and that would be live at `now` without it, a page at a time, in order of id.
    async fn suspended_keys(&self, now: Timestamp, after: Option<KeyId>) -> Result<Vec<KeyId>>;

    /// Take a key into this life of the store, if it is not revoked: what a restore suspended is accepted again. Raises the
    /// revision.
    async fn resume_key(&self, id: KeyId, by: &Audit) -> Result<Changed>;

    /// Keep when keys were last used, in one transaction; keys that are gone are passed over, and a time is never put
    /// back. Raises nothing and writes no audit row.
    async fn record_key_uses(&self, uses: &[(KeyId, Timestamp)]) -> Result<()>;

    // Clients.

    /// The client of that name.
    async fn client_by_name(&self, name: &ClientName) -> Result<Option<Client>>;

    /// Up to 1,000 clients whose names come after `after`, in order of name.
    async fn clients(&self, after: Option<&ClientName>) -> Result<Vec<Client>>;

    /// The clients that a restore suspended and that nobody has resumed or suspended since, a page at a time, in order of id.
    async fn suspended_clients(&self, after: Option<ClientId>) -> Result<Vec<ClientId>>;

    /// Register a client. [`Made::Exists`] if the name is taken.
    async fn create_client(&self, client: &StoredClient, by: &Audit) -> Result<Made>;

    /// Replace a client's secret and its session, so that the old secret and all that was minted with it are worth
    /// nothing. Raises the revision.
    async fn rotate_client_secret(&self, rotation: &ClientRotation, by: &Audit) -> Result<Changed>;

    /// Replace what a client may have for itself; its live tokens follow. Raises the revision.
    async fn set_client_scope(&self, id: ClientId, scope: &Scope, by: &Audit) -> Result<Changed>;

    /// Suspend or resume a client, and put `session` in place of its session: what was minted before stays dead.
    /// Raises the revision.
    async fn set_client_status(
        &self,
        id: ClientId,
        status: ClientStatus,
        session: SessionId,
        by: &Audit,
    ) -> Result<Changed>;

    /// Put `fresh` in place of the session of a client, if that is still `session`: what was minted from it is worth
    /// nothing any more. [`Changed::Already`] if it had gone. Raises the revision.
    async fn end_client_session(
        &self,
        id: ClientId,
        session: SessionId,
        fresh: SessionId,
        by: &Audit,
    ) -> Result<Changed>;

    /// Delete a client. The audit rows stay. Raises the revision.
    async fn delete_client(&self, id: ClientId, by: &Audit) -> Result<Changed>;

    // HTTP Basic, as long as there is some.

    /// The forms of the legacy password hashes that are left: what each sign-in computes one of, whoever it is for. Costs the
    /// same however many users there are.
    async fn legacy_forms(&self) -> Result<Vec<LegacyForm>>;

    /// Settle a reservation as right without a session: its password came with a request, by HTTP Basic. Replaces the hash
    /// if there is a new one, with an audit row if that ends a legacy hash. Raises nothing. Refused as [`Saved::Stale`], and
    /// settled as failed, if the user's `auth_version` moved or it is not active.
    async fn record_basic_proof(&self, proven: &ProvenBasic) -> Result<Saved>;

    /// Keep who used Basic when, in one transaction; each user at most once. Users that are gone are passed over, and a time
    /// is never put back. Raises nothing and writes no audit row.
    async fn record_basic_uses(&self, uses: &[BasicUse]) -> Result<()>;

    /// Up to 1,000 users who used Basic or have a legacy hash, whose names come after `after`, in order of name.
    async fn basic_users(&self, after: Option<&Username>) -> Result<Vec<BasicUser>>;

    // The installation.

    /// The origin this store was first started with, if any.
    async fn public_url(&self) -> Result<Option<String>>;

    /// Keep the origin, if the one that is kept is still `from`. Whether it was: of nodes that start at once one keeps its own.
    async fn set_public_url(&self, from: Option<&str>, url: &str, by: &Audit) -> Result<bool>;

    /// All signing keys, newest first, unwrapped by the root key.
    async fn signing_keys(&self) -> Result<Vec<StoredKey>>;

    /// Take one step in the life of the signing keys, with an audit row for each key that it moves. `fresh` are keys
    /// that it may publish; if it takes one more, it is refused as [`keyfob_core::rotation::Refusal::Short`]. Of steps at
    /// once, each sees what the one before left. Raises the revision.
    async fn turn_signing_keys(&self, turn: &KeyTurn, fresh: &[SigningKey]) -> Result<Turned>;

    /// The policy in force, if one was ever imported.
    async fn policy(&self) -> Result<Option<StoredPolicy>>;

    /// Put a policy in force, if its text differs from the one in force. Raises the revision when it does.
    async fn set_policy(&self, text: &str, by: &Audit) -> Result<Changed>;

    /// The newest audit rows, newest first, at most `limit` (1 to 1,000).
    async fn audit(&self, limit: u32) -> Result<Vec<AuditRow>>;

    /// The failed sign-ins of a user, or of all names that nobody has, from the hour of `since` on; `None`: there were none.
    async fn failed_sign_ins(&self, user: Option<UserId>, since: Timestamp) -> Result<Option<FailedSignIns>>;

    /// Remove what nothing can need any more: sessions and keys that ended before `before`, feed rows an hour older, attempts a
    /// day older, the failures of unknown names a week older, and counts of failed sign-ins 30 days older; at most 10,000 rows a call. Returns how many went.
    async fn sweep(&self, before: Timestamp) -> Result<u64>;

    /// Verify the database file: `Ok(())` or [`StoreError::Corrupt`].
    async fn check(&self) -> Result<()>;

    /// Copy everything but the root key into a new file, verify it, and record that, while the store goes on being used.
    /// It contains whatever was acknowledged before the call. [`StoreError::Backup`] if the file exists or cannot be written.
    async fn backup(&self, file: &Path, by: &Audit) -> Result<Backup>;

    /// When this life began, and when it was last backed up.
    async fn life(&self) -> Result<Life>;

    /// Row counts for `doctor` and metrics.
    async fn counts(&self) -> Result<Counts>;
}

/// The directory that holds `path`.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
