//! What PostgreSQL's errors mean here: which ones are worth another try, because it is certain that nothing was committed,
//! and which ones leave a connection behind that must not be used again. Never tells an error's detail, which can quote the
//! values of rows.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::StoreError;

/// What the triggers of a store that moved away raise.
const MOVED: &str = "KF001";

/// Why a piece of work on the database could not be done.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Nothing was committed, and the same work may well succeed if it is done again.
    pub(super) again: bool,
    /// The server refused a statement: the transaction is undone, and the connection is sound.
    pub(super) refused: bool,
    /// The server gave the transaction up while it waited for the next statement, so COMMIT never reached it: the transaction is
    /// undone, and the connection is gone.
    pub(super) given_up: bool,
    /// What the caller is told.
    pub(super) error: StoreError,
}

/// The result of work on the database.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// The database did not answer in time. It may still be at it: the connection must not be used again.
    pub(super) fn late() -> Self {
        StoreError::Unavailable("the database did not answer in time".to_owned()).into()
    }

    /// The connection was gone before anything more was sent on it: the transaction on it is undone.
    pub(super) fn hung_up() -> Self {
        let error = StoreError::Unavailable("the database hung up in the middle of a transaction".to_owned());
        Self { again: true, refused: false, given_up: true, error }
    }

    /// The same failure, once COMMIT was sent: unless the server itself refused or gave up, nobody knows whether it took effect, so there
    /// is no other try and no acknowledgement.
    pub(super) fn after_commit(self) -> Self {
        if self.refused || self.given_up {
            return self;
        }
        let text = format!("whether it was committed is not known: {self}");
        StoreError::Unavailable(text).into()
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(formatter)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { again: false, refused: false, given_up: false, error }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl From<Error> for Failure {
    fn from(cause: Error) -> Self {
        let Some(refused) = cause.as_db_error() else {
            let text = cause.source().map_or_else(|| cause.to_string(), |source| format!("{cause}: {source}"));
            let error = StoreError::Unavailable(text);
            return Self { again: cause.is_closed(), refused: false, given_up: false, error };
        };
        let text = format!("{} ({})", refused.message(), refused.code().code());
        let damaged = [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED].contains(refused.code());
        if refused.code().code() == MOVED {
            let error = StoreError::Moved(refused.message().to_owned());
            return Self { again: false, refused: true, given_up: false, error };
        }
        // On a machine that is overloaded, keyfob may not get to its next statement in time.
        let given_up = *refused.code() == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT;
        Self {
            again: conflict(refused) || ending(refused) || given_up,
            given_up,
            refused: refused.parsed_severity() == Some(Severity::Error),
            error: if damaged { StoreError::Corrupt(text) } else { StoreError::Unavailable(text) },
        }
    }
}

/// A lock was not to be had, or a deadlock was broken, at this transaction's expense.
fn conflict(refused: &DbError) -> bool {
    let code = refused.code();
    *code == SqlState::T_R_SERIALIZATION_FAILURE
        || *code == SqlState::T_R_DEADLOCK_DETECTED
        || *code == SqlState::LOCK_NOT_AVAILABLE
}

/// The server is going down or the backend was told to end: a new connection may find it up again.
fn ending(refused: &DbError) -> bool {
    let code = refused.code();
    *code == SqlState::ADMIN_SHUTDOWN || *code == SqlState::CRASH_SHUTDOWN || *code == SqlState::CANNOT_CONNECT_NOW
}

/// A row that cannot be right.
pub(super) fn corrupt(what: impl Into<String>) -> Failure {
    crate::column::corrupt(what).into()
}
