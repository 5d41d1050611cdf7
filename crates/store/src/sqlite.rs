//! `SQLite` inside the process: WAL, `synchronous=FULL`, STRICT tables, one writer thread with group commit, reads on
//! the calling thread. One process owns the store; keeping a second one out is the program's part.

mod api_keys;
pub(crate) mod arriving;
mod attempts;
mod audit;
mod backup;
mod changes;
mod clients;
mod connection;
pub(crate) mod copy;
mod failed_sign_ins;
mod failure;
mod intention;
mod keys;
mod legacy;
mod meta;
mod migrate;
pub(crate) mod moving;
mod policies;
mod refresh_tokens;
mod restore;
mod sessions;
mod sweep;
#[cfg(test)]
pub(crate) mod tests;
mod users;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use self::connection::Readers;
use self::failure::Outcome;
pub use self::restore::{NewLife, accept_rollback, restore};
use self::writer::Writer;
use crate::high_water::{Mark, Reached};
use crate::root_key::RootKey;
use crate::{
    Attempt, Audit, AuditRow, Backup, BasicUse, BasicUser, Changed, ClientRotation, Counts, FailedAttempt,
    FailedSignIns, Family, KeyMade, KeyTurn, Life, Login, Made, NewKey, NewUser, PasswordChange, ProvenBasic, Refresh,
    Refreshed, Reservation, Result, Saved, Store, StoreError, StoredClient, StoredKey, StoredPolicy, Turned, column,
    retention, sabotage, signing_keys,
};

const COUNTS: &str =
    "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM sessions), (SELECT count(*) FROM audit)";
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";
const INTEGRITY: &str = "PRAGMA integrity_check(10)";
const FOREIGN_KEYS: &str = "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1";

/// What [`open`] needs beside the path.
pub struct Options {
    /// Unwraps the signing keys; must be the one the database was made with.
    pub root_key: RootKey,
    /// Sixteen random bytes, used as the incarnation if the database is new.
    pub fresh_incarnation: [u8; 16],
    /// Where the high-water mark is kept, beside the root key; `None` keeps none and notices nothing.
    pub mark: Option<PathBuf>,
    /// Randomness for AES-GCM nonces.
    pub rng: &'static (dyn SecureRandom + Sync),
}

/// Open or make the database at `path` (mode 0600, in a directory that exists), migrate it, and check the root key
/// against it. Dropping the store finishes what was handed to it and closes the file.
///
/// # Errors
/// Every [`crate::StoreError`], with a text an operator can act on.
pub fn open(path: &Path, options: Options) -> Result<Box<dyn Store>> {
    Ok(Box::new(Sqlite::open(path, options)?))
}

struct Sqlite {
    incarnation: Incarnation,
    root_key: RootKey,
    rng: &'static (dyn SecureRandom + Sync),
    readers: Readers,
    writer: Writer,
    reads: AtomicU64,
}

impl Sqlite {
    fn open(path: &Path, options: Options) -> Result<Self> {
        sabotage::confess();
        arriving::admit_new(path)?;
        Ok(Self::start(connection::open(path)?, path, options)?)
    }

    fn start(db: Connection, path: &Path, options: Options) -> Outcome<Self> {
        let Options { root_key, fresh_incarnation, mark, rng } = options;
        migrate::inspect(&db)?;
        connection::prepare_to_write(&db)?;
        migrate::migrate(&db)?;
        moving::admit(&db)?;
        let incarnation = meta::open(&db, &root_key, fresh_incarnation)?;
        let here = Reached { incarnation, revision: meta::revision(&db)? };
        // What a killed process committed but did not sync is synced first: the mark must not be ahead of the disk.
        db.query_row(CHECKPOINT, [], |_| Ok(()))?;
        let mark = mark.map(|path| Mark::admit(&path, here)).transpose()?;
        Ok(Self {
            incarnation,
            root_key,
            rng,
            readers: Readers::new(path),
            writer: Writer::start(db, mark)?,
            reads: AtomicU64::new(0),
        })
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Outcome<T>) -> Result<T> {
        self.writer.check_open()?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.readers.read(work)
    }
}

#[async_trait]
impl Store for Sqlite {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn operations(&self) -> u64 {
        self.reads.load(Ordering::Relaxed) + self.writer.intentions()
    }

    fn doorbell(&self) -> watch::Receiver<Revision> {
        self.writer.doorbell()
    }

    fn check_open(&self) -> Result<()> {
        self.writer.check_open()
    }

    async fn stand_down(&self) -> Result<()> {
        // The writer looks before each transaction.
        match self.writer.note(|_| Ok(())).await {
            Ok(()) => Ok(()),
            Err(error) => self.writer.check_open().and(Err(error)),
        }
    }

    async fn changes_since(&self, applied: Revision) -> Result<Vec<Change>> {
        self.read(|db| changes::since(db, applied))
    }

    async fn revision(&self) -> Result<Revision> {
        self.read(meta::revision)
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        self.read(|db| sessions::find(db, id))
    }

    async fn session_and_user(&self, session: SessionId, user: UserId) -> Result<(Option<Session>, Option<User>)> {
        self.read(|db| Ok((sessions::find(db, session)?, users::find(db, user)?)))
    }

    async fn user(&self, id: UserId) -> Result<Option<User>> {
        self.read(|db| users::find(db, id))
    }

    async fn api_key(&self, id: KeyId) -> Result<Option<ApiKey>> {
        self.read(|db| api_keys::find(db, id))
    }

    async fn api_key_by_digest(&self, digest: Digest) -> Result<Option<ApiKey>> {
        self.read(|db| api_keys::by_digest(db, digest))
    }

    async fn client(&self, id: ClientId) -> Result<Option<StoredClient>> {
        self.read(|db| clients::find(db, id))
    }

    async fn reserve_attempt(&self, attempt: &Attempt) -> Result<Reservation> {
        let attempt = attempt.clone();
        // Acknowledged to nobody: a reservation that a loss of power takes had no answer yet.
        self.writer.note(move |transaction| attempts::reserve(transaction, &attempt)).await
    }

    async fn record_failed_attempt(&self, failure: &FailedAttempt) -> Result<()> {
        let failure = failure.clone();
        self.writer.write(move |transaction| attempts::record_failed(transaction, &failure)).await
    }

    async fn record_login(&self, login: &Login) -> Result<Saved> {
        let login = login.clone();
        self.writer.write(move |transaction| attempts::record_login(transaction, &login)).await
    }

    async fn refresh_token(&self, digest: &Digest) -> Result<Option<Family>> {
        self.read(|db| refresh_tokens::find(db, digest))
    }

    async fn refresh(&self, refresh: &Refresh) -> Result<Refreshed> {
        let refresh = refresh.clone();
        self.writer.write(move |transaction| refresh_tokens::refresh(transaction, &refresh)).await
    }

    async fn user_by_name(&self, name: &Username) -> Result<Option<User>> {
        self.read(|db| users::by_name(db, name))
    }

    async fn users(&self, after: Option<&Username>) -> Result<Vec<User>> {
        self.read(|db| users::page(db, after))
    }

    async fn create_user(&self, user: &NewUser, by: &Audit) -> Result<Made> {
        let (user, by) = (user.clone(), by.clone());
        self.writer.write(move |transaction| users::create(transaction, &user, &by)).await
    }

    async fn set_roles(&self, id: UserId, roles: &[RoleName], by: &Audit) -> Result<Changed> {
        let (roles, by) = (roles.to_vec(), by.clone());
        self.writer.write(move |transaction| users::set_roles(transaction, id, &roles, &by)).await
    }

    async fn set_status(&self, id: UserId, status: Status, by: &Audit) -> Result<Changed> {
        let by = by.clone();
        self.writer.write(move |transaction| users::set_status(transaction, id, status, &by)).await
    }

    async fn set_password(&self, change: &PasswordChange, by: &Audit) -> Result<Changed> {
        let (change, by) = (change.clone(), by.clone());
        self.writer.write(move |transaction| users::set_password(transaction, &change, &by)).await
    }

    async fn delete_user(&self, id: UserId, by: &Audit) -> Result<Changed> {
        let by = by.clone();
        self.writer.write(move |transaction| users::delete(transaction, id, &by)).await
    }

    async fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<Vec<SessionListing>> {
        self.read(|db| sessions::live_of(db, user, now))
    }

    async fn end_session(&self, id: SessionId, owner: Option<UserId>, by: &Audit) -> Result<Changed> {
        let by = by.clone();
        self.writer.write(move |transaction| sessions::end(transaction, id, owner, &by)).await
    }

    async fn end_sessions(&self, user: UserId, except: Option<SessionId>, by: &Audit) -> Result<Changed> {
        let by = by.clone();
        self.writer.write(move |transaction| sessions::end_all(transaction, user, except, &by)).await
    }

    async fn create_key(&self, key: &NewKey, by: &Audit) -> Result<KeyMade> {
        let (key, by) = (key.clone(), by.clone());
        self.writer.write(move |transaction| api_keys::create(transaction, &key, &by)).await
    }

    async fn api_keys_of(&self, user: UserId, now: Timestamp) -> Result<Vec<KeyListing>> {
        self.read(|db| api_keys::live_of(db, user, now))
    }

    async fn revoke_key(&self, id: KeyId, owner: Option<UserId>, by: &Audit) -> Result<Changed> {
        let by = by.clone();
        self.writer.write(move |transaction| api_keys::revoke(transaction, id, owner, &by)).await
    }

    async fn suspended_keys(&self, now: Timestamp, after: Option<KeyId>) -> Result<Vec<KeyId>> {
        self.read(|db| api_keys::suspended(db, now, after))
    }

    async fn resume_key(&self, id: KeyId, by: &Audit) -> Result<Changed> {
        let by = by.clone();
        self.writer.write(move |transaction| api_keys::resume(transaction, id, &by)).await
    }

    async fn record_key_uses(&self, uses: &[(KeyId, Timestamp)]) -> Result<()> {
        if uses.is_empty() {
            return Ok(());
        }
        let uses = uses.to_vec();
        self.writer.write(move |transaction| api_keys::record_uses(transaction.db(), &uses)).await
    }

    async fn client_by_name(&self, name: &ClientName) -> Result<Option<Client>> {
        self.read(|db| clients::by_name(db, name))
    }

    async fn clients(&self, after: Option<&ClientName>) -> Result<Vec<Client>> {
        self.read(|db| clients::page(db, after))
    }

    async fn suspended_clients(&self, after: Option<ClientId>) -> Result<Vec<ClientId>> {
        self.read(|db| clients::suspended(db, after))
    }

    async fn create_client(&self, client: &StoredClient, by: &Audit) -> Result<Made> {
        let (client, by) = (client.clone(), by.clone());
        self.writer.write(move |transaction| clients::create(transaction, &client, &by)).await
    }

    async fn rotate_client_secret(&self, rotation: &ClientRotation, by: &Audit) -> Result<Changed> {
        let (rotation, by) = (*rotation, by.clone());
        self.writer.write(move |transaction| clients::rotate(transaction, &rotation, &by)).await
    }

    async fn set_client_scope(&self, id: ClientId, scope: &Scope, by: &Audit) -> Result<Changed> {
        let (scope, by) = (scope.clone(), by.clone());
        self.writer.write(move |transaction| clients::set_scope(transaction, id, &scope, &by)).await
    }

    async fn set_client_status(
        &self,
        id: ClientId,
        status: ClientStatus,
        session: SessionId,
        by: &Audit,
    ) -> Result<Changed> {
        let by = by.clone();
        self.writer.write(move |transaction| clients::set_status(transaction, id, status, session, &by)).await
    }

    async fn end_client_session(
        &self,
        id: ClientId,
        session: SessionId,
        fresh: SessionId,
        by: &Audit,
    ) -> Result<Changed> {
        let by = by.clone();
        self.writer.write(move |transaction| clients::end_session(transaction, id, session, fresh, &by)).await
    }

    async fn delete_client(&self, id: ClientId, by: &Audit) -> Result<Changed> {
        let by = by.clone();
        self.writer.write(move |transaction| clients::delete(transaction, id, &by)).await
    }

    async fn import_users(&self, users: &[(NewUser, Audit)]) -> Result<Vec<Made>> {
        let users = users.to_vec();
        self.writer.write(move |transaction| legacy::import(transaction, &users)).await
    }

    async fn legacy_forms(&self) -> Result<Vec<LegacyForm>> {
        self.read(legacy::forms)
    }

    async fn record_basic_proof(&self, proven: &ProvenBasic) -> Result<Saved> {
        let proven = proven.clone();
        self.writer.write(move |transaction| legacy::record_proof(transaction, &proven)).await
    }

    async fn record_basic_uses(&self, uses: &[BasicUse]) -> Result<()> {
        if uses.is_empty() {
            return Ok(());
        }
        let uses = uses.to_vec();
        self.writer.write(move |transaction| legacy::record_uses(transaction.db(), &uses)).await
    }

    async fn basic_users(&self, after: Option<&Username>) -> Result<Vec<BasicUser>> {
        self.read(|db| legacy::page(db, after))
    }

    async fn public_url(&self) -> Result<Option<String>> {
        self.read(meta::public_url)
    }

    async fn set_public_url(&self, from: Option<&str>, url: &str, by: &Audit) -> Result<bool> {
        let (from, url, by) = (from.map(str::to_owned), url.to_owned(), by.clone());
        self.writer.write(move |transaction| meta::set_public_url(transaction, from.as_deref(), &url, &by)).await
    }

    async fn signing_keys(&self) -> Result<Vec<StoredKey>> {
        self.read(|db| keys::all(db, &self.root_key))
    }

    async fn turn_signing_keys(&self, turn: &KeyTurn, fresh: &[SigningKey]) -> Result<Turned> {
        let wrap = |key| signing_keys::wrap(key, &self.root_key, self.rng);
        let (turn, fresh) = (turn.clone(), fresh.iter().map(wrap).collect::<Result<Vec<_>>>()?);
        self.writer.write(move |transaction| keys::turn(transaction, &turn, &fresh)).await
    }

    async fn policy(&self) -> Result<Option<StoredPolicy>> {
        self.read(policies::in_force)
    }

    async fn set_policy(&self, text: &str, by: &Audit) -> Result<Changed> {
        let (text, by) = (text.to_owned(), by.clone());
        self.writer.write(move |transaction| policies::set(transaction, &text, &by)).await
    }

    async fn audit(&self, limit: u32) -> Result<Vec<AuditRow>> {
        self.read(|db| audit::newest(db, limit))
    }

    async fn failed_sign_ins(&self, user: Option<UserId>, since: Timestamp) -> Result<Option<FailedSignIns>> {
        self.read(|db| failed_sign_ins::since(db, user, since))
    }

    async fn sweep(&self, before: Timestamp) -> Result<u64> {
        let mut removed = 0;
        for _ in 0..retention::TRANSACTIONS_MAX {
            let went = self.writer.write(move |transaction| sweep::sweep(transaction.db(), before)).await?;
            removed += u64::from(went);
            if went < retention::ROWS_PER_TRANSACTION {
                break;
            }
        }
        Ok(removed)
    }

    async fn check(&self) -> Result<()> {
        self.writer.check_open()?;
        let db = self.readers.open()?;
        aside("keyfob-check", move || check(&db)).await
    }

    async fn backup(&self, file: &Path, by: &Audit) -> Result<Backup> {
        self.writer.check_open()?;
        let db = self.readers.open()?;
        let mut tag = [0; 8];
        self.rng.fill(&mut tag).map_err(|_| StoreError::Unavailable("there is no randomness".to_owned()))?;
        let (file, by) = (file.to_owned(), by.clone());
        let made = aside("keyfob-backup", move || backup::make(&db, &file, tag)).await?;
        self.writer.write(move |transaction| backup::record(transaction, &by)).await?;
        Ok(made)
    }

    async fn life(&self) -> Result<Life> {
        self.read(|db| Ok(Life { restored_at: meta::restored_at(db)?, backed_up_at: backup::last(db)? }))
    }

    async fn counts(&self) -> Result<Counts> {
        self.read(|db| {
            let counts = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let (users, sessions, audit) = db.prepare_cached(COUNTS)?.query_one([], counts)?;
            Ok(Counts {
                users: column::unsigned(users)?,
                sessions: column::unsigned(sessions)?,
                audit: column::unsigned(audit)?,
            })
        })
    }
}

/// Long work on a thread of its own: it reads the whole file, seconds for a large one, and others have requests to answer.
/// The work owns its connection and closes it before the answer: the last to close must be the one that empties the log.
async fn aside<T: Send + 'static>(name: &str, work: impl FnOnce() -> Outcome<T> + Send + 'static) -> Result<T> {
    let (reply, answer) = oneshot::channel();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || reply.send(work().map_err(StoreError::from)))
        .map_err(|cause| StoreError::Unavailable(format!("cannot start a thread: {cause}")))?;
    answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable(format!("{name} was broken off"))))
}

fn check(db: &Connection) -> Outcome<()> {
    let findings = db.prepare(INTEGRITY)?.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    if findings != ["ok"] {
        return Err(failure::corrupt(findings.join("; ")));
    }
    match db.prepare(FOREIGN_KEYS)?.query([])?.next()? {
        None => Ok(()),
        Some(row) => Err(failure::corrupt(format!("a row of {} refers to nothing", row.get::<_, String>(0)?))),
    }
}
