//! A node that is held up in the middle of a transaction, or whose COMMIT is, until the server has given the transaction up
//! (25P03): nothing was committed, so it is done again, once.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::wire::message;
use super::*;

/// More than the server waits for a node's next statement.
const TOO_LONG: Duration = Duration::from_millis(900);

/// What the proxy holds up, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// COMMIT alone: what raised the revision has been answered.
    Commit,
    /// The whole batch that ends with COMMIT.
    Batch,
}

/// How often something was held up, and whether the next may be.
#[derive(Default)]
struct Hands {
    armed: AtomicBool,
    held: AtomicU32,
}

/// From the client to the server. A batch is what comes at once.
async fn pass(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, held: Held, hands: Arc<Hands>) {
    let (mut chunk, mut buffer) = (vec![0; 64 * 1024], Vec::new());
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        buffer.extend_from_slice(&chunk[..read]);
        let mut batch = Vec::new();
        while let Some((kind, body)) = message(&mut buffer) {
            let commit = kind == b'Q' && body.starts_with(b"COMMIT");
            let mut bytes = vec![kind];
            bytes.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
            bytes.extend_from_slice(&body);
            if commit && hands.armed.swap(false, Ordering::SeqCst) {
                hands.held.fetch_add(1, Ordering::SeqCst);
                if held == Held::Commit && to.write_all(&std::mem::take(&mut batch)).await.is_err() {
                    return;
                }
                tokio::time::sleep(TOO_LONG).await;
            }
            batch.extend_from_slice(&bytes);
        }
        if to.write_all(&batch).await.is_err() {
            return;
        }
    }
}

/// A proxy before the cluster of the tests.
async fn proxy(held: Held) -> (u16, Arc<Hands>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, hands) = (listener.local_addr().unwrap().port(), Arc::new(Hands::default()));
    let shared = Arc::clone(&hands);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(("127.0.0.1", cluster::Cluster::shared().port())).await.unwrap();
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            // The first message has no type.
            let length = client.read_u32().await.unwrap();
            let mut startup = vec![0; length as usize - 4];
            client.read_exact(&mut startup).await.unwrap();
            server.write_u32(length).await.unwrap();
            server.write_all(&startup).await.unwrap();
            let ((from_client, mut to_client), (mut from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::spawn(pass(from_client, to_server, held, Arc::clone(&shared)));
            tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        }
    });
    (port, hands)
}

#[tokio::test]
async fn what_the_server_gave_up_waiting_for_commit_of_is_done_again() {
    for held in [Held::Commit, Held::Batch] {
        let database = Database::fresh();
        let (port, hands) = proxy(held).await;
        let name = database.url.rsplit('/').next().unwrap();
        let store = open(&format!("postgres://keyfob@127.0.0.1:{port}/{name}"), options(1)).await.unwrap();
        let by = audit("policy.set", START);
        revision_of(store.set_policy("one", &by).await.unwrap());
        hands.armed.store(true, Ordering::SeqCst);
        let done = store.set_policy("two", &by).await;
        assert_eq!(hands.held.load(Ordering::SeqCst), 1, "COMMIT was held up");
        let done = done.unwrap_or_else(|error| panic!("{held:?}: {error}"));
        assert_eq!(revision_of(done), Revision(2), "{held:?}: the first try left nothing");
        assert_eq!(store.policy().await.unwrap().unwrap().version, 2);
        assert_eq!(store.audit(10).await.unwrap().len(), 2, "{held:?}: it was done once");
    }
}

/// The server has hung up by the time that the node comes to send COMMIT.
#[tokio::test]
async fn a_node_that_was_held_up_before_it_sent_commit_does_it_again() {
    let database = Database::fresh();
    let store = Postgres::open(&database.url, options(1)).await.unwrap();
    let tries = Arc::new(AtomicU32::new(0));
    let done = store.write(Arc::clone(&tries), |transaction, tries| {
        Box::pin(async move {
            let answer = policies::set(transaction, "one", &audit("policy.set", START)).await?;
            if tries.fetch_add(1, Ordering::SeqCst) == 0 {
                tokio::time::sleep(TOO_LONG).await;
            }
            Ok(answer)
        })
    });
    assert_eq!(revision_of(done.await.unwrap()), Revision(1));
    assert_eq!(tries.load(Ordering::SeqCst), 2);
    assert_eq!(store.audit(10).await.unwrap().len(), 1, "it was done once");
}
