//! Locks that no row stands for (`pg_advisory_xact_lock`): they end with the transaction, on whatever server connection it
//! ran. Those of accounts and addresses come from their digests; two that collide only wait for each other.

use super::row::Value;
use super::transaction::Transaction;

/// Held while the schema is brought up to date: `kfob` in ASCII.
pub(super) const SCHEMA: i64 = 0x6b66_6f62;
/// Held while the signing keys take a step.
pub(super) const SIGNING_KEYS: i64 = SCHEMA + 1;
/// Held while a policy is put in force.
pub(super) const POLICIES: i64 = SCHEMA + 2;
/// Held while an older database is accepted.
pub(super) const ACCEPTANCE: i64 = SCHEMA + 3;

const LOCK: &str = "SELECT pg_advisory_xact_lock($1)";

/// Take a lock with the next statement.
pub(super) fn take(transaction: &mut Transaction<'_>, lock: i64) {
    transaction.later(LOCK, vec![Box::new(lock) as Box<dyn Value>]);
}

/// Take the locks of these digests, always in the same order, so that nobody waits in a circle.
pub(super) fn take_all(transaction: &mut Transaction<'_>, locks: impl IntoIterator<Item = i64>) {
    let mut locks: Vec<i64> = locks.into_iter().collect();
    locks.sort_unstable();
    for lock in locks {
        take(transaction, lock);
    }
}

/// The lock of an account: its attempts are counted by one reservation at a time.
pub(super) fn of_account(account: &[u8; 32]) -> i64 {
    number(account, 0)
}

/// The lock of an address. Other bytes than an account's, so that one text in both places is two locks.
pub(super) fn of_address(address: &[u8; 32]) -> i64 {
    number(address, 8)
}

fn number(digest: &[u8; 32], offset: usize) -> i64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[offset..offset + 8]);
    i64::from_be_bytes(bytes)
}
