//! Rows in bulk: into a table by COPY, and out of one to be counted and digested.

use rusqlite::types::Value as Cell;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::backup;
use super::connection::Connection;
use super::failure::Outcome;
use crate::moving::table::{Kind, TABLES, Table, list};
use crate::moving::tally::{Tally, hash};

/// What takes rows of these columns into that table.
pub(super) async fn writer(
    connection: &Connection,
    table: &str,
    columns: &[(&str, Kind)],
) -> Outcome<BinaryCopyInWriter> {
    let sql = format!("COPY \"{table}\" ({}) FROM STDIN BINARY", list(columns));
    let types: Vec<Type> = columns.iter().map(|(_, kind)| sql_type(*kind)).collect();
    Ok(BinaryCopyInWriter::new(connection.copy_in(&sql).await?, &types))
}

/// What each table has, in the transaction that is open.
pub(super) async fn tallies(connection: &Connection) -> Outcome<Vec<Tally>> {
    let mut tallies = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        tallies.push(tally_of(connection, &format!("SELECT {} FROM \"{}\"", table.column_list(), table.name)).await?);
    }
    Ok(tallies)
}

/// What those rows of the table are whose keys are in that table of the transaction's own.
pub(super) async fn tally_by_key(connection: &Connection, table: &Table, keys: &str) -> Outcome<Tally> {
    let columns: Vec<String> = table.columns.iter().map(|(name, _)| format!("its.\"{name}\"")).collect();
    let key: Vec<String> =
        table.columns[..table.key].iter().map(|(name, _)| format!("its.\"{name}\" = key.\"{name}\"")).collect();
    let sql = format!(
        "SELECT {} FROM \"{}\" its JOIN \"{keys}\" key ON {}",
        columns.join(", "),
        table.name,
        key.join(" AND ")
    );
    tally_of(connection, &sql).await
}

/// What a statement finds.
async fn tally_of(connection: &Connection, sql: &str) -> Outcome<Tally> {
    let mut tally = Tally::default();
    connection.run_at_leisure(&format!("DECLARE moving NO SCROLL CURSOR FOR {sql}")).await?;
    loop {
        let rows = connection.rows_at_leisure("FETCH 2000 FROM moving", &[]).await?;
        if rows.is_empty() {
            break;
        }
        for found in &rows {
            tally.add(&hash(&backup::cells(found)?));
        }
    }
    connection.run("CLOSE moving").await?;
    Ok(tally)
}

fn sql_type(kind: Kind) -> Type {
    match kind {
        Kind::Number => Type::INT8,
        Kind::Text => Type::TEXT,
        Kind::Bytes => Type::BYTEA,
    }
}

/// A cell as a parameter.
#[derive(Debug)]
pub(super) struct Parameter<'a>(pub(super) &'a Cell);

impl ToSql for Parameter<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            Cell::Null => Ok(IsNull::Yes),
            Cell::Integer(number) => number.to_sql(kind, out),
            Cell::Text(text) => text.to_sql(kind, out),
            Cell::Blob(bytes) => bytes.to_sql(kind, out),
            Cell::Real(_) => Err("a number with a fraction is in no table".into()),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA].contains(kind)
    }

    to_sql_checked!();
}
