//! Sign-in attempts (SP 800-63B-4 §3.2.2): each is reserved before its password is hashed and settled after, so that
//! parallel guesses cannot outrun the count. What is counted here is judged by [`keyfob_core::throttle`]. An account
//! that does not exist is counted like any other, by the same statements, as long as it is among the newest of its kind
//! ([`Limits::unknown_names`]): what strangers invent has a fixed room (G15).

use keyfob_core::throttle::{Admission, Limits, Tally, admit};
use keyfob_core::time::Timestamp;
use keyfob_core::user::Status;
use rusqlite::{Connection, OptionalExtension as _};

use super::failure::Outcome;
use super::writer::Transaction;
use super::{audit, failed_sign_ins, legacy, sessions, users};
use crate::record::Horizon;
use crate::{Attempt, Audit, FailedAttempt, Login, ProvenAttempt, Reservation, Saved, column, sabotage};

/// Rows outside the window, or beyond the room of unknown names, that one attempt removes. Each adds one at most, so what is
/// beyond cannot grow, and nobody waits for what a lowered limit leaves over.
const REMOVED_PER_ATTEMPT: u32 = 16;

// ?2: the window is after this instant. ?3: a reservation of this instant or before has lapsed. ?4: the earlier one.
const TALLY_ACCOUNT: &str = "SELECT \
    count(*) FILTER (WHERE at > ?2 AND (failed = 1 OR at <= ?3)), \
    count(*) FILTER (WHERE failed = 0 AND at > ?3), \
    min(at) FILTER (WHERE at > ?2 AND (failed = 1 OR at <= ?3)) \
    FROM attempts WHERE account = ?1 AND at > ?4";
const TALLY_ADDRESS: &str = "SELECT \
    count(*) FILTER (WHERE at > ?2 AND (failed = 1 OR at <= ?3)), \
    count(*) FILTER (WHERE failed = 0 AND at > ?3), \
    min(at) FILTER (WHERE at > ?2 AND (failed = 1 OR at <= ?3)) \
    FROM attempts WHERE address = ?1 AND at > ?4";
const CONSECUTIVE: &str = "SELECT consecutive FROM throttles WHERE account = ?1";
// Attempts at names that nobody has are numbered, so that the oldest of them can be forgotten.
const RESERVE: &str = "INSERT INTO attempts (id, account, address, at, failed, unknown) VALUES (?1, ?2, ?3, ?4, 0, \
    iif(EXISTS (SELECT 1 FROM users WHERE account = ?2), NULL, \
    (SELECT coalesce(max(unknown), 0) + 1 FROM attempts WHERE unknown IS NOT NULL)))";
const LAPSE: &str = "UPDATE attempts SET failed = 1 WHERE account = ?1 AND failed = 0 AND at <= ?2";
const FAIL: &str = "UPDATE attempts SET failed = 1 WHERE id = ?1 AND failed = 0";
const COUNT_FAILURES: &str = "INSERT INTO throttles (account, consecutive, failed_at, unknown) VALUES (?1, ?2, ?3, \
    iif(EXISTS (SELECT 1 FROM users WHERE account = ?1), NULL, \
    (SELECT coalesce(max(unknown), 0) + 1 FROM throttles WHERE unknown IS NOT NULL))) \
    ON CONFLICT (account) DO UPDATE SET consecutive = consecutive + excluded.consecutive, \
    failed_at = max(failed_at, excluded.failed_at), unknown = excluded.unknown";
const FORGET_ATTEMPTS: &str = "DELETE FROM attempts WHERE id IN (SELECT id FROM attempts \
    WHERE unknown <= (SELECT max(unknown) FROM attempts WHERE unknown IS NOT NULL) - ?1 ORDER BY unknown LIMIT ?2)";
const FORGET_THROTTLES: &str = "DELETE FROM throttles WHERE account IN (SELECT account FROM throttles \
    WHERE unknown <= (SELECT max(unknown) FROM throttles WHERE unknown IS NOT NULL) - ?1 ORDER BY unknown LIMIT ?2)";
const LOCK: &str = "UPDATE throttles SET locked_at = ?2 WHERE account = ?1 AND consecutive >= ?3 AND locked_at IS NULL";
const REMOVE: &str = "DELETE FROM attempts WHERE id = ?1";
const FORGIVE: &str = "DELETE FROM attempts WHERE account = ?1 AND address = ?2 AND failed = 1";
const CLEAR_FAILURES: &str = "DELETE FROM attempts WHERE account = ?1 AND failed = 1";
const CLEAR_CONSECUTIVE: &str = "DELETE FROM throttles WHERE account = ?1";
const EXPIRED: &str = "SELECT id, account, at, failed FROM attempts WHERE at <= ?1 ORDER BY at LIMIT ?2";

/// Reserve an attempt if the throttle admits it, and read the account.
pub(super) fn reserve(transaction: &Transaction<'_>, attempt: &Attempt) -> Outcome<Reservation> {
    let db = transaction.db();
    let horizon = Horizon::of(&attempt.limits, attempt.at);
    expire(db, horizon.earliest, REMOVED_PER_ATTEMPT)?;
    let lapsed = db.prepare_cached(LAPSE)?.execute((attempt.account, horizon.lapsed.micros()))?;
    count_failures(db, &attempt.account, lapsed, attempt.at)?;
    lock(db, &attempt.account, &attempt.limits, attempt.at)?;

    let mut account = tally(db, TALLY_ACCOUNT, &attempt.account, &horizon)?;
    account.consecutive = consecutive(db, &attempt.account)?;
    let address = tally(db, TALLY_ADDRESS, &attempt.address, &horizon)?;
    match admit(&attempt.limits, &account, &address, attempt.at) {
        Admission::Proceed => {
            let values = (attempt.id, attempt.account, attempt.address, attempt.at.micros());
            db.prepare_cached(RESERVE)?.execute(values)?;
            db.prepare_cached(FORGET_ATTEMPTS)?.execute([attempt.limits.unknown_names, REMOVED_PER_ATTEMPT])?;
            Ok(Reservation::Reserved(users::account(db, attempt.username.as_ref())?))
        }
        Admission::Wait => Ok(Reservation::Wait),
        Admission::Refuse { retry_after } => Ok(Reservation::Refused { retry_after }),
    }
}

/// Settle a reservation as failed.
pub(super) fn record_failed(transaction: &Transaction<'_>, failure: &FailedAttempt) -> Outcome<()> {
    let (db, at) = (transaction.db(), failure.at);
    settle_as_failed(db, failure.attempt, &failure.account, at)?;
    db.prepare_cached(FORGET_THROTTLES)?.execute([failure.limits.unknown_names, REMOVED_PER_ATTEMPT])?;
    failed_sign_ins::count(db, failure)?;
    lock(db, &failure.account, &failure.limits, at)
}

/// Settle a reservation as right and start the session, if what was judged still holds.
pub(super) fn record_login(transaction: &mut Transaction<'_>, login: &Login) -> Outcome<Saved> {
    let db = transaction.db();
    let user = users::find(db, login.session.user)?;
    let proof = ProvenAttempt { attempt: login.attempt, account: login.account, address: login.address };
    let moved = user.is_none_or(|user| user.status != Status::Active || user.auth_version != login.auth_version);
    if moved && !sabotage::chosen(sabotage::STALE_USER) {
        settle_proven_as_failed(db, Some(&proof), login.audit.at)?;
        return Ok(Saved::Stale);
    }
    settle_as_right(db, &proof)?;
    if let Some(password) = &login.rehash {
        legacy::rehash(db, login.session.user, password, login.audit.at)?;
    }
    audit::append(db, &login.audit)?;
    // Before the new one is there: it is not to be its own victim.
    let displaced = sessions::displace(transaction, login)?;
    sessions::start(transaction.db(), login)?;
    Ok(if displaced { Saved::At(transaction.revision()) } else { Saved::Saved })
}

/// Settle a reservation as right. It ends the failures in a row, and forgives those of its own address (SP 800-63B-4
/// §3.2.2): the guesses of others stay in the window, or each sign-in of the user would give them new ones.
pub(super) fn settle_as_right(db: &Connection, proof: &ProvenAttempt) -> Outcome<()> {
    db.prepare_cached(REMOVE)?.execute([proof.attempt])?;
    db.prepare_cached(FORGIVE)?.execute((proof.account, proof.address))?;
    db.prepare_cached(CLEAR_CONSECUTIVE)?.execute([proof.account])?;
    Ok(())
}

/// Settle a reservation, if there is one, as failed although its password was right: what it was judged on is gone.
pub(super) fn settle_proven_as_failed(db: &Connection, proof: Option<&ProvenAttempt>, at: Timestamp) -> Outcome<()> {
    proof.map_or(Ok(()), |proof| settle_as_failed(db, proof.attempt, &proof.account, at))
}

/// An operator lifts the throttle: forget the failures of an account, whoever made them. Reservations in flight stay and
/// count when they fail. Whether there were any failures.
pub(super) fn clear(db: &Connection, account: &[u8; 32]) -> Outcome<bool> {
    let failures = db.prepare_cached(CLEAR_FAILURES)?.execute([account])?;
    let consecutive = db.prepare_cached(CLEAR_CONSECUTIVE)?.execute([account])?;
    Ok(failures + consecutive > 0)
}

/// Remove attempts of `until` or before, at most `limit`. A reservation among them was never settled: it is counted
/// among the consecutive failures first, so that nobody gains a guess by letting it lapse.
pub(super) fn expire(db: &Connection, until: Timestamp, limit: u32) -> Outcome<u32> {
    let mut statement = db.prepare_cached(EXPIRED)?;
    let rows = statement.query_map((until.micros(), limit), |row| {
        Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, [u8; 32]>(1)?, row.get(2)?, row.get::<_, bool>(3)?))
    })?;
    let mut removed = 0;
    for row in rows.collect::<Result<Vec<_>, _>>()? {
        let (id, account, at, failed) = row;
        count_failures(db, &account, usize::from(!failed), column::time(at))?;
        db.prepare_cached(REMOVE)?.execute([id])?;
        removed += 1;
    }
    Ok(removed)
}

fn tally(db: &Connection, sql: &str, digest: &[u8; 32], horizon: &Horizon) -> Outcome<Tally> {
    let values = (digest, horizon.window.micros(), horizon.lapsed.micros(), horizon.earliest.micros());
    let tally = db.prepare_cached(sql)?.query_one(values, |row| {
        Ok(Tally {
            failures: row.get(0)?,
            pending: row.get(1)?,
            consecutive: 0,
            oldest_failure_at: row.get::<_, Option<i64>>(2)?.map(column::time),
        })
    });
    Ok(tally?)
}

fn consecutive(db: &Connection, account: &[u8; 32]) -> Outcome<u32> {
    let count = db.prepare_cached(CONSECUTIVE)?.query_one([account], |row| row.get(0)).optional()?;
    Ok(count.unwrap_or(0))
}

/// If an account has just had too many failures in a row, say so in the audit, once: an operator must act. A name that
/// nobody has is locked too, and in no audit row.
fn lock(db: &Connection, account: &[u8; 32], limits: &Limits, at: Timestamp) -> Outcome<()> {
    let locked = db.prepare_cached(LOCK)?.execute((account, at.micros(), limits.consecutive_failures))?;
    if locked == 0 {
        return Ok(());
    }
    let Some((id, username)) = users::named_by_digest(db, account)? else { return Ok(()) };
    audit::append(db, &Audit::locked(at, id, &username, limits.consecutive_failures))
}

/// Settled already (it lapsed) or gone (it expired): then it has been counted.
fn settle_as_failed(db: &Connection, attempt: [u8; 16], account: &[u8; 32], at: Timestamp) -> Outcome<()> {
    let settled = db.prepare_cached(FAIL)?.execute([attempt])?;
    count_failures(db, account, settled, at)
}

fn count_failures(db: &Connection, account: &[u8; 32], count: usize, at: Timestamp) -> Outcome<()> {
    if count > 0 {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        db.prepare_cached(COUNT_FAILURES)?.execute((account, count, at.micros()))?;
    }
    Ok(())
}
