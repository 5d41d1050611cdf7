//! Whether what is stored can be right, and how much of it there is. PostgreSQL looks after its own pages; what is looked at
//! here is what keyfob alone knows: that the feed has no gap and does not end beyond the revision.

use super::failure::{Outcome, corrupt};
use super::row;
use super::transaction::Db;
use crate::{Counts, column};

const FEED: &str = "SELECT (SELECT revision FROM meta), coalesce(max(revision), 0), \
    coalesce(max(revision) - min(revision) + 1 - count(*), 0) FROM changes";
const COUNTS: &str =
    "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM sessions), (SELECT count(*) FROM audit)";

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
