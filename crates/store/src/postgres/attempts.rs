//! Sign-in attempts (SP 800-63B-4 §3.2.2): each is reserved before its password is hashed and settled after, so that
//! parallel guesses cannot outrun the count: whoever reserves holds the lock of the account and that of the address. What is
//! counted here is judged by [`keyfob_core::throttle`]. An account that does not exist is counted like any other, by the
//! same statements, as long as it is among the newest of its kind ([`keyfob_core::throttle::Limits::unknown_names`]): what
//! strangers invent has a fixed room (G15).

use std::collections::BTreeMap;

use keyfob_core::id::UserId;
use keyfob_core::throttle::{Admission, Limits, Tally, admit};
use keyfob_core::time::Timestamp;
use keyfob_core::user::Status;
use tokio_postgres::Row;

use super::failure::Outcome;
use super::transaction::{Answer, Db, Transaction};
use super::{failed_sign_ins, legacy, locks, row, sessions, users};
use crate::record::Horizon;
use crate::{Attempt, Audit, FailedAttempt, Login, ProvenAttempt, Reservation, Saved, column, sabotage};

/// Rows outside the window, or beyond the room of unknown names, that one attempt removes. Each adds one at most, so what is
/// beyond cannot grow, and nobody waits for what a lowered limit leaves over.
const REMOVED_PER_ATTEMPT: u32 = 16;

/// Where the columns of the user begin in the tally.
const USER_AT: usize = 7;

// Waits for whoever removes or settles one of them: then the failures in a row that it counted are seen below.
const LAPSE: &str = "UPDATE attempts SET failed = 1 WHERE account = $1 AND failed = 0 AND at <= $2 RETURNING id";
const EXPIRE: &str = "DELETE FROM attempts WHERE id IN \
    (SELECT id FROM attempts WHERE at <= $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING account, at, failed";
// $3: the window is after this instant. $4: a reservation of this instant or before has lapsed. $5: the earlier one.
const TALLY: &str = "SELECT a.failures, a.pending, a.oldest, d.failures, d.pending, d.oldest, \
    coalesce((SELECT consecutive FROM throttles WHERE account = $1), 0), \
    u.id, u.username, u.status, u.roles, u.auth_version, u.created_at, u.password \
    FROM (SELECT count(*) FILTER (WHERE at > $3 AND (failed = 1 OR at <= $4)) AS failures, \
        count(*) FILTER (WHERE failed = 0 AND at > $4) AS pending, \
        min(at) FILTER (WHERE at > $3 AND (failed = 1 OR at <= $4)) AS oldest \
        FROM attempts WHERE account = $1 AND at > $5) AS a \
    CROSS JOIN (SELECT count(*) FILTER (WHERE at > $3 AND (failed = 1 OR at <= $4)) AS failures, \
        count(*) FILTER (WHERE failed = 0 AND at > $4) AS pending, \
        min(at) FILTER (WHERE at > $3 AND (failed = 1 OR at <= $4)) AS oldest \
        FROM attempts WHERE address = $2 AND at > $5) AS d \
    LEFT JOIN users u ON u.username = $6";
// Attempts at names that nobody has are numbered, so that the oldest of them can be forgotten.
const RESERVE: &str = "INSERT INTO attempts (id, account, address, at, failed, unknown) VALUES ($1, $2, $3, $4, 0, \
    CASE WHEN EXISTS (SELECT 1 FROM users WHERE account = $2) THEN NULL ELSE nextval('unknown_attempts') END)";
const SETTLE_AS_FAILED: &str = "WITH settled AS \
    (UPDATE attempts SET failed = 1 WHERE id = $1 AND failed = 0 RETURNING id) \
    INSERT INTO throttles (account, consecutive, failed_at, unknown) SELECT $2, 1, $3, \
    CASE WHEN EXISTS (SELECT 1 FROM users WHERE account = $2) THEN NULL ELSE nextval('unknown_throttles') END FROM settled \
    ON CONFLICT (account) DO UPDATE SET consecutive = throttles.consecutive + 1, \
    failed_at = greatest(throttles.failed_at, excluded.failed_at), unknown = excluded.unknown";
const COUNT_FAILURES: &str = "INSERT INTO throttles (account, consecutive, failed_at, unknown) \
    SELECT failed.account, failed.count, failed.at, \
    CASE WHEN EXISTS (SELECT 1 FROM users u WHERE u.account = failed.account) THEN NULL \
    ELSE nextval('unknown_throttles') END \
    FROM unnest($1::bytea[], $2::bigint[], $3::bigint[]) AS failed (account, count, at) \
    ON CONFLICT (account) DO UPDATE SET consecutive = throttles.consecutive + excluded.consecutive, \
    failed_at = greatest(throttles.failed_at, excluded.failed_at), unknown = excluded.unknown";
// What somebody else is about to remove or renew is not waited for.
const FORGET_ATTEMPTS: &str = "DELETE FROM attempts WHERE id IN (SELECT id FROM attempts \
    WHERE unknown <= (SELECT max(unknown) FROM attempts WHERE unknown IS NOT NULL) - $1 \
    ORDER BY unknown LIMIT $2 FOR UPDATE SKIP LOCKED)";
const FORGET_THROTTLES: &str = "DELETE FROM throttles WHERE account IN (SELECT account FROM throttles \
    WHERE unknown <= (SELECT max(unknown) FROM throttles WHERE unknown IS NOT NULL) - $1 \
    ORDER BY unknown LIMIT $2 FOR UPDATE SKIP LOCKED)";
const LOCK: &str = "UPDATE throttles SET locked_at = $2 WHERE account = $1 AND consecutive >= $3 AND locked_at IS NULL \
    RETURNING (SELECT id FROM users u WHERE u.account = $1), (SELECT username FROM users u WHERE u.account = $1)";
const REMOVE: &str = "DELETE FROM attempts WHERE id = $1";
const FORGIVE: &str = "DELETE FROM attempts WHERE account = $1 AND address = $2 AND failed = 1";
const CLEAR_CONSECUTIVE: &str = "DELETE FROM throttles WHERE account = $1";
const CLEAR: &str = "WITH failures AS (DELETE FROM attempts WHERE account = $1 AND failed = 1 RETURNING id), \
    in_a_row AS (DELETE FROM throttles WHERE account = $1 RETURNING account) \
    SELECT EXISTS (SELECT 1 FROM failures) OR EXISTS (SELECT 1 FROM in_a_row)";

/// Reserve an attempt if the throttle admits it, and read the account.
pub(super) async fn reserve(transaction: &mut Transaction<'_>, attempt: &Attempt) -> Outcome<Answer<Reservation>> {
    let horizon = Horizon::of(&attempt.limits, attempt.at);
    let held = [locks::of_account(&attempt.account), locks::of_address(&attempt.address)];
    locks::take_all(transaction, held);
    let lapsed = transaction.rows(LAPSE, &[&attempt.account, &horizon.lapsed.micros()]).await?.len();
    let mut failures = Failures::default();
    failures.add(attempt.account, lapsed, attempt.at);
    remove_expired(transaction, horizon.earliest, REMOVED_PER_ATTEMPT, &mut failures).await?;
    failures.count(transaction);
    lock(transaction, &attempt.account, &attempt.limits, attempt.at).await?;

    let Some(tally) = tally(transaction, attempt, &horizon).await? else {
        return Err(super::failure::corrupt("a count has no row"));
    };
    let account = Tally { consecutive: row::count(&tally, 6)?, ..counted(&tally, 0)? };
    match admit(&attempt.limits, &account, &counted(&tally, 3)?, attempt.at) {
        Admission::Proceed => {
            let values = values![attempt.id, attempt.account, attempt.address, attempt.at.micros()];
            transaction.later(RESERVE, values);
            transaction.later(
                FORGET_ATTEMPTS,
                values![i64::from(attempt.limits.unknown_names), i64::from(REMOVED_PER_ATTEMPT)],
            );
            let known = row::column::<Option<&[u8]>>(&tally, USER_AT)?.is_some();
            let account = known.then(|| users::account(&tally, USER_AT)).transpose()?;
            Ok(Answer::Known(Reservation::Reserved(account)))
        }
        Admission::Wait => Ok(Answer::Known(Reservation::Wait)),
        Admission::Refuse { retry_after } => Ok(Answer::Known(Reservation::Refused { retry_after })),
    }
}

/// Settle a reservation as failed.
pub(super) async fn record_failed(transaction: &mut Transaction<'_>, failure: &FailedAttempt) -> Outcome<Answer<()>> {
    settle_as_failed(transaction, failure.attempt, failure.account, failure.at);
    transaction
        .later(FORGET_THROTTLES, values![i64::from(failure.limits.unknown_names), i64::from(REMOVED_PER_ATTEMPT)]);
    lock(transaction, &failure.account, &failure.limits, failure.at).await?;
    failed_sign_ins::count(transaction, failure).await?;
    Ok(Answer::Known(()))
}

/// Settle a reservation as right and start the session, if what was judged still holds.
pub(super) async fn record_login(transaction: &mut Transaction<'_>, login: &Login) -> Outcome<Answer<Saved>> {
    let user = users::hold(transaction, login.session.user).await?;
    let proof = ProvenAttempt { attempt: login.attempt, account: login.account, address: login.address };
    let moved = user.is_none_or(|user| user.status != Status::Active || user.auth_version != login.auth_version);
    if moved && !sabotage::chosen(sabotage::STALE_USER) {
        settle_proven_as_failed(transaction, Some(&proof), login.audit.at);
        return Ok(Answer::Known(Saved::Stale));
    }
    settle_as_right(transaction, &proof);
    if let Some(password) = &login.rehash {
        legacy::rehash(transaction, login.session.user, password, login.audit.at).await?;
    }
    transaction.audit(&login.audit);
    // Before the new one is there: it is not to be its own victim.
    let displaced = sessions::displace(transaction, login).await?;
    sessions::start(transaction, login);
    Ok(if displaced { Answer::At(Saved::At) } else { Answer::Known(Saved::Saved) })
}

/// Settle a reservation as right. It ends the failures in a row, and forgives those of its own address (SP 800-63B-4
/// §3.2.2): the guesses of others stay in the window, or each sign-in of the user would give them new ones.
pub(super) fn settle_as_right(transaction: &mut Transaction<'_>, proof: &ProvenAttempt) {
    transaction.later(REMOVE, values![proof.attempt]);
    transaction.later(FORGIVE, values![proof.account, proof.address]);
    transaction.later(CLEAR_CONSECUTIVE, values![proof.account]);
}

/// Settle a reservation, if there is one, as failed although its password was right: what it was judged on is gone.
pub(super) fn settle_proven_as_failed(transaction: &mut Transaction<'_>, proof: Option<&ProvenAttempt>, at: Timestamp) {
    if let Some(proof) = proof {
        settle_as_failed(transaction, proof.attempt, proof.account, at);
    }
}

/// An operator lifts the throttle: forget the failures of an account, whoever made them. Reservations in flight stay and
/// count when they fail. Whether there were any failures.
pub(super) async fn clear(transaction: &mut Transaction<'_>, account: &[u8; 32]) -> Outcome<bool> {
    let found = transaction.row(CLEAR, &[account]).await?;
    found.map_or(Ok(false), |found| row::column(&found, 0))
}

/// Remove attempts of `until` or before, at most `limit`. A reservation among them was never settled: it is counted
/// among the consecutive failures first, so that nobody gains a guess by letting it lapse.
pub(super) async fn expire(transaction: &mut Transaction<'_>, until: Timestamp, limit: u32) -> Outcome<u32> {
    let mut failures = Failures::default();
    let removed = remove_expired(transaction, until, limit, &mut failures).await?;
    failures.count(transaction);
    Ok(removed)
}

async fn remove_expired(
    transaction: &mut Transaction<'_>,
    until: Timestamp,
    limit: u32,
    failures: &mut Failures,
) -> Outcome<u32> {
    let removed = transaction.rows(EXPIRE, &[&until.micros(), &i64::from(limit)]).await?;
    for found in &removed {
        let unsettled = row::column::<i64>(found, 2)? == 0;
        failures.add(row::bytes(found, 0)?, usize::from(unsettled), column::time(row::column(found, 1)?));
    }
    Ok(u32::try_from(removed.len()).unwrap_or(limit))
}

/// Failures that become failures in a row: how many, and when the last was. In order of account, so that nobody waits in a
/// circle.
#[derive(Default)]
struct Failures(BTreeMap<[u8; 32], (i64, i64)>);

impl Failures {
    fn add(&mut self, account: [u8; 32], count: usize, at: Timestamp) {
        if count > 0 {
            let (sum, last) = self.0.entry(account).or_insert((0, i64::MIN));
            *sum += i64::try_from(count).unwrap_or(i64::MAX);
            *last = at.micros().max(*last);
        }
    }

    fn count(self, transaction: &mut Transaction<'_>) {
        if !self.0.is_empty() {
            let accounts: Vec<[u8; 32]> = self.0.keys().copied().collect();
            let (counts, times): (Vec<i64>, Vec<i64>) = self.0.into_values().unzip();
            transaction.later(COUNT_FAILURES, values![accounts, counts, times]);
        }
    }
}

async fn tally(transaction: &mut Transaction<'_>, attempt: &Attempt, horizon: &Horizon) -> Outcome<Option<Row>> {
    let username = attempt.username.as_ref().map_or("", |name| name.as_str()).to_owned();
    let Horizon { window, lapsed, earliest } = horizon;
    transaction
        .row(
            TALLY,
            &[&attempt.account, &attempt.address, &window.micros(), &lapsed.micros(), &earliest.micros(), &username],
        )
        .await
}

/// Three columns of a tally.
fn counted(found: &Row, first: usize) -> Outcome<Tally> {
    Ok(Tally {
        failures: row::count(found, first)?,
        pending: row::count(found, first + 1)?,
        consecutive: 0,
        oldest_failure_at: row::column::<Option<i64>>(found, first + 2)?.map(column::time),
    })
}

/// If an account has just had too many failures in a row, say so in the audit, once: an operator must act. A name that
/// nobody has is locked too, and in no audit row.
async fn lock(transaction: &mut Transaction<'_>, account: &[u8; 32], limits: &Limits, at: Timestamp) -> Outcome<()> {
    let values: &[&dyn row::Value] = &[account, &at.micros(), &i64::from(limits.consecutive_failures)];
    let Some(locked) = transaction.row(LOCK, values).await? else { return Ok(()) };
    let Some(id) = row::optional_bytes(&locked, 0)? else { return Ok(()) };
    let username: String = row::column(&locked, 1)?;
    transaction.audit(&Audit::locked(at, UserId::from_bytes(id), &username, limits.consecutive_failures));
    Ok(())
}

/// Settled already (it lapsed) or gone (it expired): then it has been counted.
fn settle_as_failed(transaction: &mut Transaction<'_>, attempt: [u8; 16], account: [u8; 32], at: Timestamp) {
    transaction.later(SETTLE_AS_FAILED, values![attempt, account, at.micros()]);
}
