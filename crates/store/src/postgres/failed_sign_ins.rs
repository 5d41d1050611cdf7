//! What an operator sees of failed sign-ins: counts for each user, hour and network, never a row for each failure, so that
//! strangers cannot fill the disk (G15). All names that nobody has are counted as one. Never keeps what was typed.

use keyfob_core::id::UserId;
use keyfob_core::time::Timestamp;

use super::failure::Outcome;
use super::row;
use super::transaction::{Db, Transaction};
use crate::{FailedAttempt, FailedSignIns, column};

/// Networks that a user's failures of one hour are told apart by; those of more are counted together.
const NETWORKS_MAX: i64 = 8;

const HOUR_MICROS: i64 = 3_600_000_000;

/// Stands for the names that nobody has; no id is like it, for a UUID has its version.
const NOBODY: [u8; 16] = [0; 16];

const COUNT: &str = "UPDATE failed_sign_ins SET count = count + 1, first_at = least(first_at, $4), \
    last_at = greatest(last_at, $4) WHERE \"user\" = coalesce((SELECT id FROM users WHERE account = $1), $5) \
    AND hour = $2 AND network = $3 RETURNING true";
// Networks are counted by one failure of a user at a time, or there could be more of them than the limit.
const HOLD: &str = "SELECT pg_advisory_xact_lock(hashtextextended( \
    encode(coalesce((SELECT id FROM users WHERE account = $1), $2), 'hex'), 0))";
// No network is the empty text: that stands for those beyond the limit.
const BEGIN: &str = "INSERT INTO failed_sign_ins (\"user\", hour, network, count, first_at, last_at) \
    SELECT who.id, $2, CASE WHEN \
        EXISTS (SELECT 1 FROM failed_sign_ins WHERE \"user\" = who.id AND hour = $2 AND network = $3) \
        OR (SELECT count(*) FROM failed_sign_ins WHERE \"user\" = who.id AND hour = $2 AND network != '') < $5 \
        THEN $3 ELSE '' END, 1, $4, $4 \
    FROM (SELECT coalesce((SELECT id FROM users WHERE account = $1), $6) AS id) AS who \
    ON CONFLICT (\"user\", hour, network) DO UPDATE SET count = failed_sign_ins.count + 1, \
    first_at = least(failed_sign_ins.first_at, excluded.first_at), \
    last_at = greatest(failed_sign_ins.last_at, excluded.last_at)";
const SINCE: &str = "SELECT sum(count)::bigint, min(first_at), max(last_at), count(DISTINCT network) \
    FROM failed_sign_ins WHERE \"user\" = $1 AND hour >= $2 HAVING sum(count) > 0";
const DELETE_ALL: &str = "DELETE FROM failed_sign_ins WHERE \"user\" = $1";

/// Count one. The same statements whoever the account was.
pub(super) async fn count(transaction: &mut Transaction<'_>, failure: &FailedAttempt) -> Outcome<()> {
    let (account, at, network) = (failure.account, failure.at.micros(), row::text(&failure.network));
    if transaction.row(COUNT, &[&account, &hour_of(at), &network, &at, &NOBODY]).await?.is_some() {
        return Ok(());
    }
    transaction.later(HOLD, values![account, NOBODY]);
    transaction.later(BEGIN, values![account, hour_of(at), network, at, NETWORKS_MAX, NOBODY]);
    Ok(())
}

/// Those of a user, or of the names that nobody has, from the hour of `since` on.
pub(super) async fn since(db: &mut impl Db, user: Option<UserId>, since: Timestamp) -> Outcome<Option<FailedSignIns>> {
    let user = user.map_or(NOBODY, UserId::to_bytes);
    let Some(found) = db.row(SINCE, &[&user, &hour_of(since.micros())]).await? else { return Ok(None) };
    Ok(Some(FailedSignIns {
        count: column::unsigned(row::column(&found, 0)?)?,
        first_at: column::time(row::column(&found, 1)?),
        last_at: column::time(row::column(&found, 2)?),
        networks: row::count(&found, 3)?,
    }))
}

/// Remove the rows of a user that goes.
pub(super) fn delete_all(transaction: &mut Transaction<'_>, user: UserId) {
    transaction.later(DELETE_ALL, values![user.to_bytes()]);
}

fn hour_of(micros: i64) -> i64 {
    micros.div_euclid(HOUR_MICROS) * HOUR_MICROS
}
