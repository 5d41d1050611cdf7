//! Moves between the two stores, with every table filled: there and back, and nothing forgotten.

mod cut_off;
mod online;

use std::path::Path;
use std::sync::Arc;

use keyfob_core::change::Revision;
use keyfob_core::id::{ClientId, SessionId};
use keyfob_core::opaque::Digest;
use keyfob_core::session::Session;
use keyfob_core::user::Status;
use rusqlite::Connection;
use tempfile::TempDir;

use super::table::{Kind, TABLES};
use super::*;
use crate::conformance::refresh_tokens::used;
use crate::conformance::sample::*;
use crate::conformance::{api_keys, clients, signing_keys};
use crate::fixture::{INCARNATION, rng};
use crate::postgres::tests::cluster::Database;
use crate::root_key::RootKey;
use crate::{Refreshed, Saved, StoreError, postgres, sqlite};

/// What is each backend's own.
const OWN: &[&str] = &["migrations", "moves", "nodes", "losses", "past_lives"];

fn root_key() -> RootKey {
    RootKey::from_bytes([1; 32])
}

fn plan<'a>(high_water: &'a Path, by: &'a Audit) -> Plan<'a> {
    Plan { id: unique(), to: "there".to_owned(), from: "here".to_owned(), high_water, by }
}

fn by() -> Audit {
    audit("store.moved", START)
}

fn sqlite_at(path: &Path) -> Result<Shared> {
    let options = sqlite::Options { root_key: root_key(), fresh_incarnation: INCARNATION, mark: None, rng: rng() };
    Ok(Arc::from(sqlite::open(path, options)?))
}

async fn postgres_at(url: &str) -> Result<Shared> {
    let options = postgres::Options {
        root_key: root_key(),
        fresh_incarnation: [9; 16],
        connections: 4,
        patience: postgres::PATIENCE,
        direct: None,
        mark: None,
        rng: rng(),
    };
    Ok(Arc::from(postgres::open(url, options).await?))
}

async fn begin(place: &Place, owned: bool) -> Result<(ToPostgres, Begun)> {
    ToPostgres::begin((&place.path, owned), &place.database.url, &root_key(), plan(&place.mark, &by())).await
}

async fn moved(place: &Place, owned: bool) -> Vec<MovedTable> {
    let (mut moving, begun) = begin(place, owned).await.unwrap();
    assert_eq!(begun, Begun::Fresh);
    moving.copy(&mut |_, _| {}).await.unwrap();
    let moved = moving.hand_over().await.unwrap();
    moving.complete().await.unwrap();
    moved
}

async fn back(place: &Place, path: &Path) -> (ToSqlite, Begun) {
    ToSqlite::begin(&place.database.url, path, &root_key(), plan(&place.mark, &by())).await.unwrap()
}

/// A folder with a store and a database without one.
struct Place {
    folder: TempDir,
    path: std::path::PathBuf,
    mark: std::path::PathBuf,
    database: Database,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyfob.db");
        let mark = folder.path().join("mark");
        Self { folder, path, mark, database: Database::own() }
    }
}

/// Something in every table, ended, revoked, locked and forgotten things among it.
async fn filled(path: &Path) -> (Shared, Facts) {
    let store = sqlite_at(path).unwrap();
    let user = made(&store, "alice").await;
    let other = made(&store, "bob\u{e9}").await;
    store.set_roles(other.id, &roles(&["reader", "writer"]), &audit("user.roles", START)).await.unwrap();
    let attempt = reserved(&store, "alice", START).await;
    let login = login(&attempt, &user);
    assert_eq!(store.record_login(&login).await.unwrap(), Saved::Saved);
    let refresh = used(login.refresh, START, &user);
    let Refreshed::Rotated(live) = store.refresh(&refresh).await.unwrap() else { panic!("not rotated") };
    let ended = signed_in(&store, &user, START).await;
    revision_of(store.end_session(ended, None, &audit("session.ended", START)).await.unwrap());
    for _ in 0..3 {
        guess(&store, "alice", START).await;
        guess(&store, "nobody", START).await;
    }
    // One that nobody settled.
    reserved(&store, "nobody", START).await;
    let basic = crate::BasicUse { user: user.id, at: START, network: "192.0.2.0/24".to_owned() };
    store.record_basic_uses(&[basic]).await.unwrap();
    let key = api_keys::new_key(&user);
    store.create_key(&key, &audit("key.created", START)).await.unwrap();
    let client = clients::new_client("reporter");
    store.create_client(&client, &audit("client.created", START)).await.unwrap();
    signing_keys::begun(&store).await;
    store.set_policy("one", &audit("policy.set", START)).await.unwrap();
    store.set_public_url(None, "https://api.example", &audit("public-url.set", START)).await.unwrap();
    let odd = Audit { detail: "a\0b".to_owned(), ..audit("odd", START) };
    store.set_status(other.id, Status::Disabled, &odd).await.unwrap();
    let facts = Facts { live, ended, tokens: [login.refresh, refresh.successor], client: client.client.id };
    (store, facts)
}

/// What must be so wherever the store is.
struct Facts {
    live: Session,
    ended: SessionId,
    tokens: [Digest; 2],
    client: ClientId,
}

impl Facts {
    async fn hold(&self, before: &Shared, after: &Shared) {
        assert_eq!(after.incarnation(), before.incarnation());
        assert_eq!(after.session(self.live.id).await.unwrap(), Some(self.live));
        assert!(!is_live(after, self.ended).await);
        for token in &self.tokens {
            assert!(after.refresh_token(token).await.unwrap().is_some());
            assert_eq!(after.refresh_token(token).await.unwrap(), before.refresh_token(token).await.unwrap());
        }
        assert_eq!(after.changes_since(Revision(0)).await.unwrap(), before.changes_since(Revision(0)).await.unwrap());
        assert_eq!(after.revision().await.unwrap(), before.revision().await.unwrap());
        assert_eq!(after.policy().await.unwrap(), before.policy().await.unwrap());
        assert_eq!(after.public_url().await.unwrap().as_deref(), Some("https://api.example"));
        let kids = async |store: &Shared| -> Vec<String> {
            store.signing_keys().await.unwrap().iter().map(|key| format!("{:?}", key.standing)).collect()
        };
        assert_eq!(kids(after).await, kids(before).await);
        assert!(after.client(self.client).await.unwrap().is_some());
        assert_eq!(
            after.failed_sign_ins(None, START).await.unwrap().map(|failed| failed.count),
            before.failed_sign_ins(None, START).await.unwrap().map(|failed| failed.count)
        );
        after.check().await.unwrap();
    }
}

fn rows_of(moved: &[MovedTable], name: &str) -> u64 {
    moved.iter().find(|table| table.name == name).map(|table| table.rows).unwrap()
}

#[tokio::test]
async fn a_store_moves_there_and_back_with_every_row_of_every_table() {
    let place = Place::new();
    let (store, facts) = filled(&place.path).await;
    let there = moved(&place, false).await;
    assert!(there.iter().all(|table| table.rows > 0), "a table that nothing was in proves nothing: {there:?}");
    // The process that served it has not looked yet; now it does.
    assert!(store.check_open().is_ok());
    assert!(matches!(store.stand_down().await, Err(StoreError::Moved(to)) if to == "there"));
    assert!(matches!(store.check_open(), Err(StoreError::Moved(_))));
    assert!(matches!(store.revision().await, Err(StoreError::Moved(_))), "nothing is read of it");
    drop(store);
    assert!(matches!(sqlite_at(&place.path), Err(StoreError::Moved(to)) if to == "there"));

    // Its facts, as a backup of the old file has them.
    let copy = tempfile::tempdir().unwrap();
    let copied = copy.path().join("keyfob.db");
    Connection::open(&place.path).unwrap().execute("VACUUM INTO ?1", [copied.to_str().unwrap()]).unwrap();
    Connection::open(&copied).unwrap().execute("DELETE FROM moves", []).unwrap();
    let before = sqlite_at(&copied).unwrap();
    let shared = postgres_at(&place.database.url).await.unwrap();
    facts.hold(&before, &shared).await;
    // What numbers rows goes on behind them.
    guess(&shared, "nobody2", START).await;
    let last = shared.audit(1).await.unwrap()[0].sequence;
    shared.set_policy("two", &audit("policy.set", START)).await.unwrap();
    assert_eq!(shared.audit(1).await.unwrap()[0].sequence, last + 1);

    // And back: into the directory that it left.
    let (moving, begun) = back(&place, &place.path).await;
    assert_eq!(begun, Begun::Fresh);
    let again = moving.hand_over(&mut |_, _| {}).await.unwrap();
    assert_eq!(rows_of(&again, "policies"), rows_of(&there, "policies") + 1);
    assert_eq!(rows_of(&again, "audit"), rows_of(&there, "audit") + 2, "the change, and the move");
    for name in ["users", "sessions", "refresh_tokens", "api_keys", "clients", "signing_keys"] {
        let digest = |moved: &[MovedTable]| moved.iter().find(|table| table.name == name).unwrap().digest.clone();
        assert_eq!(digest(&again), digest(&there), "{name}");
    }
    // Whoever was connected before can neither follow, nor write.
    assert!(matches!(shared.changes_since(Revision(0)).await, Err(StoreError::Moved(_))));
    let refused = shared.set_policy("three", &audit("policy.set", START)).await;
    assert!(matches!(refused, Err(StoreError::Moved(_))), "{refused:?}");
    assert!(matches!(postgres_at(&place.database.url).await, Err(StoreError::Moved(to)) if to == "there"));
    assert!(matches!(sqlite_at(&place.path), Err(StoreError::Moved(_))), "not before the last step");
    let kept = moving.complete(&root_key(), &place.mark, "20260102T030405Z").unwrap();
    assert!(kept.unwrap().exists());
    let home = sqlite_at(&place.path).unwrap();
    assert_eq!(home.session(facts.live.id).await.unwrap(), Some(facts.live));
    for token in &facts.tokens {
        assert_eq!(home.refresh_token(token).await.unwrap(), before.refresh_token(token).await.unwrap());
    }
    assert_eq!(home.policy().await.unwrap().unwrap().text, "two");
    home.check().await.unwrap();
    let reached = crate::high_water::HighWater::read(&place.mark).unwrap().unwrap().at;
    assert_eq!((reached.incarnation, reached.revision), (home.incarnation(), home.revision().await.unwrap()));

    // A third time, into the database that it left.
    drop(home);
    let third = moved(&place, true).await;
    assert_eq!(rows_of(&third, "audit"), rows_of(&again, "audit") + 1);
    postgres_at(&place.database.url).await.unwrap().check().await.unwrap();
}

/// A table or a column of a later step that the move forgets would be lost: here it is noticed.
#[tokio::test]
async fn every_table_and_every_column_of_both_stores_moves() {
    let place = Place::new();
    drop(sqlite_at(&place.path).unwrap());
    drop(postgres_at(&place.database.url).await.unwrap());
    let (client, connection) = tokio_postgres::connect(&place.database.url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let columns = "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns \
        WHERE table_schema = 'public' ORDER BY 1, ordinal_position";
    let rows = client.query(columns, &[]).await.unwrap();
    let mut there: Vec<(String, String, String)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    there.retain(|(table, _, _)| !OWN.contains(&table.as_str()));
    let mut ours: Vec<(String, String, String)> = Vec::new();
    for table in TABLES {
        for (column, kind) in table.columns {
            let kind = match kind {
                Kind::Number => "bigint",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
            };
            ours.push((table.name.to_owned(), (*column).to_owned(), kind.to_owned()));
        }
    }
    ours.sort();
    there.sort();
    assert_eq!(ours, there, "PostgreSQL's tables and those that move");
    let here = Connection::open(&place.path).unwrap();
    let columns = "SELECT t.name, c.name FROM pragma_table_list t JOIN pragma_table_info(t.name) c \
        WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite%'";
    let mut statement = here.prepare(columns).unwrap();
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut found: Vec<(String, String)> = found.map(Result::unwrap).collect();
    // How SQLite keeps a chain of tokens.
    let own = [("refresh_tokens", "number"), ("sessions", "first_token")];
    found.retain(|(table, column)| !OWN.contains(&table.as_str()) && !own.contains(&(table, column)));
    found.sort();
    let ours: Vec<(String, String)> = ours.into_iter().map(|(table, column, _)| (table, column)).collect();
    assert_eq!(ours, found, "SQLite's tables and those that move");
    let sequences = "SELECT sequencename::text FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1";
    let sequences: Vec<String> = client.query(sequences, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(sequences, ["audit_sequence_seq", "unknown_attempts", "unknown_throttles"], "set by `filled`");
}
