//! Several nodes on one database, and a database that fails them.

use std::time::Duration;

use keyfob_core::user::Status;

use super::super::migrate;
use super::*;
use crate::conformance::api_keys::new_key;
use crate::conformance::races::{guessed, together};
use crate::conformance::refresh_tokens::used;
use crate::{Refreshed, Saved};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_nodes_that_start_at_once_one_makes_the_schema_and_the_life() {
    let database = Database::own();
    let lives = together(8, |number| {
        let url = database.url.clone();
        async move {
            let fresh_incarnation = [u8::try_from(number).unwrap(); 16];
            open(&url, Options { fresh_incarnation, ..options(1) }).await.unwrap().incarnation()
        }
    });
    let lives = lives.await;
    assert!(lives.iter().all(|life| *life == lives[0]), "{lives:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_run_once_and_a_failed_one_leaves_nothing_behind() {
    const ONE: &str = "CREATE TABLE one (a bigint)";
    const TWO: &str = "CREATE TABLE two (a bigint)";
    let database = Database::own();
    let connection = Address::parse(&database.url).unwrap().connect().await.unwrap();
    assert!(migrate::run(&connection, &[ONE, "CREATE TABLE broken ("]).await.is_err());
    migrate::run(&connection, &[ONE]).await.unwrap();
    migrate::run(&connection, &[ONE, TWO]).await.unwrap();
    migrate::run(&connection, &[ONE, TWO]).await.unwrap();
    assert_eq!(migrate::applied(&connection, &[ONE, TWO]).await.unwrap(), 2);
}

/// Two nodes do what one does alone: the whole suite's races, with every other call on the other node, would say the same;
/// these are the two that matter most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_at_two_nodes_share_one_budget() {
    let database = Database::fresh();
    let nodes = [node(&database.url).await, node(&database.url).await];
    made(&nodes[0], "alice").await;
    let tried = together(60, |number| {
        let store = Arc::clone(&nodes[number % 2]);
        async move { guessed(&store).await }
    });
    assert_eq!(tried.await.into_iter().filter(|tried| *tried).count(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_uses_at_two_nodes_one_makes_the_successor_and_none_outlives_a_disable() {
    let database = Database::fresh();
    let nodes = [node(&database.url).await, node(&database.url).await];
    for round in 0..10 {
        let user = made(&nodes[0], &format!("user{round}")).await;
        let attempt = reserved(&nodes[0], user.username.as_str(), START).await;
        let login = login(&attempt, &user);
        assert_eq!(nodes[1].record_login(&login).await.unwrap(), Saved::Saved);
        let answers = together(9, |number| {
            let (store, user) = (Arc::clone(&nodes[number % 2]), user.clone());
            async move {
                if number == 8 {
                    let by = audit("user.disabled", START);
                    revision_of(store.set_status(user.id, Status::Disabled, &by).await.unwrap());
                    return None;
                }
                Some(store.refresh(&used(login.refresh, START, &user)).await.unwrap())
            }
        });
        let answers: Vec<_> = answers.await.into_iter().flatten().collect();
        assert!(answers.iter().filter(|answer| matches!(answer, Refreshed::Rotated(_))).count() <= 1, "{answers:?}");
        assert!(!is_live(&nodes[0], login.session.id).await);
    }
    assert!(nodes[1].revision().await.unwrap() == Revision(20), "ten sessions, ten users, and no refresh");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_and_a_refresh_do_not_wait_for_the_revision() {
    let (store, database) = fresh().await;
    let user = made(&store, "alice").await;
    let client = sql(&database.url).await;
    client.batch_execute("BEGIN; SELECT * FROM meta FOR UPDATE").await.unwrap();
    let attempt = reserved(&store, "alice", START).await;
    let login = login(&attempt, &user);
    assert_eq!(store.record_login(&login).await.unwrap(), Saved::Saved);
    let refreshed = store.refresh(&used(login.refresh, START, &user)).await.unwrap();
    assert!(matches!(refreshed, Refreshed::Rotated(_)), "{refreshed:?}");
    let late = store.set_policy("one", &audit("policy.set", START)).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "what raises it does: {late:?}");
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(revision_of(store.set_policy("one", &audit("policy.set", START)).await.unwrap()), Revision(1));
}

/// What a lease hangs on never waits behind requests: these hold every connection of the pool, and more wait for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_while_requests_hold_every_connection() {
    let database = Database::fresh();
    let store: sample::Shared = Arc::from(open(&database.url, Options { connections: 2, ..options(1) }).await.unwrap());
    let row = keyfob_core::lease::Node::new(Terms::DEFAULT, NodeId::from_bytes([1; 16]), Revision(0)).row();
    store.nodes().unwrap().register(&row).await.unwrap();
    let client = sql(&database.url).await;
    client.batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let store = Arc::clone(&store);
        requests.spawn(async move { store.user_by_name(&name("alice")).await.is_err() });
    }
    let waiting = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FROM users%'";
    // Not the one above: a transaction sees the others as they were at its first look.
    let watcher = sql(&database.url).await;
    while watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let beat = async {
        store.changes_since(Revision(0)).await.unwrap();
        assert!(store.nodes().unwrap().renew(row.id, Revision(0), START).await.unwrap().is_some());
        store.policy().await.unwrap();
        store.signing_keys().await.unwrap();
        assert_eq!(store.nodes().unwrap().rows().await.unwrap().len(), 1);
    };
    assert!(tokio::time::timeout(Terms::DEFAULT.lease(), beat).await.is_ok(), "the lease has run out");
    requests.abort_all();
}

/// All that a node needs that guards and neither signs in nor changes anything: no password hash among it.
const GUARD: &str = "\
    CREATE ROLE guard LOGIN; \
    GRANT SELECT ON migrations, moves, meta, sessions, api_keys, clients, signing_keys, policies, changes, \
    past_lives, losses TO guard; \
    GRANT SELECT (id, username, status, roles, auth_version, created_at) ON users TO guard";

#[tokio::test]
async fn a_node_that_only_guards_needs_to_read_a_few_tables_and_no_more() {
    let (store, database) = own().await;
    let user = made(&store, "alice").await;
    let session = signed_in(&store, &user, START).await;
    signing_keys::begun(&store).await;
    let client = sql(&database.url).await;
    client.batch_execute(GUARD).await.unwrap();
    let guard = node(&database.url.replace("//keyfob@", "//guard@")).await;
    assert_eq!(current(&guard, &user).await, user);
    assert!(is_live(&guard, session).await);
    assert_eq!(guard.signing_keys().await.unwrap().len(), 2);
    assert_eq!(guard.policy().await.unwrap(), None);
    let revision = revision_of(store.end_session(session, None, &audit("session.ended", START)).await.unwrap());
    assert_eq!(guard.changes_since(Revision(1)).await.unwrap().last().unwrap().revision, revision);
    assert!(!is_live(&guard, session).await);
    for refused in [guard.set_policy("one", &audit("policy.set", START)).await.err(), guard.audit(1).await.err()] {
        assert!(matches!(&refused, Some(StoreError::Unavailable(text)) if text.contains("denied")), "{refused:?}");
    }
    let hash = sql(&database.url.replace("//keyfob@", "//guard@")).await.query("SELECT password FROM users", &[]).await;
    assert!(hash.is_err(), "a guard sees no password hash");
}

/// Makes the end of each transaction that writes an audit row run `body`.
async fn at_commit(url: &str, body: &str) -> tokio_postgres::Client {
    let client = sql(url).await;
    let trap = format!(
        "CREATE OR REPLACE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$; \
        DROP TRIGGER IF EXISTS trap ON audit; CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON audit \
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap()"
    );
    client.batch_execute(&trap).await.unwrap();
    client
}

#[tokio::test]
async fn a_commit_with_a_warning_is_not_acknowledged() {
    let (store, database) = own().await;
    let client = at_commit(&database.url, "RAISE WARNING 'the transaction has already committed locally';").await;
    let by = audit("policy.set", START);
    let doubtful = store.set_policy("one", &by).await;
    assert!(matches!(&doubtful, Err(StoreError::Unavailable(text)) if text.contains("warning")), "{doubtful:?}");
    assert_eq!(store.revision().await.unwrap(), Revision(1), "it was committed, and nobody was told so");
    client.batch_execute("DROP TRIGGER trap ON audit").await.unwrap();
    assert_eq!(revision_of(store.set_policy("two", &by).await.unwrap()), Revision(2));
    store.doorbell().wait_for(|revision| *revision == Revision(2)).await.unwrap();
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_not_acknowledged_and_not_done_again() {
    let (store, database) = own().await;
    let body = "PERFORM nextval('tries'); PERFORM pg_terminate_backend(pg_backend_pid());";
    let client = at_commit(&database.url, body).await;
    client.batch_execute("CREATE SEQUENCE tries").await.unwrap();
    let by = audit("policy.set", START);
    let doubtful = store.set_policy("one", &by).await;
    assert!(matches!(&doubtful, Err(StoreError::Unavailable(text)) if text.contains("not known")), "{doubtful:?}");
    let tries = client.query_one("SELECT last_value FROM tries", &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(tries, 1, "it might have been committed");
    client.batch_execute("DROP TRIGGER trap ON audit").await.unwrap();
    let first = store.set_policy("two", &by).await.unwrap();
    assert_eq!(revision_of(first), Revision(1), "the broken connection was not used again");
}

/// What was judged on a session is committed before its end is acknowledged, or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_made_after_the_end_of_its_session_was_acknowledged() {
    let (store, database) = own().await;
    let user = made(&store, "alice").await;
    let session = signed_in(&store, &user, START).await;
    let client = at_commit(&database.url, "IF NEW.event = 'slow' THEN PERFORM pg_sleep(0.3); END IF;").await;
    let new = crate::NewKey { session: Some(session), ..new_key(&user) };
    let making = tokio::spawn({
        let (store, new) = (Arc::clone(&store), new.clone());
        async move { store.create_key(&new, &audit("slow", START)).await.unwrap() }
    });
    let asleep = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event = 'PgSleep'";
    while client.query_one(asleep, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    revision_of(store.end_session(session, None, &audit("session.ended", START)).await.unwrap());
    assert!(store.api_key(new.key.id).await.unwrap().is_some(), "it came first");
    assert_eq!(making.await.unwrap(), KeyMade::Made);
}

/// A panic in the middle leaves the transaction open on its connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_transaction_did_that_was_broken_off_is_not_committed_by_the_next() {
    let database = Database::fresh();
    let store = Postgres::open(&database.url, Options { connections: 1, ..options(1) }).await.unwrap();
    let broken = store.write((), |transaction, ()| {
        Box::pin(async {
            policies::set(transaction, "half", &audit("policy.set", START)).await?;
            super::super::meta::revision(transaction).await?;
            panic!("in the middle")
        })
    });
    let broken: Result<()> = broken.await;
    assert!(matches!(broken, Err(StoreError::Unavailable(_))), "{broken:?}");
    revision_of(store.set_policy("whole", &audit("policy.set", START)).await.unwrap());
    assert_eq!(store.policy().await.unwrap().unwrap().version, 1);
    let seen = sql(&database.url).await.query_one("SELECT count(*) FROM policies", &[]).await.unwrap();
    assert_eq!(seen.get::<_, i64>(0), 1, "what was broken off is gone");
}

/// On a machine that is overloaded keyfob may not come to its next statement in time. Nothing was committed, then.
#[tokio::test]
async fn what_the_server_gave_up_waiting_for_is_done_again() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let database = Database::fresh();
    let store = Postgres::open(&database.url, options(1)).await.unwrap();
    let tries = std::sync::Arc::new(AtomicU32::new(0));
    let done = store.write(std::sync::Arc::clone(&tries), |transaction, tries| {
        Box::pin(async move {
            super::super::meta::revision(transaction).await?;
            if tries.fetch_add(1, Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            policies::set(transaction, "one", &audit("policy.set", START)).await
        })
    });
    revision_of(done.await.unwrap());
    assert_eq!(tries.load(Ordering::Relaxed), 2, "the server did not wait for the first");
    assert_eq!(store.audit(10).await.unwrap().len(), 1, "it was done once");
}

#[tokio::test]
async fn what_a_deadlock_undid_is_done_again() {
    let (store, database) = own().await;
    let client = at_commit(
        &database.url,
        "IF nextval('tries') < 3 THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = 'deadlock_detected'; END IF;",
    );
    let client = client.await;
    client.batch_execute("CREATE SEQUENCE tries").await.unwrap();
    let by = audit("policy.set", START);
    assert_eq!(revision_of(store.set_policy("one", &by).await.unwrap()), Revision(1), "at the third try");
    assert_eq!(store.audit(10).await.unwrap().len(), 1, "and once");
    client.batch_execute("ALTER SEQUENCE tries MINVALUE -100 RESTART -50").await.unwrap();
    let never = store.set_policy("two", &by).await;
    assert!(matches!(&never, Err(StoreError::Unavailable(text)) if text.contains("deadlock")), "{never:?}");
    let tries = client.query_one("SELECT last_value FROM tries", &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(tries, -46, "five times, and no more");
    assert_eq!(store.policy().await.unwrap().unwrap().version, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_database_loses_nothing_and_needs_nobody() {
    let cluster = cluster::Cluster::start(&[]);
    cluster.create("keyfob");
    let store = node(&cluster.url("keyfob")).await;
    let user = made(&store, "alice").await;
    let session = signed_in(&store, &user, START).await;
    revision_of(store.end_session(session, None, &audit("session.ended", START)).await.unwrap());
    cluster.restart("immediate");
    assert!(!is_live(&store, session).await, "what was acknowledged is there");
    cluster.restart("immediate");
    let by = audit("policy.set", START);
    assert_eq!(revision_of(store.set_policy("one", &by).await.unwrap()), Revision(2));
    drop(cluster);
    assert!(matches!(store.user(user.id).await, Err(StoreError::Unavailable(_))), "could not tell");
}

#[tokio::test]
async fn a_statement_that_hangs_is_given_up_before_a_lease_ends_here_and_there() {
    let (store, database) = fresh().await;
    let client = sql(&database.url).await;
    client.batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(2), store.user_by_name(&name("alice"))).await;
    assert!(matches!(read, Ok(Err(StoreError::Unavailable(_)))), "{read:?}");
    let waiting = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FROM users%'";
    for _ in 0..100 {
        if client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the database still waits for the lock, for nobody");
}
