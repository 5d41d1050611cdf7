//! A database that is not the one that was last served, with nothing missing: seen by those that run and by those that start;
//! closed until it is the right one again, or accepted.

use std::path::{Path, PathBuf};

use keyfob_core::client::ClientStatus;
use tempfile::TempDir;

use super::*;
use crate::conformance::api_keys;
use crate::high_water::HighWater;

/// Acknowledges changes up to that revision, by policies.
async fn raise(store: &sample::Shared, to: u64) {
    for number in store.revision().await.unwrap().0..to {
        store.set_policy(&format!("policy {number}"), &audit("policy.set", START)).await.unwrap();
    }
}

/// What an older copy at that revision looks like to connections that did not notice how it came there.
async fn put_back(database: &Database, revision: u64) -> tokio_postgres::Client {
    let client = sql(&database.url).await;
    let back = format!("UPDATE meta SET revision = {revision}; DELETE FROM changes WHERE revision > {revision}");
    client.batch_execute(&back).await.unwrap();
    client
}

async fn marked(database: &Database, mark: &Path) -> Result<sample::Shared> {
    let options = Options { mark: Some(mark.to_owned()), ..options(1) };
    open(&database.url, options).await.map(Arc::from)
}

async fn accepted(database: &Database, mark: &Path, life: u8) -> Result<crate::Restored> {
    let root_key = RootKey::from_bytes([1; 32]);
    let by = audit("store.restored", START);
    let acceptance = Acceptance { root_key: &root_key, incarnation: [life; 16], mark, write_mark: true, by: &by };
    accept_rollback(&database.url, &acceptance).await
}

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("root.key.mark");
    (folder, mark)
}

fn nodes(store: &sample::Shared) -> &dyn Nodes {
    store.nodes().unwrap()
}

#[tokio::test]
async fn nodes_that_run_close_together_and_one_acceptance_opens_all_of_them() {
    let (first, database) = own().await;
    let second = node(&database.url).await;
    let user = made(&first, "alice").await;
    let session = signed_in(&first, &user, START).await;
    let key = api_keys::new_key(&user);
    first.create_key(&key, &audit("key.created", START)).await.unwrap();
    raise(&first, 5).await;
    assert_eq!(first.changes_since(Revision(0)).await.unwrap().len(), 5);
    // The second has seen nothing of what is lost.
    put_back(&database, 2).await;
    let behind = first.changes_since(Revision(5)).await.unwrap_err();
    assert!(matches!(behind, StoreError::RolledBack { found: 2, mark: 5 }), "{behind}");
    let closed = first.set_policy("one more", &audit("policy.set", START)).await.unwrap_err();
    assert!(closed.went_backwards() && first.user(user.id).await.unwrap_err().went_backwards());
    second.changes_since(Revision(0)).await.expect("it has seen no more than there is");
    assert_eq!(nodes(&first).next_life().await.unwrap(), None);
    let told = second.changes_since(Revision(2)).await.unwrap_err();
    assert!(matches!(told, StoreError::RolledBack { found: 2, mark: 5 }), "{told}");
    assert!(second.session(session).await.is_err() && nodes(&second).closed().is_some());
    assert!(open(&database.url, options(1)).await.is_err(), "nor does one start");

    let (_folder, mark) = place();
    let restored = accepted(&database, &mark, 9).await.unwrap();
    assert_eq!((restored.from, restored.sessions_ended, restored.keys_suspended), (Revision(2), 1, 1));
    assert_eq!(HighWater::read(&mark).unwrap().unwrap().at.revision, restored.revision);
    for store in [&first, &second] {
        assert!(store.session(session).await.is_err(), "closed until it goes over");
        assert!(matches!(store.changes_since(Revision(5)).await, Err(StoreError::OtherLife)));
        assert_eq!(nodes(store).next_life().await.unwrap(), Some(restored.incarnation));
        let feed = store.changes_since(Revision(5)).await.unwrap();
        assert!(feed[0].revision == restored.revision && feed[0].revision > Revision(6), "a gap: {feed:?}");
        assert_eq!(store.incarnation(), Incarnation([9; 16]));
        assert!(!is_live(store, session).await);
        assert!(store.api_key(key.key.id).await.unwrap().unwrap().incarnation != store.incarnation());
        store.check().await.unwrap();
    }
    assert_eq!(first.audit(1).await.unwrap()[0].event, "store.restored");
    let raised = revision_of(second.set_policy("new", &audit("policy.set", START)).await.unwrap());
    assert_eq!(raised.0, restored.revision.0 + 1);
    let again = accepted(&database, &mark, 10).await.unwrap_err();
    assert!(matches!(&again, StoreError::Backup(why) if why.contains("nothing missing")), "{again}");
}

#[tokio::test]
async fn a_node_does_not_start_on_an_older_database_and_starts_once_it_is_accepted_wherever_its_mark_is() {
    let database = Database::own();
    let ((_one, mark), (_two, away)) = (place(), place());
    let store = marked(&database, &mark).await.unwrap();
    let other = marked(&database, &away).await.unwrap();
    let client = crate::conformance::clients::new_client("robot");
    store.create_client(&client, &audit("client.created", START)).await.unwrap();
    raise(&store, 4).await;
    for store in [&store, &other] {
        store.changes_since(Revision(0)).await.unwrap();
        nodes(store).remember().await.unwrap();
    }
    drop((store, other));
    put_back(&database, 3).await;
    let refused = marked(&database, &mark).await.map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::RolledBack { found: 3, mark: 4 }), "{refused}");
    accepted(&database, &mark, 9).await.unwrap();
    let (one, two) = (marked(&database, &mark).await.unwrap(), marked(&database, &away).await.unwrap());
    for store in [&one, &two] {
        assert_eq!(store.incarnation(), Incarnation([9; 16]));
        let suspended = store.client(client.client.id).await.unwrap().unwrap();
        assert_eq!(suspended.client.status, ClientStatus::Suspended);
    }
    drop((one, two));
    // The life before, in the place of this one: it is no life that was accepted.
    let client = sql(&database.url).await;
    client
        .batch_execute("UPDATE meta SET incarnation = (SELECT incarnation FROM past_lives); DELETE FROM past_lives")
        .await
        .unwrap();
    for mark in [&mark, &away] {
        assert!(matches!(marked(&database, mark).await.map(drop).unwrap_err(), StoreError::OtherLife));
    }
    fs_damage(&mark);
    assert!(matches!(marked(&database, &mark).await.map(drop).unwrap_err(), StoreError::HighWater(_)));
    accepted(&database, &mark, 11).await.unwrap();
    marked(&database, &mark).await.unwrap();
}

fn fs_damage(mark: &Path) {
    std::fs::write(mark, "not a mark").unwrap();
}

#[tokio::test]
async fn a_copy_that_went_on_to_the_same_numbers_is_known_by_its_last_change() {
    let (store, database) = own().await;
    raise(&store, 3).await;
    store.changes_since(Revision(0)).await.unwrap();
    let client = put_back(&database, 2).await;
    let went_on =
        "UPDATE meta SET revision = 4; INSERT INTO changes VALUES (3, 'policy', NULL, 7), (4, 'policy', NULL, 8)";
    client.batch_execute(went_on).await.unwrap();
    let other = store.changes_since(Revision(3)).await.unwrap_err();
    assert!(matches!(other, StoreError::OtherHistory { revision: 3 }), "{other}");
    assert!(store.policy().await.is_err());
}

#[tokio::test]
async fn a_store_that_lost_its_way_opens_by_itself_when_the_right_database_is_back() {
    let (store, database) = own().await;
    raise(&store, 3).await;
    store.changes_since(Revision(0)).await.unwrap();
    let client = sql(&database.url).await;
    client.batch_execute("UPDATE meta SET revision = 2").await.unwrap();
    assert!(store.changes_since(Revision(3)).await.is_err() && store.policy().await.is_err());
    client.batch_execute("UPDATE meta SET revision = 3").await.unwrap();
    assert!(store.changes_since(Revision(3)).await.unwrap().is_empty());
    store.policy().await.unwrap();
}

#[tokio::test]
async fn a_new_connection_looks_before_anybody_uses_it() {
    let (store, database) = own().await;
    raise(&store, 3).await;
    let client = put_back(&database, 2).await;
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid != pg_backend_pid()";
    client.batch_execute(others).await.unwrap();
    let refused = store.user_by_name(&name("alice")).await.unwrap_err();
    assert!(matches!(refused, StoreError::RolledBack { found: 2, mark: 3 }), "{refused}");
}

/// A change that was committed on the database before may be missing in this one, and the rows of nodes with it.
#[tokio::test]
async fn the_rows_of_an_older_database_acknowledge_nothing() {
    let (store, database) = own().await;
    raise(&store, 5).await;
    nodes(&store).rows().await.unwrap();
    let client = put_back(&database, 2).await;
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'keyfob'";
    client.query(ended, &[]).await.unwrap();
    let told = loop {
        match nodes(&store).rows().await {
            Err(broken) if !broken.went_backwards() => {}
            told => break told,
        }
    };
    assert!(told.is_err_and(|error| error.went_backwards()));
}

/// The right database may be back by the time that a closed node looks: what it tells then would close it for ever.
#[tokio::test]
async fn a_node_that_is_still_closed_tells_no_loss_of_the_right_database() {
    let (store, database) = own().await;
    raise(&store, 3).await;
    store.changes_since(Revision(0)).await.unwrap();
    let client = sql(&database.url).await;
    client.batch_execute("CREATE TABLE right_one AS SELECT * FROM changes").await.unwrap();
    put_back(&database, 2).await;
    assert!(store.changes_since(Revision(3)).await.unwrap_err().went_backwards());
    let back = "UPDATE meta SET revision = 3; INSERT INTO changes SELECT * FROM right_one WHERE revision > 2";
    client.batch_execute(back).await.unwrap();
    assert_eq!(nodes(&store).next_life().await.unwrap(), None);
    store.changes_since(Revision(3)).await.expect("it is open again");
}
