//! Whether this database can keep what keyfob promises, whether what is stored can be right, and how much of it there is.
//! PostgreSQL looks after its own pages; what is looked at here is what keyfob alone knows: that the feed has no gap and does
//! not end beyond the revision.

use super::failure::{Outcome, corrupt};
use super::row;
use super::transaction::Db;
use crate::{Counts, StoreError, column};

/// The oldest PostgreSQL that this is tested on.
const VERSION_MIN: i64 = 15;

const SERVER: &str = "SELECT current_setting('server_version_num')::bigint / 10000, current_setting('server_encoding'), \
    current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on', \
    current_setting('synchronous_commit') NOT IN ('off', 'local')";
const FEED: &str = "SELECT (SELECT revision FROM meta), coalesce(max(revision), 0), \
    coalesce(max(revision) - min(revision) + 1 - count(*), 0) FROM changes";
const COUNTS: &str =
    "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM sessions), (SELECT count(*) FROM audit)";

/// Refuse a database that cannot keep what was acknowledged, or cannot be written at all.
pub(super) async fn admit(db: &mut impl Db) -> Outcome<()> {
    let found = db.row(SERVER, &[]).await?.ok_or_else(|| corrupt("a setting has no row"))?;
    let (version, encoding): (i64, String) = (row::column(&found, 0)?, row::column(&found, 1)?);
    let (synced, synchronous): (bool, bool) = (row::column(&found, 2)?, row::column(&found, 3)?);
    let refused = |text: String| Err(StoreError::Unavailable(text).into());
    if version < VERSION_MIN {
        return refused(format!("PostgreSQL {version} is too old: keyfob needs {VERSION_MIN} or newer"));
    }
    if encoding != "UTF8" {
        return refused(format!("the database is encoded in {encoding}: make one with the encoding UTF8"));
    }
    if !synced || !synchronous {
        let text = "this server can lose what it committed: set fsync, full_page_writes and synchronous_commit to on";
        return refused(text.to_owned());
    }
    Ok(())
}

/// Look.
pub(super) async fn check(db: &mut impl Db) -> Outcome<()> {
    let found = db.row(FEED, &[]).await?.ok_or_else(|| corrupt("a count has no row"))?;
    let (revision, newest): (Option<i64>, i64) = (row::column(&found, 0)?, row::column(&found, 1)?);
    let missing: i64 = row::column(&found, 2)?;
    match revision {
        None => Err(corrupt("the row of the installation is gone")),
        Some(revision) if newest > revision || (newest != 0 && newest < revision) => {
            Err(corrupt(format!("the revision is {revision}, and the feed ends at {newest}")))
        }
        Some(_) if missing != 0 => Err(corrupt(format!("{missing} changes are missing in the feed"))),
        Some(_) => Ok(()),
    }
}

/// Count.
pub(super) async fn counts(db: &mut impl Db) -> Outcome<Counts> {
    let found = db.row(COUNTS, &[]).await?.ok_or_else(|| corrupt("a count has no row"))?;
    let count = |index| -> Outcome<u64> { Ok(column::unsigned(row::column(&found, index)?)?) };
    Ok(Counts { users: count(0)?, sessions: count(1)?, audit: count(2)? })
}
