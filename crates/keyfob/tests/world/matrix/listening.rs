//! A loopback listener with one thread for each connection, which can be closed so that its port refuses, kept
//! connections included.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Closed when dropped.
pub struct Listening {
    /// Where it listens.
    pub address: SocketAddr,
    closed: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    /// Listen on a free port and attend to each connection.
    pub fn start(attend: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (closed, streams) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (over, kept, attend) = (Arc::clone(&closed), Arc::clone(&streams), Arc::new(attend));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Acquire) {
                    break;
                }
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend(stream.try_clone());
                let attend = Arc::clone(&attend);
                // An error is a connection that closed.
                std::thread::spawn(move || attend(stream).ok());
            }
        });
        Self { address, closed, streams, thread: Some(thread) }
    }

    /// From here on every connection is refused, and those that were open are cut.
    pub fn close(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Wakes the listener, which then sees that it is closed.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for stream in self.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.close();
    }
}
