//! What `SQLite`'s errors mean here: which ones fail one intention, and which ones end the writer for good.

use rusqlite::ErrorCode;

use crate::StoreError;

/// Why a piece of work on the database could not be done.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The disk or the file can no longer be trusted: after it nothing may be written, let alone acknowledged. After a
    /// failed fsync the kernel may report the next one as good though the bytes are gone, so there is no retry.
    pub(super) fatal: bool,
    /// What the caller is told.
    pub(super) error: StoreError,
}

/// The result of work on the database.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { fatal: false, error }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(cause: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        let text = cause.to_string();
        match cause.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self { fatal: true, error: StoreError::Corrupt(text) }
            }
            Some(ErrorCode::SystemIoFailure) => Self { fatal: true, error: StoreError::Unavailable(text) },
            Some(_) => Self { fatal: false, error: StoreError::Unavailable(text) },
            // A column of another type, size or range than the schema allows.
            None => match cause {
                E::FromSqlConversionFailure(..) | E::IntegralValueOutOfRange(..) | E::InvalidColumnType(..) => {
                    Self { fatal: false, error: StoreError::Corrupt(text) }
                }
                _ => Self { fatal: false, error: StoreError::Unavailable(text) },
            },
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// A row that cannot be right.
pub(super) fn corrupt(what: impl Into<String>) -> Failure {
    StoreError::Corrupt(what.into()).into()
}
