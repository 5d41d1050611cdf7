//! Removes what nothing can need any more, a little at a time. What somebody else holds is left for the next time, so that
//! no sign-in waits behind it, and two nodes that sweep at once do not wait for each other.

use keyfob_core::time::Timestamp;

use super::failure::Outcome;
use super::transaction::{Answer, Db, Transaction};
use super::{attempts, row};
use crate::retention::{ATTEMPT_KEPT, CHANGE_KEPT, FAILED_SIGN_INS_KEPT, ROWS_PER_TRANSACTION, UNKNOWN_KEPT};

const EXPIRED_SESSIONS: &str = "WITH gone AS (DELETE FROM sessions WHERE id IN \
    (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
    RETURNING 1) SELECT count(*) FROM gone";
const ENDED_SESSIONS: &str = "WITH gone AS (DELETE FROM sessions WHERE id IN \
    (SELECT id FROM sessions WHERE ended_at < $1 ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
    RETURNING 1) SELECT count(*) FROM gone";
const EXPIRED_KEYS: &str = "WITH gone AS (DELETE FROM api_keys WHERE id IN \
    (SELECT id FROM api_keys WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
    RETURNING 1) SELECT count(*) FROM gone";
const REVOKED_KEYS: &str = "WITH gone AS (DELETE FROM api_keys WHERE id IN \
    (SELECT id FROM api_keys WHERE revoked_at < $1 ORDER BY revoked_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
    RETURNING 1) SELECT count(*) FROM gone";
const UNKNOWN_THROTTLES: &str = "WITH gone AS (DELETE FROM throttles WHERE account IN \
    (SELECT account FROM throttles t WHERE failed_at < $1 \
    AND NOT EXISTS (SELECT 1 FROM users u WHERE u.account = t.account) LIMIT $2 FOR UPDATE SKIP LOCKED) \
    RETURNING 1) SELECT count(*) FROM gone";
const OLD_FAILED_SIGN_INS: &str = "WITH gone AS (DELETE FROM failed_sign_ins WHERE (\"user\", hour, network) IN \
    (SELECT \"user\", hour, network FROM failed_sign_ins WHERE hour < $1 ORDER BY hour LIMIT $2 \
    FOR UPDATE SKIP LOCKED) RETURNING 1) SELECT count(*) FROM gone";
// Only from the old end and never the newest, so that a reader can tell a gap from the end.
const OLD_CHANGES: &str = "WITH gone AS (DELETE FROM changes \
    WHERE revision < (SELECT min(revision) FROM changes) + $2 \
    AND revision < coalesce((SELECT revision FROM changes WHERE at >= $1 ORDER BY revision LIMIT 1), \
    (SELECT max(revision) FROM changes)) RETURNING 1) SELECT count(*) FROM gone";

/// Remove up to [`ROWS_PER_TRANSACTION`] rows. Returns how many went.
pub(super) async fn sweep(transaction: &mut Transaction<'_>, before: Timestamp) -> Outcome<Answer<u32>> {
    let mut left = ROWS_PER_TRANSACTION;
    left -= delete(transaction, EXPIRED_SESSIONS, before, left).await?;
    left -= delete(transaction, ENDED_SESSIONS, before, left).await?;
    left -= delete(transaction, EXPIRED_KEYS, before, left).await?;
    left -= delete(transaction, REVOKED_KEYS, before, left).await?;
    left -= attempts::expire(transaction, before - ATTEMPT_KEPT, left).await?;
    left -= delete(transaction, UNKNOWN_THROTTLES, before - UNKNOWN_KEPT, left).await?;
    left -= delete(transaction, OLD_FAILED_SIGN_INS, before - FAILED_SIGN_INS_KEPT, left).await?;
    left -= delete(transaction, OLD_CHANGES, before - CHANGE_KEPT, left).await?;
    Ok(Answer::Known(ROWS_PER_TRANSACTION - left))
}

async fn delete(transaction: &mut Transaction<'_>, sql: &str, before: Timestamp, limit: u32) -> Outcome<u32> {
    let found = transaction.row(sql, &[&before.micros(), &i64::from(limit)]).await?;
    Ok(found.map(|found| row::count(&found, 0)).transpose()?.unwrap_or(0).min(limit))
}
