//! An API that lets everything in and writes down what reached it: the judge of every "upstream never reached".

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The method.
    pub method: String,
    /// The request target, byte for byte.
    pub target: Vec<u8>,
    /// Every header line.
    pub headers: Vec<(String, String)>,
}

impl Arrival {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The recording API; stops listening when dropped.
pub struct Recorder {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    arrivals: Mutex<Vec<Arrival>>,
    closed: AtomicBool,
}

impl Recorder {
    /// Listen on a free port.
    pub fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Listen there.
    pub fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared::default());
        let kept = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if kept.closed.load(Ordering::Acquire) {
                    break;
                }
                let kept = Arc::clone(&kept);
                // An error is a connection that closed, which is how every one of them ends.
                std::thread::spawn(move || attend(&stream, &kept).ok());
            }
        });
        Self { address, shared }
    }

    /// Its origin, as `--upstream` takes it.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Take what has arrived since the last time.
    pub fn take(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.shared.arrivals.lock().expect("no recorder panics while it writes"))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        // Wakes the listener, which then sees that it is closed.
        let _ = TcpStream::connect(self.address);
    }
}

fn attend(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let start = line(&mut reader)?;
        let mut words = start.split(|byte| *byte == b' ');
        let method = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
        let target = words.next().unwrap_or_default().to_vec();
        let mut headers = Vec::new();
        loop {
            let line = String::from_utf8_lossy(&line(&mut reader)?).into_owned();
            match line.split_once(':') {
                Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
                None => break,
            }
        }
        let arrival = Arrival { method, target, headers };
        drain(&mut reader, &arrival)?;
        let body: &[u8] = if arrival.method == "HEAD" { b"" } else { b"reached\n" };
        shared.arrivals.lock().expect("no recorder panics while it writes").push(arrival);
        let mut answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\n".to_vec();
        answer.extend(body);
        let mut stream = stream;
        stream.write_all(&answer)?;
    }
}

/// Read the body away, so that the next request starts where it should.
fn drain(reader: &mut BufReader<TcpStream>, arrival: &Arrival) -> io::Result<()> {
    if arrival.header("transfer-encoding").is_some() {
        loop {
            let size = String::from_utf8_lossy(&line(reader)?).into_owned();
            let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
            io::copy(&mut reader.take(size as u64 + 2), &mut io::sink())?;
            if size == 0 {
                return Ok(());
            }
        }
    }
    let length = arrival.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    io::copy(&mut reader.take(length), &mut io::sink()).map(drop)
}

fn line(reader: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    match line.pop() {
        Some(b'\n') => {
            line.pop_if(|byte| *byte == b'\r');
            Ok(line)
        }
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
