//! Every SQL constant of both backends is prepared against the migrated schema, those that no case of the suite reaches
//! included: the guarantee of a checked query builder, without a database at build time.

use std::fs;
use std::path::Path;

use super::*;

/// The text constants of the files in that folder of this crate's source that are statements with parameters or rows.
pub(super) fn constants(backend: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(backend);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        for constant in source.split("\nconst ").skip(1) {
            let Some((name, rest)) = constant.split_once(": &str =") else { continue };
            let Some((text, _)) = rest.trim_start().trim_start_matches('"').split_once("\";") else { continue };
            let statement = literal(text);
            let first = statement.split(' ').next().unwrap();
            if ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(&first) {
                found.push((format!("{}: {name}", path.display()), statement));
            }
        }
    }
    found
}

/// What a literal says: a backslash at the end of a line swallows the white space after it.
fn literal(text: &str) -> String {
    let mut parts = text.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start()).replace("\\\"", "\"").replace("\\\\", "\\")
}

#[tokio::test]
async fn every_statement_is_prepared_on_postgresql() {
    let (_store, database) = fresh().await;
    let client = sql(&database.url).await;
    let statements = constants("postgres");
    assert!(statements.len() > 90, "{} statements", statements.len());
    for (place, statement) in statements {
        if let Err(cause) = client.prepare(&statement).await {
            panic!("{place}: {}", cause.as_db_error().map_or_else(|| cause.to_string(), ToString::to_string));
        }
    }
}

#[test]
fn every_statement_is_prepared_on_sqlite() {
    let (_directory, path) = crate::sqlite::tests::place();
    drop(crate::sqlite::tests::open_again(&path));
    let db = rusqlite::Connection::open(&path).unwrap();
    let statements = constants("sqlite");
    assert!(statements.len() > 80, "{} statements", statements.len());
    for (place, statement) in statements {
        if let Err(cause) = db.prepare(&statement) {
            panic!("{place}: {cause}");
        }
    }
}
