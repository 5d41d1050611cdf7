//! TLS: a server is believed if its certificate leads to a root that was named and is for the host that was asked for.

use std::process::Command;

use super::*;

/// A key and a certificate for `localhost` alone, beside the data of a cluster; the certificate is its own root.
fn certificate(folder: &std::path::Path) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"]).arg(folder.join("server.key"));
    let made = openssl.arg("-out").arg(folder.join("server.crt")).output().expect("hint: install openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_believed_by_its_certificate_and_its_name() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let cluster = cluster::Cluster::start(&[]);
    cluster.create("keyfob");
    cluster.serve_tls(folder.path());
    let url = |host: &str, roots: &std::path::Path| {
        format!(
            "postgres://keyfob@{host}:{}/keyfob?sslmode=verify-full&sslrootcert={}",
            cluster.port(),
            roots.display()
        )
    };
    let root = folder.path().join("server.crt");
    let store = node(&url("localhost", &root)).await;
    made(&store, "alice").await;
    let client = sql(&cluster.url("keyfob")).await;
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE application_name = 'keyfob' AND ssl AND version = 'TLSv1.3'";
    assert!(client.query_one(encrypted, &[]).await.unwrap().get::<_, i64>(0) > 0, "it is encrypted");
    let other_name = open(&url("127.0.0.1", &root), options(1)).await.err().unwrap().to_string();
    assert!(other_name.contains("certificate"), "{other_name}");
    let stranger = tempfile::tempdir().unwrap();
    certificate(stranger.path());
    let other_root = open(&url("localhost", &stranger.path().join("server.crt")), options(1)).await.err().unwrap();
    assert!(other_root.to_string().contains("certificate"), "{other_root}");
}
