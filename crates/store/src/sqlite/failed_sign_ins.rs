//! What an operator sees of failed sign-ins: counts for each user, hour and network, never a row for each failure, so that
//! strangers cannot fill the disk (G15). All names that nobody has are counted as one. Never keeps what was typed.

use keyfob_core::id::UserId;
use keyfob_core::time::Timestamp;
use rusqlite::Connection;

use super::failure::Outcome;
use crate::{FailedAttempt, FailedSignIns, column};

/// Networks that a user's failures of one hour are told apart by; those of more are counted together.
const NETWORKS_MAX: u32 = 8;

const HOUR_MICROS: i64 = 3_600_000_000;

/// Stands for the names that nobody has; no id is like it, for a UUID has its version.
const NOBODY: [u8; 16] = [0; 16];

// The same writes whoever the account was. No network is the empty text: that stands for those beyond the limit.
const COUNT: &str = "INSERT INTO failed_sign_ins (user, hour, network, count, first_at, last_at) \
    SELECT who.id, ?2, iif( \
        EXISTS (SELECT 1 FROM failed_sign_ins WHERE user = who.id AND hour = ?2 AND network = ?3) \
        OR (SELECT count(*) FROM failed_sign_ins WHERE user = who.id AND hour = ?2 AND network != '') < ?5, \
        ?3, ''), 1, ?4, ?4 \
    FROM (SELECT coalesce((SELECT id FROM users WHERE account = ?1), zeroblob(16)) AS id) AS who WHERE true \
    ON CONFLICT (user, hour, network) DO UPDATE SET count = count + 1, \
    first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)";
const SINCE: &str = "SELECT sum(count), min(first_at), max(last_at), count(DISTINCT network) FROM failed_sign_ins \
    WHERE user = ?1 AND hour >= ?2 HAVING sum(count) > 0";
const DELETE_ALL: &str = "DELETE FROM failed_sign_ins WHERE user = ?1";

/// Count one.
pub(super) fn count(db: &Connection, failure: &FailedAttempt) -> Outcome<()> {
    let (at, network) = (failure.at.micros(), failure.network.as_str());
    db.prepare_cached(COUNT)?.execute((failure.account, hour_of(at), network, at, NETWORKS_MAX))?;
    Ok(())
}

/// Those of a user, or of the names that nobody has, from the hour of `since` on.
pub(super) fn since(db: &Connection, user: Option<UserId>, since: Timestamp) -> Outcome<Option<FailedSignIns>> {
    let mut statement = db.prepare_cached(SINCE)?;
    let mut rows = statement.query((user.map_or(NOBODY, UserId::to_bytes), hour_of(since.micros())))?;
    let Some(found) = rows.next()? else { return Ok(None) };
    Ok(Some(FailedSignIns {
        count: column::unsigned(found.get(0)?)?,
        first_at: column::time(found.get(1)?),
        last_at: column::time(found.get(2)?),
        networks: found.get(3)?,
    }))
}

/// Remove the rows of a user that goes.
pub(super) fn delete_all(db: &Connection, user: UserId) -> Outcome<()> {
    db.prepare_cached(DELETE_ALL)?.execute([user.to_bytes()])?;
    Ok(())
}

fn hour_of(micros: i64) -> i64 {
    micros.div_euclid(HOUR_MICROS) * HOUR_MICROS
}
