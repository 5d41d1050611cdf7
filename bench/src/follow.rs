//! The decision of a service that follows keyfob: its verifier, warm, with denials in its memory, behind a node that has
//! nothing to tell. What the node does is not measured.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use keyfob::clock;
use keyfob_core::access_token::Claims;
use keyfob_core::change::Revision;
use keyfob_core::follow::{Answer, Denial};
use keyfob_core::id::{FollowerId, SessionId};
use keyfob_core::policy::Policy;
use keyfob_tower::issuer::Issuer;

use crate::Outcome;
use crate::decision;
use crate::figure::{Figure, Target, number};
use crate::house::{self, House};

/// Denials that a follower knows of: those of a busy hour.
const DENIALS: u64 = 10_000;
/// How long a request is held that has nothing to tell.
const HOLD: Duration = Duration::from_millis(500);
const LEASE: Duration = Duration::from_secs(2);

/// Warm decisions of a follower on the tokens of `claims`.
///
/// # Errors
/// If it cannot follow, or refuses one of them.
pub fn warm(house: &House, claims: &[Claims]) -> Outcome<Figure> {
    let node = node(house)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let issuer = Issuer::at(&format!("http://{node}"))?
        .named(house::ORIGIN)
        .client("a", "b")
        .policy(Policy::parse(house::POLICY, 1)?);
    let guard = runtime.block_on(issuer.follow())?;
    let (one, many) = decision::laps_of(&**guard.verifier(), house, claims)?;
    Ok(Figure::absolute("follower: warm decision, 10,000 tokens in turn", many, "ns", Target::AtMost(1200.0))
        .with(&format!("one token: {} ns; {DENIALS} denials known, no remote call", number(one))))
}

/// A node that is followed, until the process ends.
fn node(house: &House) -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let follower = FollowerId::new(clock::now(), &clock::random());
    let mut snapshot = Answer::new(follower, house.open.store.incarnation(), Revision(DENIALS), clock::now())
        .with_lease(LEASE, Duration::from_hours(2));
    snapshot.jwks = Some(house.keys.accepted().to_json());
    snapshot.snapshot = true;
    let session =
        |number| Denial::Session(SessionId::new(clock::now(), &[u8::try_from(number % 251).unwrap_or(0); 10]));
    snapshot.changes = (1..=DENIALS).map(|number| (Revision(number), session(number))).collect();
    let snapshot = Arc::new(snapshot);
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let snapshot = Arc::clone(&snapshot);
            thread::spawn(move || answer(connection, &snapshot));
        }
    });
    Ok(address)
}

/// Answer the requests of one connection.
fn answer(mut connection: TcpStream, snapshot: &Answer) -> Outcome {
    let mut reader = BufReader::new(connection.try_clone()?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut document = snapshot.clone();
        document.now = clock::now();
        if !body.is_empty() {
            thread::sleep(HOLD);
            document.snapshot = false;
            document.changes.clear();
            document.jwks = None;
        }
        let text = serde_json::to_string(&document)?;
        write!(connection, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())?;
    }
}
