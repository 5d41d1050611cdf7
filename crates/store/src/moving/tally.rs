//! What two backends compare: how many rows a table has, and a digest of them that does not depend on their order. And what
//! the target of a move is known to have, so that only what changed since is sent again.

use std::collections::HashMap;

use aws_lc_rs::digest;
use rusqlite::types::Value;

use super::table::Table;

/// A row, in the order of its table's columns.
pub(crate) type Row = Vec<Value>;

/// The rows of a table: how many, and the sum of the SHA-256 of each, modulo 2^256 but for one carry, which is as good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) rows: u64,
    low: u128,
    high: u128,
}

impl Tally {
    /// One row more, by its hash.
    pub(crate) fn add(&mut self, hash: &Hash) {
        let half = |from: usize| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&hash.0[from..from + 16]);
            u128::from_be_bytes(bytes)
        };
        self.rows += 1;
        self.high = self.high.wrapping_add(half(0));
        self.low = self.low.wrapping_add(half(16));
    }

    /// These rows more, and those fewer.
    pub(crate) fn change(&mut self, more: Self, fewer: Self) {
        self.rows = self.rows.wrapping_add(more.rows).wrapping_sub(fewer.rows);
        self.high = self.high.wrapping_add(more.high).wrapping_sub(fewer.high);
        self.low = self.low.wrapping_add(more.low).wrapping_sub(fewer.low);
    }

    /// As people compare it.
    pub(crate) fn hex(&self) -> String {
        format!("{:032x}{:032x}", self.high, self.low)
    }
}

/// The SHA-256 of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hash([u8; 32]);

/// What a row hashes to: each cell with its type and its length, so that no two rows are one text.
pub(crate) fn hash(row: &[Value]) -> Hash {
    let mut text = Vec::with_capacity(256);
    for cell in row {
        write(cell, &mut text);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, &text).as_ref());
    Hash(hash)
}

fn write(cell: &Value, to: &mut Vec<u8>) {
    let mut sized = |kind: u8, bytes: &[u8]| {
        to.push(kind);
        to.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        to.extend_from_slice(bytes);
    };
    match cell {
        Value::Null => to.push(0),
        Value::Integer(number) => sized(1, &number.to_be_bytes()),
        Value::Text(text) => sized(2, text.as_bytes()),
        Value::Blob(bytes) => sized(3, bytes),
        Value::Real(number) => sized(4, &number.to_be_bytes()),
    }
}

/// The cells of a key, read back from what [`write`] made of them.
fn read(mut text: &[u8]) -> Row {
    let mut row = Vec::new();
    while let Some((kind, rest)) = text.split_first() {
        let Some((size, rest)) = rest.split_first_chunk::<8>() else { break };
        let size = usize::try_from(u64::from_be_bytes(*size)).unwrap_or(usize::MAX);
        let Some((bytes, rest)) = rest.split_at_checked(size) else { break };
        row.push(match (kind, bytes.first_chunk::<8>()) {
            (1, Some(number)) => Value::Integer(i64::from_be_bytes(*number)),
            (2, _) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
            _ => Value::Blob(bytes.to_vec()),
        });
        text = rest;
    }
    row
}

/// Half of a row's hash, and the reading that it was last seen in.
struct Seen {
    hash: [u8; 16],
    reading: u32,
}

/// What the target has of one table.
#[derive(Default)]
pub(crate) struct Known {
    rows: HashMap<Box<[u8]>, Seen>,
    reading: u32,
    tally: Tally,
}

impl Known {
    /// The source is read from its beginning.
    pub(crate) fn begin(&mut self) {
        self.reading += 1;
        self.tally = Tally::default();
    }

    /// A row of the source. Whether the target has it not, or not as it is.
    pub(crate) fn is_news(&mut self, table: &Table, row: &[Value]) -> bool {
        let mut key = Vec::with_capacity(64);
        for cell in row.iter().take(table.key) {
            write(cell, &mut key);
        }
        let whole = hash(row);
        self.tally.add(&whole);
        let mut half = [0; 16];
        half.copy_from_slice(&whole.0[..16]);
        let seen = Seen { hash: half, reading: self.reading };
        self.rows.insert(key.into(), seen).is_none_or(|before| before.hash != half)
    }

    /// The source was read to its end: the keys of what it has no more, and what it has.
    pub(crate) fn end(&mut self) -> (Vec<Row>, Tally) {
        let mut gone = Vec::new();
        self.rows.retain(|key, seen| {
            let there = seen.reading == self.reading;
            if !there {
                gone.push(read(key));
            }
            there
        });
        (gone, self.tally)
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::TABLES;
    use super::*;

    fn row(key: u8, text: &str) -> Row {
        vec![Value::Blob(vec![key; 16]), Value::Text(text.to_owned()), Value::Null, Value::Integer(7)]
    }

    #[test]
    fn only_what_is_new_or_changed_is_news_and_what_went_is_told_by_its_key() {
        let (table, mut known) = (&TABLES[1], Known::default());
        known.begin();
        assert!(known.is_news(table, &row(1, "a")) && known.is_news(table, &row(2, "b")));
        let (gone, first) = known.end();
        assert_eq!((gone.len(), first.rows), (0, 2));
        known.begin();
        assert!(!known.is_news(table, &row(2, "b")) && known.is_news(table, &row(3, "c")));
        let (gone, second) = known.end();
        assert_eq!(gone, [vec![Value::Blob(vec![1; 16])]]);
        known.begin();
        assert!(known.is_news(table, &row(2, "B")) && !known.is_news(table, &row(3, "c")));
        let (gone, third) = known.end();
        assert!(gone.is_empty() && first != second && second.hex() != third.hex());
    }

    #[test]
    fn a_digest_that_follows_the_changes_is_that_of_all_rows() {
        let of = |rows: &[Row]| {
            let mut tally = Tally::default();
            for row in rows {
                tally.add(&hash(row));
            }
            tally
        };
        let mut tally = of(&[row(1, "a"), row(2, "b")]);
        tally.change(of(&[row(2, "B"), row(3, "c")]), of(&[row(2, "b")]));
        assert_eq!(tally, of(&[row(1, "a"), row(2, "B"), row(3, "c")]));
        tally.change(Tally::default(), of(&[row(1, "a")]));
        assert_eq!(tally, of(&[row(2, "B"), row(3, "c")]));
    }

    #[test]
    fn a_digest_does_not_depend_on_order_and_sees_every_cell() {
        let of = |rows: &[Row]| {
            let mut tally = Tally::default();
            for row in rows {
                tally.add(&hash(row));
            }
            tally
        };
        let whole = of(&[row(1, "a"), row(2, "b")]);
        assert_eq!(whole, of(&[row(2, "b"), row(1, "a")]));
        for other in [
            of(&[row(1, "a"), row(2, "a")]),
            of(&[row(1, "b"), row(2, "a")]),
            of(&[row(1, "a")]),
            of(&[vec![Value::Null, Value::Text(String::new())]]),
        ] {
            assert_ne!(whole, other);
        }
        assert_ne!(hash(&[Value::Null, Value::Integer(0)]), hash(&[Value::Integer(0), Value::Null]));
    }

    impl std::fmt::Debug for Hash {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(formatter, "{:02x?}", &self.0[..4])
        }
    }
}
