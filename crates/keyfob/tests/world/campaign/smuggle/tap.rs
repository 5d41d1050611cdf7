//! The wire between the gateway and an API: passes every byte on, and reads what the gateway writes as nobody more
//! strictly could. Changes nothing.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::strict::{self, Message, Reading};

/// The wire.
pub struct Tap {
    /// Where the gateway connects.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    lines: Mutex<Vec<Line>>,
    closed: AtomicBool,
}

/// What the gateway wrote on one connection and nobody has read here yet.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    ended: bool,
}

impl Tap {
    /// Stand before an API.
    pub fn start(api: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if own.closed.load(Ordering::Acquire) {
                    break;
                }
                // An error is an API that is gone, which its own test notices.
                let _ = own.join(stream, api);
            }
        });
        Self { address, shared }
    }

    /// The requests that were written since the last time, and whether nothing is under way.
    ///
    /// # Errors
    /// What the gateway wrote and should not have.
    pub fn take(&self) -> Result<(Vec<Message>, bool), String> {
        let mut taken = Vec::new();
        let mut lines = self.shared.lines();
        for line in lines.iter_mut() {
            while let Reading::Message(message, length) = strict::read(&line.bytes, line.ended)? {
                line.bytes.drain(..length);
                taken.push(message);
            }
            if line.ended {
                line.bytes.clear();
            }
        }
        let idle = lines.iter().all(|line| line.bytes.is_empty());
        Ok((taken, idle))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        // Wakes the listener, which then sees that it is closed.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self: &Arc<Self>, gateway: TcpStream, api: SocketAddr) -> io::Result<()> {
        let upstream = TcpStream::connect(api)?;
        gateway.set_nodelay(true)?;
        upstream.set_nodelay(true)?;
        let at = {
            let mut lines = self.lines();
            lines.push(Line::default());
            lines.len() - 1
        };
        let (back_from, back_to) = (upstream.try_clone()?, gateway.try_clone()?);
        let own = Arc::clone(self);
        std::thread::spawn(move || {
            // Written down before it is passed on: nothing reaches the API that was not read here.
            pass(&gateway, &upstream, |bytes| own.lines()[at].bytes.extend(bytes));
            own.lines()[at].ended = true;
        });
        std::thread::spawn(move || pass(&back_from, &back_to, |_| ()));
        Ok(())
    }
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, mut seen: impl FnMut(&[u8])) {
    let mut piece = [0; 16 * 1024];
    while let Ok(length) = from.read(&mut piece) {
        seen(&piece[..length]);
        if length == 0 || to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
