//! PostgreSQL's own promises, on a PostgreSQL that the tests make themselves.

mod backwards;
pub(crate) mod cluster;
mod encrypted;
mod held_up;
mod nodes;
mod pooled;
mod standby;
mod statements;
mod upgrade;
mod waiting;
mod warnings;
mod wire;

use keyfob_core::id::{Incarnation, NodeId};
use keyfob_core::lease::Terms;

use self::cluster::Database;
use super::*;
use crate::conformance::refresh_tokens::used;
use crate::conformance::sample::*;
use crate::conformance::{conformance_suite, sample, signing_keys};
use crate::fixture::{INCARNATION, rng};

conformance_suite!(fresh);

async fn fresh() -> (sample::Shared, Database) {
    let database = Database::fresh();
    (node(&database.url).await, database)
}

/// A store on a database that the test may do anything to.
async fn own() -> (sample::Shared, Database) {
    let database = Database::own();
    (node(&database.url).await, database)
}

/// A node on that database.
async fn node(url: &str) -> sample::Shared {
    Arc::from(open(url, options(1)).await.unwrap())
}

fn options(root_key: u8) -> Options {
    Options {
        root_key: RootKey::from_bytes([root_key; 32]),
        fresh_incarnation: INCARNATION,
        // Enough for every race, and half the processes to start.
        connections: CONNECTIONS / 2,
        // A thousand sign-ins of one user are one after the other, each with its own sync.
        patience: Duration::from_mins(1),
        direct: None,
        mark: None,
        rng: rng(),
    }
}

/// A plain connection, for what a store would never say.
async fn sql(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn what_was_saved_is_there_after_a_restart() {
    let (store, database) = fresh().await;
    let user = made(&store, "alice").await;
    let session = signed_in(&store, &user, START).await;
    signing_keys::begun(&store).await;
    drop(store);
    let second_life = Options { fresh_incarnation: [9; 16], ..options(1) };
    let store: sample::Shared = Arc::from(open(&database.url, second_life).await.unwrap());
    assert_eq!(store.incarnation(), Incarnation(INCARNATION));
    assert_eq!(current(&store, &user).await, user);
    assert!(is_live(&store, session).await);
    assert_eq!(store.signing_keys().await.unwrap().len(), 2);
    assert_eq!(*store.doorbell().borrow(), Revision(1));
}

#[tokio::test]
async fn another_root_key_is_refused() {
    let (_store, database) = fresh().await;
    let refusal = open(&database.url, options(2)).await.err().unwrap();
    assert!(matches!(refusal, StoreError::WrongRootKey), "{refusal}");
}

#[tokio::test]
async fn the_database_of_another_program_is_refused_and_left_alone() {
    let database = Database::own();
    let client = sql(&database.url).await;
    client.batch_execute("CREATE TABLE letters (text text)").await.unwrap();
    let refusal = open(&database.url, options(1)).await.err().unwrap();
    assert!(refusal.to_string().contains("another program"), "{refusal}");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(client.query_one(tables, &[]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_database_that_may_lose_commits_is_refused() {
    let database = Database::own();
    let client = sql(&database.url).await;
    for level in ["off", "local"] {
        let set = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = LEVEL', current_database()); END $$";
        client.batch_execute(&set.replace("LEVEL", level)).await.unwrap();
        let refusal = open(&database.url, options(1)).await.err().unwrap();
        assert!(refusal.to_string().contains("can lose what it committed"), "{refusal}");
    }
    assert_eq!(
        client
            .query_one("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", &[])
            .await
            .unwrap()
            .get::<_, i64>(0),
        0
    );
}

#[tokio::test]
async fn a_newer_or_altered_schema_is_refused() {
    let (store, database) = own().await;
    drop(store);
    let client = sql(&database.url).await;
    let newer = "INSERT INTO migrations SELECT max(number) + 1, decode(repeat('00', 32), 'hex') FROM migrations";
    client.batch_execute(newer).await.unwrap();
    let refusal = open(&database.url, options(1)).await.err().unwrap();
    assert!(refusal.to_string().contains("newer keyfob"), "{refusal}");
    let altered =
        "DELETE FROM migrations WHERE number > 1; UPDATE migrations SET sha256 = decode(repeat('00', 32), 'hex')";
    client.batch_execute(altered).await.unwrap();
    let refusal = open(&database.url, options(1)).await.err().unwrap();
    assert!(refusal.to_string().contains("step 1 differs"), "{refusal}");
}

#[tokio::test]
async fn a_wrapped_key_that_was_altered_is_damage() {
    let (store, database) = fresh().await;
    signing_keys::begun(&store).await;
    let altered = "UPDATE signing_keys SET wrapped = decode(repeat('00', 90), 'hex')";
    sql(&database.url).await.batch_execute(altered).await.unwrap();
    assert!(matches!(store.signing_keys().await, Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn a_feed_with_a_gap_fails_its_check() {
    let (store, database) = fresh().await;
    for text in ["one", "two", "three"] {
        store.set_policy(text, &audit("policy.set", START)).await.unwrap();
    }
    store.check().await.unwrap();
    let client = sql(&database.url).await;
    client.batch_execute("DELETE FROM changes WHERE revision = 2").await.unwrap();
    assert!(matches!(store.check().await, Err(StoreError::Corrupt(_))));
    client.batch_execute("DELETE FROM changes WHERE revision = 3").await.unwrap();
    assert!(matches!(store.check().await, Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn a_backup_is_one_that_sqlite_opens_with_the_same_facts() {
    let (store, _database) = fresh().await;
    let user = made(&store, "alice").await;
    let attempt = reserved(&store, "alice", START).await;
    let login = login(&attempt, &user);
    assert_eq!(store.record_login(&login).await.unwrap(), Saved::Saved);
    let refresh = used(login.refresh, START, &user);
    let Refreshed::Rotated(session) = store.refresh(&refresh).await.unwrap() else { panic!("not rotated") };
    guess(&store, "alice", START).await;
    guess(&store, "nobody", START).await;
    signing_keys::begun(&store).await;
    store.set_policy("one", &audit("policy.set", START)).await.unwrap();
    store.set_public_url(None, "https://api.example", &audit("public-url.set", START)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keyfob.db");
    let backup = store.backup(&file, &audit("store.backed-up", START)).await.unwrap();
    assert_eq!((backup.revision, store.life().await.unwrap().backed_up_at), (Revision(2), Some(START)));
    assert!(store.backup(&file, &audit("store.backed-up", START)).await.is_err(), "never overwritten");
    let copy = crate::sqlite::tests::open_again(&file);
    assert_eq!(copy.incarnation(), store.incarnation());
    assert_eq!(current(&copy, &user).await, user);
    assert_eq!(copy.session(session.id).await.unwrap(), Some(session));
    for token in [login.refresh, refresh.successor] {
        assert_eq!(copy.refresh_token(&token).await.unwrap(), store.refresh_token(&token).await.unwrap());
    }
    assert_eq!(copy.changes_since(Revision(0)).await.unwrap(), store.changes_since(Revision(0)).await.unwrap());
    assert_eq!(copy.policy().await.unwrap(), store.policy().await.unwrap());
    assert_eq!(copy.signing_keys().await.unwrap().len(), 2);
    copy.check().await.unwrap();
}
