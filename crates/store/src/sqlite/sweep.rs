//! Removes what nothing can need any more, a little at a time, so that no sign-in waits behind it.

use keyfob_core::time::Timestamp;
use rusqlite::Connection;

use super::attempts;
use super::failure::Outcome;
use crate::retention::{ATTEMPT_KEPT, CHANGE_KEPT, FAILED_SIGN_INS_KEPT, ROWS_PER_TRANSACTION, UNKNOWN_KEPT};

const EXPIRED_SESSIONS: &str = "DELETE FROM sessions WHERE id IN \
    (SELECT id FROM sessions WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
const ENDED_SESSIONS: &str = "DELETE FROM sessions WHERE id IN \
    (SELECT id FROM sessions WHERE ended_at < ?1 ORDER BY ended_at LIMIT ?2)";
const EXPIRED_KEYS: &str = "DELETE FROM api_keys WHERE id IN \
    (SELECT id FROM api_keys WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
const REVOKED_KEYS: &str = "DELETE FROM api_keys WHERE id IN \
    (SELECT id FROM api_keys WHERE revoked_at < ?1 ORDER BY revoked_at LIMIT ?2)";
const UNKNOWN_THROTTLES: &str = "DELETE FROM throttles WHERE account IN \
    (SELECT account FROM throttles WHERE failed_at < ?1 AND account NOT IN (SELECT account FROM users) LIMIT ?2)";
const OLD_FAILED_SIGN_INS: &str = "DELETE FROM failed_sign_ins WHERE (user, hour, network) IN \
    (SELECT user, hour, network FROM failed_sign_ins WHERE hour < ?1 ORDER BY hour LIMIT ?2)";
// Only from the old end and never the newest, so that a reader can tell a gap from the end.
const OLD_CHANGES: &str = "DELETE FROM changes WHERE revision < (SELECT min(revision) FROM changes) + ?2 \
    AND revision < coalesce((SELECT revision FROM changes WHERE at >= ?1 ORDER BY revision LIMIT 1), \
    (SELECT max(revision) FROM changes))";

/// Remove up to [`ROWS_PER_TRANSACTION`] rows. Returns how many went.
pub(super) fn sweep(db: &Connection, before: Timestamp) -> Outcome<u32> {
    let mut left = ROWS_PER_TRANSACTION;
    left -= delete(db, EXPIRED_SESSIONS, before, left)?;
    left -= delete(db, ENDED_SESSIONS, before, left)?;
    left -= delete(db, EXPIRED_KEYS, before, left)?;
    left -= delete(db, REVOKED_KEYS, before, left)?;
    left -= attempts::expire(db, before - ATTEMPT_KEPT, left)?;
    left -= delete(db, UNKNOWN_THROTTLES, before - UNKNOWN_KEPT, left)?;
    left -= delete(db, OLD_FAILED_SIGN_INS, before - FAILED_SIGN_INS_KEPT, left)?;
    left -= delete(db, OLD_CHANGES, before - CHANGE_KEPT, left)?;
    Ok(ROWS_PER_TRANSACTION - left)
}

fn delete(db: &Connection, sql: &str, before: Timestamp, limit: u32) -> Outcome<u32> {
    let removed = db.prepare_cached(sql)?.execute((before.micros(), limit))?;
    Ok(u32::try_from(removed).unwrap_or(limit).min(limit))
}
