//! Values to parameters and columns to values. Each parameter names its type, so that a statement needs no name and no
//! round trip to be prepared: it works behind a pooler that gives each transaction another server connection.

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};

use super::failure::{Outcome, corrupt};

/// A parameter of a statement.
pub(super) trait Value: Send + Sync {
    /// Its type in the database.
    fn kind(&self) -> Type;
    /// The value itself.
    fn sql(&self) -> &(dyn ToSql + Sync);
}

macro_rules! values {
    ($($rust:ty => $kind:ident,)+) => {
        $(impl Value for $rust {
            fn kind(&self) -> Type {
                Type::$kind
            }

            fn sql(&self) -> &(dyn ToSql + Sync) {
                self
            }
        })+
    };
}

values! {
    i64 => INT8,
    Option<i64> => INT8,
    Vec<i64> => INT8_ARRAY,
    &str => TEXT,
    Option<&str> => TEXT,
    String => TEXT,
    Option<String> => TEXT,
    Vec<String> => TEXT_ARRAY,
    Vec<&'static str> => TEXT_ARRAY,
    Vec<u8> => BYTEA,
    Vec<[u8; 16]> => BYTEA_ARRAY,
    Vec<[u8; 32]> => BYTEA_ARRAY,
    Vec<Option<[u8; 16]>> => BYTEA_ARRAY,
}

impl<const N: usize> Value for [u8; N] {
    fn kind(&self) -> Type {
        Type::BYTEA
    }

    fn sql(&self) -> &(dyn ToSql + Sync) {
        self
    }
}

impl<const N: usize> Value for Option<[u8; N]> {
    fn kind(&self) -> Type {
        Type::BYTEA
    }

    fn sql(&self) -> &(dyn ToSql + Sync) {
        self
    }
}

/// A column.
pub(super) fn column<'r, T: FromSql<'r>>(row: &'r Row, index: usize) -> Outcome<T> {
    row.try_get(index).map_err(|cause| corrupt(format!("column {index}: {cause}")))
}

/// A column of so many bytes.
pub(super) fn bytes<const N: usize>(row: &Row, index: usize) -> Outcome<[u8; N]> {
    optional_bytes(row, index)?.ok_or_else(|| corrupt(format!("column {index} is empty")))
}

/// A column of so many bytes, or none.
pub(super) fn optional_bytes<const N: usize>(row: &Row, index: usize) -> Outcome<Option<[u8; N]>> {
    let Some(found) = column::<Option<&[u8]>>(row, index)? else { return Ok(None) };
    found.try_into().map(Some).map_err(|_| corrupt(format!("column {index} has {} bytes", found.len())))
}

/// A count.
pub(super) fn count(row: &Row, index: usize) -> Outcome<u32> {
    Ok(u32::try_from(column::<i64>(row, index)?).unwrap_or(u32::MAX))
}

/// Text that PostgreSQL can keep: it has no room for NUL.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
