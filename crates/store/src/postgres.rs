//! PostgreSQL, 15 or newer: any number of nodes on one database. Each intention is one transaction, decided by row locks
//! (`postgres/transaction.rs`); reads are single statements. Works behind a pooler in transaction mode. Never sets anything
//! for a session, names no statement, and compares no clocks.

/// Owned parameters, for statements that are sent later.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        vec![$(Box::new($value) as Box<dyn $crate::postgres::row::Value>),*]
    };
}

mod accept;
mod address;
mod api_keys;
pub(crate) mod arriving;
mod attempts;
mod audit;
mod backup;
mod changes;
mod clients;
mod connection;
mod copying;
mod doorbell;
mod failed_sign_ins;
mod failure;
mod kept;
mod keys;
pub(crate) mod leaving;
mod legacy;
mod life;
mod locks;
mod meta;
mod migrate;
mod nodes;
mod policies;
mod pool;
mod refresh_tokens;
mod row;
mod sessions;
mod sound;
mod sweep;
#[cfg(test)]
pub(crate) mod tests;
mod transaction;
mod users;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use keyfob_core::SecureRandom;
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
use keyfob_core::user::{RoleName, Status, User, Username};
use tokio::sync::{oneshot, watch};

use self::address::Address;
use self::failure::Outcome;
use self::kept::Kept;
use self::life::Life as KnownLife;
use self::pool::Pool;
use self::transaction::{Answer, Durability, Reader, Work};
use crate::high_water::Reached;
use crate::root_key::RootKey;
use crate::{
    Attempt, Audit, AuditRow, Backup, BasicUse, BasicUser, Changed, ClientRotation, Counts, FailedAttempt,
    FailedSignIns, Family, KeyMade, KeyTurn, Life, Login, Made, NewKey, NewUser, Nodes, PasswordChange, ProvenBasic,
    Refresh, Refreshed, Reservation, Result, Saved, Store, StoreError, StoredClient, StoredKey, StoredPolicy, Turned,
    retention, sabotage, signing_keys,
};

pub use self::accept::{Acceptance, accept_rollback};

/// Connections of one node, unless told otherwise: more than two cores keep busy, and few enough for a dozen nodes.
pub const CONNECTIONS: usize = 16;

/// How long work waits for a free connection, unless told otherwise: beyond it, "could not tell" is the better answer.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What [`open`] needs beside the URL.
pub struct Options {
    /// Unwraps the signing keys; must be the one the database was made with, the same on every node.
    pub root_key: RootKey,
    /// Sixteen random bytes, used as the incarnation if the database is new.
    pub fresh_incarnation: [u8; 16],
    /// Connections at most, 1 or more: [`CONNECTIONS`].
    pub connections: usize,
    /// How long work waits for a free connection: [`PATIENCE`].
    pub patience: Duration,
    /// The same database past a pooler, if `open`'s URL leads to one: the lease and the doorbell need connections that are
    /// theirs alone.
    pub direct: Option<String>,
    /// Where this node keeps its high-water mark ([`crate::high_water`]); `None`: it has none.
    pub mark: Option<PathBuf>,
    /// Randomness for AES-GCM nonces.
    pub rng: &'static (dyn SecureRandom + Sync),
}

/// Connect to the database at `url` (`postgres://user:password@host:port/database`), migrate it, and check the root key
/// against it. A database on another machine must show a certificate that leads to a root of `sslrootcert=FILE` in the URL,
/// or of the system, and names the host.
///
/// # Errors
/// Every [`crate::StoreError`], with a text an operator can act on.
pub async fn open(url: &str, options: Options) -> Result<Box<dyn Store>> {
    Ok(Box::new(Postgres::open(url, options).await?))
}

struct Postgres {
    life: Arc<KnownLife>,
    root_key: RootKey,
    rng: &'static (dyn SecureRandom + Sync),
    pool: Arc<Pool>,
    bell: Arc<watch::Sender<Revision>>,
    /// What this node writes about itself.
    clerk: Kept,
    /// What it reads to keep its lease: the changes, and what some of them make it load.
    feed: Kept,
    operations: AtomicU64,
}

/// A read: it may be done again on another connection.
type Read<A, T> = for<'a> fn(&'a mut Reader<'_>, &'a A) -> Pin<Box<dyn Future<Output = Outcome<T>> + Send + 'a>>;

impl Postgres {
    async fn open(url: &str, options: Options) -> Result<Self> {
        sabotage::confess();
        let Options { root_key, fresh_incarnation, connections, patience, direct, mark, rng } = options;
        let life = Arc::new(KnownLife::unknown());
        let pool = Pool::new(Address::parse(url)?, Arc::clone(&life), connections, patience)?;
        let direct = Address::parse(direct.as_deref().unwrap_or(url))?;
        let opened: Outcome<_> = async {
            let lease = pool.lease().await?;
            sound::admit(&mut Reader(&lease)).await?;
            migrate::migrate(&lease).await?;
            let (incarnation, revision) = meta::open(&mut Reader(&lease), &root_key, fresh_incarnation).await?;
            let here = Reached { incarnation, revision };
            Ok((here, accept::admit(&mut Reader(&lease), mark.as_deref(), here).await?))
        }
        .await;
        let (here, mark) = opened?;
        life.begin(here, mark);
        let (pool, bell) = (Arc::new(pool), Arc::new(watch::Sender::new(here.revision)));
        tokio::spawn(doorbell::listen(direct.clone(), Arc::downgrade(&bell)));
        let (clerk, feed) = (Kept::new(direct.clone()), Kept::admitted(direct, Arc::clone(&life)));
        Ok(Self { life, root_key, rng, pool, bell, clerk, feed, operations: AtomicU64::new(0) })
    }

    /// The connection for a read that a lease hangs on.
    fn feed(&self) -> &Kept {
        self.operations.fetch_add(1, Ordering::Relaxed);
        &self.feed
    }

    /// Read in one statement, which sees what was committed when it began.
    async fn read<A: Sync, T>(&self, arguments: A, work: Read<A, T>) -> Result<T> {
        self.life.admit()?;
        self.operations.fetch_add(1, Ordering::Relaxed);
        let mut tried_before = false;
        loop {
            let outcome = match self.pool.lease().await {
                Ok(lease) => {
                    let outcome = work(&mut Reader(&lease), &arguments).await;
                    if outcome.as_ref().is_err_and(|failure| !failure.refused) {
                        Pool::abandon(lease);
                    }
                    outcome
                }
                Err(failure) => Err(failure),
            };
            match outcome {
                // A connection that broke while nobody used it is noticed by its next user.
                Err(failure) if failure.again && !tried_before => tried_before = true,
                outcome => return Ok(outcome?),
            }
        }
    }

    /// Do `work` in a transaction; answer when it is durable. Once handed in it is done even if nobody waits for it.
    async fn write<A, T>(&self, arguments: A, work: Work<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.hand_in(Durability::Power, arguments, work).await
    }

    /// The same for what is acknowledged to nobody: a failover of the database may take it.
    async fn note<A, T>(&self, arguments: A, work: Work<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.hand_in(Durability::Process, arguments, work).await
    }

    async fn hand_in<A, T>(&self, durability: Durability, arguments: A, work: Work<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.life.admit()?;
        self.operations.fetch_add(1, Ordering::Relaxed);
        let (pool, life, bell) = (Arc::clone(&self.pool), Arc::clone(&self.life), Arc::clone(&self.bell));
        let (reply, answer) = oneshot::channel();
        tokio::spawn(
            async move { transaction::write(&pool, (&life, &bell), durability, (&arguments, work), reply).await },
        );
        answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the work was broken off".to_owned())))
    }
}

#[async_trait]
impl Store for Postgres {
    fn nodes(&self) -> Option<&dyn Nodes> {
        Some(self)
    }

    fn incarnation(&self) -> Incarnation {
        self.life.incarnation()
    }

    fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    fn doorbell(&self) -> watch::Receiver<Revision> {
        self.bell.subscribe()
    }

    async fn changes_since(&self, applied: Revision) -> Result<Vec<Change>> {
        Ok(changes::since(&mut self.feed(), (&*self.life, applied)).await?)
    }

    async fn revision(&self) -> Result<Revision> {
        self.read((), |db, ()| Box::pin(meta::revision(db))).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        self.read(id, |db, id| Box::pin(sessions::find(db, *id))).await
    }

    async fn session_and_user(&self, session: SessionId, user: UserId) -> Result<(Option<Session>, Option<User>)> {
        self.read((session, user), |db, (session, user)| Box::pin(sessions::find_with_user(db, *session, *user))).await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>> {
        self.read(id, |db, id| Box::pin(users::find(db, *id))).await
    }

    async fn api_key(&self, id: KeyId) -> Result<Option<ApiKey>> {
        self.read(id, |db, id| Box::pin(api_keys::find(db, *id))).await
    }

    async fn api_key_by_digest(&self, digest: Digest) -> Result<Option<ApiKey>> {
        self.read(digest, |db, digest| Box::pin(api_keys::by_digest(db, *digest))).await
    }

    async fn client(&self, id: ClientId) -> Result<Option<StoredClient>> {
        self.read(id, |db, id| Box::pin(clients::find(db, *id))).await
    }

    async fn reserve_attempt(&self, attempt: &Attempt) -> Result<Reservation> {
        // Acknowledged to nobody: a reservation that is lost had no answer yet.
        self.note(attempt.clone(), |transaction, attempt| Box::pin(attempts::reserve(transaction, attempt))).await
    }

    async fn record_failed_attempt(&self, failure: &FailedAttempt) -> Result<()> {
        self.write(failure.clone(), |transaction, failure| Box::pin(attempts::record_failed(transaction, failure)))
            .await
    }

    async fn record_login(&self, login: &Login) -> Result<Saved> {
        self.write(login.clone(), |transaction, login| Box::pin(attempts::record_login(transaction, login))).await
    }

    async fn refresh_token(&self, digest: &Digest) -> Result<Option<Family>> {
        self.read(*digest, |db, digest| Box::pin(refresh_tokens::find(db, digest))).await
    }

    async fn refresh(&self, refresh: &Refresh) -> Result<Refreshed> {
        self.write(refresh.clone(), |transaction, refresh| Box::pin(refresh_tokens::refresh(transaction, refresh)))
            .await
    }

    async fn user_by_name(&self, name: &Username) -> Result<Option<User>> {
        self.read(name.clone(), |db, name| Box::pin(users::by_name(db, name))).await
    }

    async fn users(&self, after: Option<&Username>) -> Result<Vec<User>> {
        self.read(after.cloned(), |db, after| Box::pin(users::page(db, after.as_ref()))).await
    }

    async fn create_user(&self, user: &NewUser, by: &Audit) -> Result<Made> {
        self.write((user.clone(), by.clone()), |transaction, (user, by)| Box::pin(users::create(transaction, user, by)))
            .await
    }

    async fn set_roles(&self, id: UserId, roles: &[RoleName], by: &Audit) -> Result<Changed> {
        self.write((id, roles.to_vec(), by.clone()), |transaction, (id, roles, by)| {
            Box::pin(users::set_roles(transaction, *id, roles, by))
        })
        .await
    }

    async fn set_status(&self, id: UserId, status: Status, by: &Audit) -> Result<Changed> {
        self.write((id, status, by.clone()), |transaction, (id, status, by)| {
            Box::pin(users::set_status(transaction, *id, *status, by))
        })
        .await
    }

    async fn set_password(&self, change: &PasswordChange, by: &Audit) -> Result<Changed> {
        self.write((change.clone(), by.clone()), |transaction, (change, by)| {
            Box::pin(users::set_password(transaction, change, by))
        })
        .await
    }

    async fn delete_user(&self, id: UserId, by: &Audit) -> Result<Changed> {
        self.write((id, by.clone()), |transaction, (id, by)| Box::pin(users::delete(transaction, *id, by))).await
    }

    async fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<Vec<SessionListing>> {
        self.read((user, now), |db, (user, now)| Box::pin(sessions::live_of(db, *user, *now))).await
    }

    async fn end_session(&self, id: SessionId, owner: Option<UserId>, by: &Audit) -> Result<Changed> {
        self.write((id, owner, by.clone()), |transaction, (id, owner, by)| {
            Box::pin(sessions::end(transaction, *id, *owner, by))
        })
        .await
    }

    async fn end_sessions(&self, user: UserId, except: Option<SessionId>, by: &Audit) -> Result<Changed> {
        self.write((user, except, by.clone()), |transaction, (user, except, by)| {
            Box::pin(sessions::end_all(transaction, *user, *except, by))
        })
        .await
    }

    async fn create_key(&self, key: &NewKey, by: &Audit) -> Result<KeyMade> {
        self.write((key.clone(), by.clone()), |transaction, (key, by)| Box::pin(api_keys::create(transaction, key, by)))
            .await
    }

    async fn api_keys_of(&self, user: UserId, now: Timestamp) -> Result<Vec<KeyListing>> {
        self.read((user, now), |db, (user, now)| Box::pin(api_keys::live_of(db, *user, *now))).await
    }

    async fn revoke_key(&self, id: KeyId, owner: Option<UserId>, by: &Audit) -> Result<Changed> {
        self.write((id, owner, by.clone()), |transaction, (id, owner, by)| {
            Box::pin(api_keys::revoke(transaction, *id, *owner, by))
        })
        .await
    }

    async fn suspended_keys(&self, now: Timestamp, after: Option<KeyId>) -> Result<Vec<KeyId>> {
        self.read((now, after), |db, (now, after)| Box::pin(api_keys::suspended(db, *now, *after))).await
    }

    async fn resume_key(&self, id: KeyId, by: &Audit) -> Result<Changed> {
        self.write((id, by.clone()), |transaction, (id, by)| Box::pin(api_keys::resume(transaction, *id, by))).await
    }

    async fn record_key_uses(&self, uses: &[(KeyId, Timestamp)]) -> Result<()> {
        if uses.is_empty() {
            return Ok(());
        }
        self.write(uses.to_vec(), |transaction, uses| {
            Box::pin(async {
                api_keys::record_uses(transaction, uses);
                Ok(Answer::Known(()))
            })
        })
        .await
    }

    async fn client_by_name(&self, name: &ClientName) -> Result<Option<Client>> {
        self.read(name.clone(), |db, name| Box::pin(clients::by_name(db, name))).await
    }

    async fn clients(&self, after: Option<&ClientName>) -> Result<Vec<Client>> {
        self.read(after.cloned(), |db, after| Box::pin(clients::page(db, after.as_ref()))).await
    }

    async fn suspended_clients(&self, after: Option<ClientId>) -> Result<Vec<ClientId>> {
        self.read(after, |db, after| Box::pin(clients::suspended(db, *after))).await
    }

    async fn create_client(&self, client: &StoredClient, by: &Audit) -> Result<Made> {
        self.write((client.clone(), by.clone()), |transaction, (client, by)| {
            Box::pin(clients::create(transaction, client, by))
        })
        .await
    }

    async fn rotate_client_secret(&self, rotation: &ClientRotation, by: &Audit) -> Result<Changed> {
        self.write((*rotation, by.clone()), |transaction, (rotation, by)| {
            Box::pin(clients::rotate(transaction, rotation, by))
        })
        .await
    }

    async fn set_client_scope(&self, id: ClientId, scope: &Scope, by: &Audit) -> Result<Changed> {
        self.write((id, scope.clone(), by.clone()), |transaction, (id, scope, by)| {
            Box::pin(clients::set_scope(transaction, *id, scope, by))
        })
        .await
    }

    async fn set_client_status(
        &self,
        id: ClientId,
        status: ClientStatus,
        session: SessionId,
        by: &Audit,
    ) -> Result<Changed> {
        self.write((id, status, session, by.clone()), |transaction, (id, status, session, by)| {
            Box::pin(clients::set_status(transaction, *id, *status, *session, by))
        })
        .await
    }

    async fn end_client_session(
        &self,
        id: ClientId,
        session: SessionId,
        fresh: SessionId,
        by: &Audit,
    ) -> Result<Changed> {
        self.write((id, (session, fresh), by.clone()), |transaction, (id, sessions, by)| {
            Box::pin(clients::end_session(transaction, *id, *sessions, by))
        })
        .await
    }

    async fn delete_client(&self, id: ClientId, by: &Audit) -> Result<Changed> {
        self.write((id, by.clone()), |transaction, (id, by)| Box::pin(clients::delete(transaction, *id, by))).await
    }

    async fn import_users(&self, users: &[(NewUser, Audit)]) -> Result<Vec<Made>> {
        self.write(users.to_vec(), |transaction, users| Box::pin(legacy::import(transaction, users))).await
    }

    async fn legacy_forms(&self) -> Result<Vec<LegacyForm>> {
        self.read((), |db, ()| Box::pin(legacy::forms(db))).await
    }

    async fn record_basic_proof(&self, proven: &ProvenBasic) -> Result<Saved> {
        self.write(proven.clone(), |transaction, proven| Box::pin(legacy::record_proof(transaction, proven))).await
    }

    async fn record_basic_uses(&self, uses: &[BasicUse]) -> Result<()> {
        if uses.is_empty() {
            return Ok(());
        }
        self.write(uses.to_vec(), |transaction, uses| {
            Box::pin(async {
                legacy::record_uses(transaction, uses);
                Ok(Answer::Known(()))
            })
        })
        .await
    }

    async fn basic_users(&self, after: Option<&Username>) -> Result<Vec<BasicUser>> {
        self.read(after.cloned(), |db, after| Box::pin(legacy::page(db, after.as_ref()))).await
    }

    async fn public_url(&self) -> Result<Option<String>> {
        self.read((), |db, ()| Box::pin(meta::public_url(db))).await
    }

    async fn set_public_url(&self, from: Option<&str>, url: &str, by: &Audit) -> Result<bool> {
        self.write((from.map(str::to_owned), url.to_owned(), by.clone()), |transaction, (from, url, by)| {
            Box::pin(meta::set_public_url(transaction, from.as_deref(), url, by))
        })
        .await
    }

    async fn signing_keys(&self) -> Result<Vec<StoredKey>> {
        self.life.admit()?;
        Ok(keys::all(&mut self.feed(), &self.root_key).await?)
    }

    async fn turn_signing_keys(&self, turn: &KeyTurn, fresh: &[SigningKey]) -> Result<Turned> {
        let wrap = |key| signing_keys::wrap(key, &self.root_key, self.rng);
        let fresh = fresh.iter().map(wrap).collect::<Result<Vec<_>>>()?;
        self.write((turn.clone(), fresh), |transaction, (turn, fresh)| Box::pin(keys::turn(transaction, turn, fresh)))
            .await
    }

    async fn policy(&self) -> Result<Option<StoredPolicy>> {
        self.life.admit()?;
        Ok(policies::in_force(&mut self.feed()).await?)
    }

    async fn set_policy(&self, text: &str, by: &Audit) -> Result<Changed> {
        self.write((text.to_owned(), by.clone()), |transaction, (text, by)| {
            Box::pin(policies::set(transaction, text, by))
        })
        .await
    }

    async fn audit(&self, limit: u32) -> Result<Vec<AuditRow>> {
        self.read(limit, |db, limit| Box::pin(audit::newest(db, *limit))).await
    }

    async fn failed_sign_ins(&self, user: Option<UserId>, since: Timestamp) -> Result<Option<FailedSignIns>> {
        self.read((user, since), |db, (user, since)| Box::pin(failed_sign_ins::since(db, *user, *since))).await
    }

    async fn sweep(&self, before: Timestamp) -> Result<u64> {
        let mut removed = 0;
        for _ in 0..retention::TRANSACTIONS_MAX {
            let went = self.note(before, |transaction, before| Box::pin(sweep::sweep(transaction, *before))).await?;
            removed += u64::from(went);
            if went < retention::ROWS_PER_TRANSACTION {
                break;
            }
        }
        Ok(removed)
    }

    async fn check(&self) -> Result<()> {
        self.read((), |db, ()| Box::pin(sound::check(db))).await
    }

    async fn backup(&self, file: &Path, by: &Audit) -> Result<Backup> {
        let mut tag = [0; 8];
        self.rng.fill(&mut tag).map_err(|_| StoreError::Unavailable("there is no randomness".to_owned()))?;
        let made = backup::make(&self.pool, file, tag).await?;
        self.write(by.clone(), |transaction, by| Box::pin(async { Ok(backup::record(transaction, by)) })).await?;
        Ok(made)
    }

    async fn life(&self) -> Result<Life> {
        self.read((), |db, ()| Box::pin(meta::life(db))).await
    }

    async fn counts(&self) -> Result<Counts> {
        self.read((), |db, ()| Box::pin(sound::counts(db))).await
    }
}
