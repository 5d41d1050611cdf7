//! A loopback TCP proxy between a node and PostgreSQL, which can be cut in either direction: held back, so that what was sent
//! arrives late, lost, or refused. A connection that lost anything never carries another byte.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// How often an idle connection looks whether it is cut, and a held one whether it may go on.
const LOOK: Duration = Duration::from_millis(50);
const STEP: Duration = Duration::from_millis(2);

/// What becomes of bytes in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// They arrive.
    Pass,
    /// They arrive when the proxy is healed.
    Hold,
    /// They never arrive.
    Lose,
}

/// Stops listening when dropped.
pub struct Proxy {
    /// Where the node connects.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    database: Mutex<SocketAddr>,
    /// To the database, and from it.
    flows: Mutex<[Flow; 2]>,
    /// Connections that were made before the last of these are reset.
    resets: AtomicU64,
    refuse: AtomicBool,
    closed: AtomicBool,
}

impl Proxy {
    /// Listen on a free port, for `database`.
    pub fn before(database: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            database: Mutex::new(database),
            flows: Mutex::new([Flow::Pass; 2]),
            resets: AtomicU64::new(0),
            refuse: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        let kept = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if kept.closed.load(Ordering::Acquire) {
                    break;
                }
                let kept = Arc::clone(&kept);
                thread::spawn(move || carry(&stream, &kept));
            }
        });
        Self { address, shared }
    }

    /// From now on, what becomes of what goes to the database and of what comes from it.
    pub fn cut(&self, to: Flow, from: Flow) {
        *self.shared.flows() = [to, from];
    }

    /// From now on new connections lead to another server, as an address does that moves; those that are there are reset.
    pub fn lead_to(&self, database: SocketAddr) {
        *self.shared.database.lock().expect("nobody panics with it") = database;
        self.shared.resets.fetch_add(1, Ordering::AcqRel);
    }

    /// Reset every connection, and refuse new ones.
    pub fn refuse(&self) {
        self.shared.refuse.store(true, Ordering::Release);
        self.shared.resets.fetch_add(1, Ordering::AcqRel);
    }

    /// Carry everything again.
    pub fn heal(&self) {
        self.shared.refuse.store(false, Ordering::Release);
        self.cut(Flow::Pass, Flow::Pass);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        // Wakes the listener, which then sees that it is closed.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn flows(&self) -> MutexGuard<'_, [Flow; 2]> {
        self.flows.lock().expect("nobody panics with it")
    }

    fn over(&self, born: u64) -> bool {
        self.closed.load(Ordering::Acquire) || self.resets.load(Ordering::Acquire) != born
    }
}

fn carry(node: &TcpStream, shared: &Shared) {
    let born = shared.resets.load(Ordering::Acquire);
    if shared.refuse.load(Ordering::Acquire) {
        return;
    }
    let address = *shared.database.lock().expect("nobody panics with it");
    let Ok(database) = TcpStream::connect(address) else { return };
    for stream in [node, &database] {
        let _ = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(LOOK)));
    }
    thread::scope(|scope| {
        for (way, source, sink) in [(0, node, &database), (1, &database, node)] {
            scope.spawn(move || {
                // An error is a connection that closed.
                let _ = pump(shared, born, way, source, sink);
                // Whoever is cut off does not hear that the other end closed.
                while shared.flows()[way] != Flow::Pass && !shared.over(born) {
                    thread::sleep(STEP);
                }
                let _ = (source.shutdown(Shutdown::Both), sink.shutdown(Shutdown::Both));
            });
        }
    });
}

/// Carry what comes, until one end closes or something was lost and the cut is over.
fn pump(shared: &Shared, born: u64, way: usize, mut source: &TcpStream, mut sink: &TcpStream) -> io::Result<()> {
    let (mut buffer, mut lost) = ([0; 16 * 1024], false);
    while !shared.over(born) {
        if lost && shared.flows()[way] == Flow::Pass {
            return Ok(());
        }
        let count = match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => continue,
            Err(error) => return Err(error),
        };
        loop {
            let flow = shared.flows()[way];
            match flow {
                Flow::Hold if !shared.over(born) => thread::sleep(STEP),
                Flow::Lose => lost = true,
                Flow::Pass if !lost => sink.write_all(&buffer[..count])?,
                Flow::Pass | Flow::Hold => {}
            }
            if flow != Flow::Hold || shared.over(born) {
                break;
            }
        }
    }
    Ok(())
}
