//! A server that is not to be believed in everything. A warning of a commit says that others may not have it, in whatever
//! language; one of the connection says nothing about any commit; a standby is behind.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_postgres::config::SslMode;

use super::super::connection::Connection;
use super::*;

/// A message of the protocol: its kind, its length, itself.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

/// A server that lets anybody in, and answers one statement, after a notice of these severities: its own words, and the word
/// that is the same in all languages.
async fn serve(mut stream: DuplexStream, severities: [&str; 2]) {
    let length = stream.read_u32().await.unwrap() as usize;
    stream.read_exact(&mut vec![0; length - 4]).await.unwrap();
    let ready = message(b'Z', b"I");
    stream.write_all(&[message(b'R', &[0; 4]), ready.clone()].concat()).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'Q');
    let length = stream.read_u32().await.unwrap() as usize;
    stream.read_exact(&mut vec![0; length - 4]).await.unwrap();
    let [own, common] = severities;
    let notice = format!("S{own}\0V{common}\0C01000\0Mwords\0\0");
    let answer = [message(b'N', notice.as_bytes()), message(b'C', b"COMMIT\0"), ready].concat();
    stream.write_all(&answer).await.unwrap();
    let _ = stream.read_u8().await;
}

#[tokio::test]
async fn a_warning_in_another_language_is_one() {
    for (severities, expected) in [(["WARNUNG", "WARNING"], 1), (["HINWEIS", "NOTICE"], 0)] {
        let (ours, theirs) = duplex(4096);
        tokio::spawn(serve(theirs, severities));
        let (client, driver) = tokio_postgres::Config::new()
            .user("keyfob")
            .ssl_mode(SslMode::Disable)
            .connect_raw(ours, tokio_postgres::NoTls)
            .await
            .unwrap();
        let connection = Connection::drive(client, driver, None);
        connection.run("COMMIT").await.unwrap();
        assert_eq!(connection.warnings(), expected, "{severities:?}");
    }
}

/// After an upgrade of the system's library PostgreSQL warns each new connection of the sort order it was made with.
#[tokio::test]
async fn a_warning_at_each_new_connection_keeps_nobody_from_its_lease() {
    let (store, database) = own().await;
    let aged = "UPDATE pg_database SET datcollversion = 'another' WHERE datname = current_database()";
    sql(&database.url).await.batch_execute(aged).await.unwrap();
    let row = keyfob_core::lease::Node::new(Terms::DEFAULT, NodeId::from_bytes([1; 16]), Revision(0)).row();
    let nodes = store.nodes().unwrap();
    nodes.register(&row).await.unwrap();
    assert!(nodes.renew(row.id, Revision(0), START).await.unwrap().is_some());
    store.changes_since(Revision(0)).await.unwrap();
}

/// A commit that waited in vain for a standby is visible here all the same. Whoever asks again is told that nothing is left to
/// do, and that must not be the acknowledgement which the first did not get.
#[tokio::test]
async fn what_a_standby_may_not_have_is_not_acknowledged_at_the_second_try_either() {
    let cluster = cluster::Cluster::start(&[]);
    cluster.create("keyfob");
    let store = node(&cluster.url("keyfob")).await;
    let client = sql(&cluster.url("keyfob")).await;
    let standby = async |setting: &str| {
        client.batch_execute(setting).await.unwrap();
        client.query_one("SELECT pg_reload_conf()", &[]).await.unwrap();
    };
    // An operator who does not wait for the standby.
    let cancel = async || {
        loop {
            let waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            client.query(waiting, &[]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let policy = async |number: u32| store.set_policy(&number.to_string(), &audit("policy.set", START)).await;
    standby("ALTER SYSTEM SET synchronous_standby_names = 'gone'").await;
    let doubtful = async {
        // The server learns of its setting at leisure.
        let mut number = 0;
        loop {
            let told = policy(number).await;
            if told.is_err() {
                return (number, told, policy(number).await);
            }
            number += 1;
        }
    };
    let (number, first, second) =
        tokio::select! { told = doubtful => told, () = cancel() => panic!("it does not end") };
    for told in [&first, &second] {
        assert!(matches!(told, Err(StoreError::Unavailable(text)) if text.contains("warning")), "{first:?} {second:?}");
    }
    assert_eq!(store.policy().await.unwrap().unwrap().text, number.to_string(), "it is committed");
    standby("ALTER SYSTEM RESET synchronous_standby_names").await;
    while policy(number).await.is_err() {}
    assert!(matches!(policy(number).await, Ok(Changed::Already(_))));
}

/// Behind the name of the database there may be another server tomorrow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_became_a_standby_is_not_believed() {
    let cluster = cluster::Cluster::start(&[]);
    cluster.create("keyfob");
    let store = node(&cluster.url("keyfob")).await;
    let user = made(&store, "alice").await;
    std::fs::write(cluster.directory().join("data/standby.signal"), "").unwrap();
    cluster.restart("immediate");
    let refused = |told: String| assert!(told.contains("does not allow writes"), "{told}");
    refused(store.user(user.id).await.unwrap_err().to_string());
    refused(store.changes_since(Revision(0)).await.unwrap_err().to_string());
    refused(open(&cluster.url("keyfob"), options(1)).await.err().unwrap().to_string());
}
