//! What each operation costs on the wire (PostgreSQL's protocol 3.0), counted by a proxy between a store and its server: the
//! constants of `docs/scale.md`. A round trip begins when something is sent that waits for an answer and nothing else does.

use std::fmt::Write as _;
use std::sync::Mutex;

use keyfob_core::id::NodeId;
use keyfob_core::lease::{self, Beat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// What was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    round_trips: u64,
    statements: u64,
    commits: u64,
    sent: u64,
    received: u64,
    waiting: u64,
}

/// A message is a type, its length with the four bytes of the length, and that many bytes less four.
pub(super) fn message(buffer: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let length = u32::from_be_bytes(buffer.get(1..5)?.try_into().unwrap()) as usize + 1;
    let whole = buffer.get(..length)?.to_vec();
    buffer.drain(..length);
    Some((whole[0], whole[5..].to_vec()))
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    seen: Arc<Mutex<Seen>>,
    note: fn(&mut Seen, u8, &[u8], usize),
) {
    let (mut chunk, mut buffer) = (vec![0; 64 * 1024], Vec::new());
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        buffer.extend_from_slice(&chunk[..read]);
        while let Some((kind, body)) = message(&mut buffer) {
            note(&mut seen.lock().unwrap(), kind, &body, body.len() + 5);
        }
        if to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
}

/// From the client: Parse is one statement, Query (a fixed text of ours) one and its answer, Sync asks for the answer.
fn sent(seen: &mut Seen, kind: u8, body: &[u8], bytes: usize) {
    seen.sent += bytes as u64;
    seen.statements += u64::from(matches!(kind, b'P' | b'Q'));
    seen.commits += u64::from(kind == b'Q' && body.starts_with(b"COMMIT"));
    if matches!(kind, b'Q' | b'S') {
        seen.round_trips += u64::from(seen.waiting == 0);
        seen.waiting += 1;
    }
}

/// From the server: `ReadyForQuery` ends an answer. A notification is none; it comes when it likes, with 26 bytes or a few more.
fn received(seen: &mut Seen, kind: u8, _: &[u8], bytes: usize) {
    if kind == b'A' {
        return;
    }
    seen.received += bytes as u64;
    seen.waiting = seen.waiting.saturating_sub(u64::from(kind == b'Z'));
}

/// A proxy before the cluster of the tests; where it listens, and what it has seen.
async fn proxy() -> (u16, Arc<Mutex<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, seen) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Seen::default())));
    let shared = Arc::clone(&seen);
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
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            tokio::spawn(pass(from_client, to_server, Arc::clone(&shared), sent));
            tokio::spawn(pass(from_server, to_client, Arc::clone(&shared), received));
        }
    });
    (port, seen)
}

/// The table of costs.
struct Costs {
    seen: Arc<Mutex<Seen>>,
    lines: String,
}

impl Costs {
    /// Note what was seen since the last time, for that operation.
    fn note(&mut self, operation: &str) -> (u64, u64, u64) {
        let Seen { round_trips, statements, commits, sent, received, .. } =
            std::mem::take(&mut *self.seen.lock().unwrap());
        writeln!(self.lines, "| {operation} | {round_trips} | {statements} | {commits} | {sent} | {received} |")
            .unwrap();
        (round_trips, statements, commits)
    }
}

/// A store whose connections go by the proxy, all of them made and used already; and the row of its node.
async fn proxied() -> (sample::Shared, lease::Row, Costs, Database) {
    let database = Database::fresh();
    let name = database.url.rsplit('/').next().unwrap();
    let (port, seen) = proxy().await;
    let store: sample::Shared =
        Arc::from(open(&format!("postgres://keyfob@127.0.0.1:{port}/{name}"), options(1)).await.unwrap());
    let other = node(&database.url).await;
    other.set_policy("one", &audit("policy.set", START)).await.unwrap();
    store.doorbell().wait_for(|revision| *revision == Revision(1)).await.unwrap();
    assert_eq!(store.changes_since(Revision(0)).await.unwrap().len(), 1);
    let row = lease::Row { id: NodeId::from_bytes(unique()), applied: Revision(0), beat: Beat(0) };
    store.nodes().unwrap().register(&row).await.unwrap();
    *seen.lock().unwrap() = Seen::default();
    (store, row, Costs { seen, lines: String::new() }, database)
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the table of docs/scale.md, for those who ask with --nocapture")]
async fn the_first_sight_of_a_token_is_one_round_trip_and_every_other_cost_is_as_documented() {
    let (store, row, mut costs, _database) = proxied().await;
    let user = made(&store, "alice").await;
    assert_eq!(costs.note("user made"), (3, 6, 1));

    let attempt = reserved(&store, "alice", START).await;
    assert_eq!(costs.note("sign-in: reservation (not synced)"), (5, 10, 1));
    let login = login(&attempt, &user);
    assert_eq!(store.record_login(&login).await.unwrap(), Saved::Saved);
    assert_eq!(costs.note("sign-in: session, refresh token, audit row"), (3, 10, 1));

    assert!(store.session_and_user(login.session.id, user.id).await.unwrap().0.is_some());
    assert_eq!(costs.note("check: first sight of a token"), (1, 1, 0));
    assert!(store.session(login.session.id).await.unwrap().is_some());
    assert_eq!(costs.note("check: another session of a known user"), (1, 1, 0));

    let family = store.refresh_token(&login.refresh).await.unwrap();
    assert!(family.is_some());
    assert_eq!(costs.note("refresh: which family"), (1, 1, 0));
    let refreshed = store.refresh(&used(login.refresh, START, &user)).await.unwrap();
    assert!(matches!(refreshed, Refreshed::Rotated(_)));
    assert_eq!(costs.note("refresh: rotation"), (2, 7, 1));

    revision_of(store.end_session(login.session.id, None, &audit("session.ended", START)).await.unwrap());
    assert_eq!(costs.note("revoke: a session ended"), (2, 6, 1));
    revision_of(store.set_status(user.id, Status::Disabled, &audit("user.disabled", START)).await.unwrap());
    assert_eq!(costs.note("revoke: a user disabled"), (4, 8, 1));

    assert_eq!(store.changes_since(Revision(3)).await.unwrap().len(), 0);
    assert_eq!(costs.note("feed: nothing new"), (1, 1, 0));
    assert_eq!(store.changes_since(Revision(1)).await.unwrap().len(), 2);
    assert_eq!(costs.note("feed: two changes"), (1, 1, 0));
    let nodes = store.nodes().unwrap();
    assert!(nodes.renew(row.id, Revision(3), START).await.unwrap().is_some());
    assert_eq!(costs.note("lease: renewal (a commit of its own)"), (1, 1, 0));
    assert_eq!(nodes.rows().await.unwrap().len(), 1);
    assert_eq!(costs.note("lease: the rows of all nodes"), (1, 1, 0));
    println!(
        "| operation | round trips | statements | commits | bytes sent | bytes received |\n|---|---|---|---|---|---|"
    );
    println!("{}", costs.lines);
}
