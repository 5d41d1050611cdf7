//! A primary whose standby is gone. Every commit waits for it, without end; the connections that hang so stay within what the
//! node may have, or after minutes nobody could connect at all.

use std::time::Duration;

use super::*;

/// Connections of the stores that wait at the server.
const HANGING: &str = "SELECT count(*) FROM pg_stat_activity \
    WHERE application_name = 'keyfob' AND (wait_event = 'SyncRep' OR wait_event_type = 'Lock')";

/// Set the standby that commits wait for, and wait until they do.
async fn standby(client: &tokio_postgres::Client, name: &str) {
    client.batch_execute(&format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'")).await.unwrap();
    client.query_one("SELECT pg_reload_conf()", &[]).await.unwrap();
    let probe = "SET statement_timeout = 0; SELECT pg_logical_emit_message(true, 'probe', '')";
    while tokio::time::timeout(Duration::from_millis(100), client.batch_execute(probe)).await.is_ok() {}
}

async fn hanging(url: &str) -> i64 {
    sql(url).await.query_one(HANGING, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_standby_that_is_gone_takes_no_more_connections_than_a_node_may_have() {
    let cluster = cluster::Cluster::start(&[]);
    cluster.create("keyfob");
    let url = cluster.url("keyfob");
    let options = Options { connections: 2, patience: Duration::from_millis(100), ..options(1) };
    let store: sample::Shared = Arc::from(open(&url, options).await.unwrap());
    standby(&sql(&url).await, "gone").await;
    for number in 0..5 {
        let new = new_user(&format!("user{number}"));
        assert!(store.create_user(&new, &audit("user.created", START)).await.is_err());
    }
    assert!(hanging(&url).await <= 2, "{} connections hang", hanging(&url).await);
    let client = sql(&url).await;
    client.batch_execute("ALTER SYSTEM RESET synchronous_standby_names").await.unwrap();
    client.query_one("SELECT pg_reload_conf()", &[]).await.unwrap();
    while store.public_url().await.is_err() {}
    made(&store, "alice").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_waits_for_a_standby_that_is_gone_leaves_no_connection_behind() {
    let cluster = cluster::Cluster::start(&[]);
    cluster.create("keyfob");
    let url = cluster.url("keyfob");
    let store = node(&url).await;
    let row = keyfob_core::lease::Node::new(Terms::DEFAULT, NodeId::from_bytes([1; 16]), Revision(0)).row();
    let nodes = store.nodes().unwrap();
    nodes.register(&row).await.unwrap();
    standby(&sql(&url).await, "gone").await;
    for _ in 0..2 {
        assert!(nodes.renew(row.id, Revision(0), START).await.is_err());
        // A beat that takes too long is broken off.
        let broken_off = tokio::time::timeout(Duration::from_millis(500), nodes.renew(row.id, Revision(0), START));
        assert!(broken_off.await.is_err());
    }
    for _ in 0..100 {
        if hanging(&url).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} connections hang", hanging(&url).await);
}
