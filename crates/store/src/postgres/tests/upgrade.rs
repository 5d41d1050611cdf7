//! A database of an earlier schema, with rows in it, and a program of an earlier schema that still runs while newer nodes
//! start. `previous/` has, by the number of its newest step, each earlier program's statements and a database's rows, as they
//! were. Before a step is added, `cargo test -p keyfob-store freeze -- --ignored` keeps those of the newest one.

use std::fs;
use std::path::{Path, PathBuf};

use keyfob_core::client::{Client, ClientName, ClientStatus};
use keyfob_core::id::{ClientId, NodeId};
use keyfob_core::lease::{self, Beat};

use super::super::connection::Connection;
use super::super::migrate::{self, STEPS};
use super::statements::constants;
use super::*;
use crate::conformance::api_keys::new_key;
use crate::conformance::races::together;

/// The earlier schemas: all that were, for a node of any of them may be the one that still runs.
fn earlier() -> std::ops::Range<usize> {
    1..STEPS.len()
}

fn kept(steps: usize, what: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/postgres/tests/previous");
    folder.join(format!("{steps:04}.{what}"))
}

fn read(steps: usize, what: &str) -> String {
    fs::read_to_string(kept(steps, what)).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; hint: check out the commit before the step {} came, \
            run `cargo test -p keyfob-store freeze -- --ignored` there, and bring the two files here",
            kept(steps, what).display(),
            steps + 1
        )
    })
}

async fn connect(database: &Database) -> Connection {
    Address::parse(&database.url).unwrap().connect().await.unwrap()
}

/// A life before that of the sample, which ended, and a move that brought it here.
const PAST: &str = "INSERT INTO past_lives VALUES (decode(repeat('07', 16), 'hex'), 1, 1); \
    INSERT INTO losses VALUES (decode(repeat('07', 16), 'hex'), 2); \
    INSERT INTO moves VALUES (1, decode(repeat('08', 16), 'hex'), 'here', 'elsewhere', 1)";

/// Fill a store with at least one row of each table, but those of [`PAST`].
async fn fill(store: &sample::Shared) {
    let user = made(store, "alice").await;
    let attempt = reserved(store, "alice", START).await;
    let login = login(&attempt, &user);
    assert_eq!(store.record_login(&login).await.unwrap(), Saved::Saved);
    assert!(matches!(store.refresh(&used(login.refresh, START, &user)).await.unwrap(), Refreshed::Rotated(_)));
    let ended = signed_in(store, &user, START).await;
    revision_of(store.end_session(ended, None, &audit("session.ended", START)).await.unwrap());
    assert_eq!(store.create_key(&new_key(&user), &audit("key.created", START)).await.unwrap(), KeyMade::Made);
    let client = Client {
        id: ClientId::from_bytes(unique()),
        name: ClientName::parse("robot").unwrap(),
        scope: Scope::parse("reports:read").unwrap(),
        status: ClientStatus::Active,
        session: SessionId::from_bytes(unique()),
        created_at: START,
    };
    let client = StoredClient { client, secret: Digest(digest("robot")) };
    assert_eq!(store.create_client(&client, &audit("client.created", START)).await.unwrap(), Made::Made);
    guess(store, "alice", START).await;
    let used = crate::BasicUse { user: user.id, at: START, network: "192.0.2.0/24".to_owned() };
    store.record_basic_uses(&[used]).await.unwrap();
    guess(store, "nobody", START).await;
    signing_keys::begun(store).await;
    store.set_policy("one", &audit("policy.set", START)).await.unwrap();
    store.set_public_url(None, "https://api.example", &audit("public-url.set", START)).await.unwrap();
    let row = lease::Row { id: NodeId::from_bytes(unique()), applied: Revision(0), beat: Beat(0) };
    store.nodes().unwrap().register(&row).await.unwrap();
}

/// Everything of [`fill`] is there and of use.
async fn assert_filled(store: &sample::Shared, url: &str) {
    let user = store.user_by_name(&name("alice")).await.unwrap().unwrap();
    assert_eq!((user.status, user.auth_version), (Status::Active, 1));
    let sessions = store.sessions_of(user.id, START).await.unwrap();
    assert_eq!(sessions.len(), 1, "one lives");
    let newest = "SELECT digest FROM refresh_tokens WHERE used_at IS NULL AND session = $1";
    let session = sessions[0].session.id.to_bytes();
    let newest = sql(url).await.query_one(newest, &[&&session[..]]).await.unwrap();
    let token = Digest(newest.get::<_, Vec<u8>>(0).try_into().unwrap());
    let again = store.refresh(&used(token, START + seconds(5), &user)).await.unwrap();
    assert!(matches!(again, Refreshed::Rotated(_)), "nobody was logged out: {again:?}");
    assert_eq!(store.api_keys_of(user.id, START).await.unwrap().len(), 1);
    let client = store.client_by_name(&ClientName::parse("robot").unwrap()).await.unwrap().unwrap();
    assert_eq!(store.client(client.id).await.unwrap().unwrap().secret, Digest(digest("robot")));
    assert!(store.failed_sign_ins(Some(user.id), START - seconds(9000)).await.unwrap().is_some());
    assert_eq!(store.signing_keys().await.unwrap().len(), 2, "the root key opens them");
    assert_eq!(store.policy().await.unwrap().unwrap().text, "one");
    assert_eq!(store.public_url().await.unwrap().as_deref(), Some("https://api.example"));
    assert_eq!(store.revision().await.unwrap(), Revision(3));
    assert_eq!(store.changes_since(Revision(0)).await.unwrap().len(), 3);
    store.check().await.unwrap();
}

/// Of each table there is a row: what a step does to it is seen.
async fn assert_every_table_has_a_row(url: &str) {
    let client = sql(url).await;
    let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
    for table in client.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        let rows = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get::<_, i64>(0);
        assert!(rows > 0, "{table} has no row");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_each_earlier_schema_is_brought_up_to_date_with_its_rows_by_whichever_node_comes_first() {
    for steps in earlier() {
        let database = Database::own();
        migrate::run(&connect(&database).await, &STEPS[..steps]).await.unwrap();
        sql(&database.url).await.batch_execute(&read(steps, "rows")).await.unwrap();
        assert_every_table_has_a_row(&database.url).await;
        let nodes = together(4, |_| {
            let url = database.url.clone();
            async move { node(&url).await }
        });
        let nodes = nodes.await;
        assert_filled(&nodes[3], &database.url).await;
    }
}

#[tokio::test]
async fn what_a_program_of_each_earlier_schema_says_and_writes_is_understood_by_the_newest() {
    for steps in earlier() {
        let database = Database::own();
        migrate::run(&connect(&database).await, STEPS).await.unwrap();
        let client = sql(&database.url).await;
        for line in read(steps, "statements").lines() {
            let (place, statement) = line.split_once('\t').unwrap();
            if let Err(cause) = client.prepare(statement).await {
                let cause = cause.as_db_error().map_or_else(|| cause.to_string(), ToString::to_string);
                panic!("a node at step {steps} could not go on: {place}: {cause}");
            }
        }
        client.batch_execute(&read(steps, "rows")).await.unwrap();
        assert_filled(&node(&database.url).await, &database.url).await;
    }
}

#[tokio::test]
#[ignore = "keeps the statements and the rows of the newest schema, before another step is added"]
async fn freeze() {
    let steps = STEPS.len();
    let place = |place: &str| place.rsplit('/').next().unwrap_or_default().to_owned();
    let mut statements: Vec<String> =
        constants("postgres").into_iter().map(|(at, statement)| format!("{}\t{statement}\n", place(&at))).collect();
    statements.sort();
    let (store, database) = own().await;
    fill(&store).await;
    sql(&database.url).await.batch_execute(PAST).await.unwrap();
    assert_every_table_has_a_row(&database.url).await;
    assert_filled(&store, &database.url).await;
    let database = Database::own();
    let store = node(&database.url).await;
    fill(&store).await;
    sql(&database.url).await.batch_execute(PAST).await.unwrap();
    let name = database.url.rsplit('/').next().unwrap();
    fs::create_dir_all(kept(steps, "rows").parent().unwrap()).unwrap();
    fs::write(kept(steps, "rows"), cluster::Cluster::shared().rows(name)).unwrap();
    fs::write(kept(steps, "statements"), statements.concat()).unwrap();
}
