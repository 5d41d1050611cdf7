//! Connections: one that writes and a few that read. Refuses an `SQLite` that can lose commits, keeps the file private,
//! and makes every commit durable (`synchronous=FULL`). Never opens a file for writing that is another program's.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::failure::Outcome;
use crate::{Result, StoreError};

/// The oldest `SQLite` whose write-ahead log cannot lose commits when it is reset while another connection reads.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// How long a statement waits for a lock. Nobody else writes, so it waits for a backup's or an operator's short lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements kept per connection: more than there are statements here.
const STATEMENTS_MAX: usize = 96;

/// Connections kept for reading; there are as many in use as there are threads that read at one instant.
const READERS_KEPT_MAX: usize = 32;

/// Bytes of write-ahead log kept on disk after a checkpoint; what a burst needed beyond it is given back.
const WAL_BYTES_KEPT: i64 = 16 * 1024 * 1024;

/// Permission bits of anybody but the owner.
const GROUP_AND_OTHERS: u32 = 0o077;

const NO_MUTEX: OpenFlags = OpenFlags::SQLITE_OPEN_NO_MUTEX;

/// Open `path` for writing, making an empty private file first if there is none. Touches no byte of an existing one.
pub(super) fn open(path: &Path) -> Result<Connection> {
    refuse_old_sqlite(rusqlite::version_number())?;
    make_private(path).map_err(|cause| {
        StoreError::Unavailable(format!(
            "cannot make or protect {}: {cause}; the data directory must exist and belong to the user that runs keyfob",
            path.display()
        ))
    })?;
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | NO_MUTEX).map_err(|cause| {
        StoreError::Unavailable(format!("cannot open {}: {cause}; is it writable for this user?", path.display()))
    })?;
    settle(&db)?;
    Ok(db)
}

/// Make `db` the writer: write-ahead log, every commit synced, references enforced, deleted bytes overwritten.
pub(super) fn prepare_to_write(db: &Connection) -> Outcome<()> {
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        let text = format!("this file system has no shared memory for SQLite's write-ahead log (mode {mode})");
        return Err(StoreError::Unavailable(text).into());
    }
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "secure_delete", "FAST")?;
    db.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES_KEPT, |_| Ok(()))?;
    Ok(())
}

/// The connections that read, each used by one thread at a time on that thread: a read takes microseconds, less than
/// handing it to another thread would.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Readers of `path`; none is opened yet.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Mutex::new(Vec::new()) }
    }

    /// Read with an idle connection or a new one. One that failed is not used again.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Outcome<T>) -> Result<T> {
        let idle = self.lock().pop();
        let db = match idle {
            Some(db) => db,
            None => self.open().map_err(|failure| failure.error)?,
        };
        let answer = work(&db).map_err(|failure| failure.error)?;
        let mut idle = self.lock();
        if idle.len() < READERS_KEPT_MAX {
            idle.push(db);
        }
        Ok(answer)
    }

    /// A new read-only connection, for long work such as an integrity check.
    pub(super) fn open(&self) -> Outcome<Connection> {
        let db = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY | NO_MUTEX)?;
        settle(&db)?;
        Ok(db)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // Nothing can panic while the lock is held, and a list of connections has no broken state.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn settle(db: &Connection) -> Result<()> {
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    let settled = db
        .busy_timeout(BUSY_TIMEOUT)
        .and_then(|()| db.pragma_update(None, "trusted_schema", false))
        // Else a statement with a parameter in its LIMIT is compiled again each time it is used.
        .and_then(|()| db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop))
        .and_then(|()| db.pragma_update(None, "cell_size_check", true));
    settled.map_err(|cause| StoreError::Unavailable(cause.to_string()))
}

fn refuse_old_sqlite(version: i32) -> Result<()> {
    if version < SQLITE_VERSION_MIN {
        let text = format!("SQLite {version} can lose commits; keyfob needs {SQLITE_VERSION_MIN} (3.51.3) or newer");
        return Err(StoreError::Unavailable(text));
    }
    Ok(())
}

/// The file exists and is its owner's alone. An existing file is never opened here: closing a second descriptor of it
/// would release the locks that `SQLite` holds on it in this process.
fn make_private(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.sync_all()?;
            File::open(crate::directory_of(path))?.sync_all()
        }
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {
            let mode = fs::metadata(path)?.permissions().mode();
            if mode & GROUP_AND_OTHERS == 0 {
                return Ok(());
            }
            tracing::warn!(path = %path.display(), "the database was open to others: made private (mode 0600)");
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        }
        Err(cause) => Err(cause),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_is_compiled_once_whatever_it_is_given() {
        let db = Connection::open_in_memory().unwrap();
        settle(&db).unwrap();
        db.execute_batch("CREATE TABLE rows (number INTEGER PRIMARY KEY)").unwrap();
        let mut statement = db.prepare_cached("SELECT number FROM rows WHERE number > ?1 LIMIT ?2").unwrap();
        for limit in 1..9 {
            assert!(!statement.exists((limit, limit)).unwrap());
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }

    #[test]
    fn an_sqlite_that_can_lose_commits_is_refused() {
        assert!(refuse_old_sqlite(3_051_002).is_err());
        assert!(refuse_old_sqlite(SQLITE_VERSION_MIN).is_ok());
        assert!(refuse_old_sqlite(rusqlite::version_number()).is_ok());
    }
}
