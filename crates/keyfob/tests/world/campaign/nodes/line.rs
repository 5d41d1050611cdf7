//! A connection to a node that may stand still, be cut off or be killed: an answer that is late can be waited for later. Reads
//! no more of HTTP than keyfob and its gateway answer with: a status and a length.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::support::clock;
use crate::support::http::Request;

/// How long a connection may take to be made.
const OPEN_MAX: Duration = Duration::from_secs(1);

/// A status, and the content.
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The content.
    pub body: Vec<u8>,
}

impl Reply {
    /// A member of the JSON document that it is, if it is one and has it.
    pub fn text(&self, member: &str) -> Option<String> {
        let document: Value = serde_json::from_slice(&self.body).ok()?;
        document[member].as_str().map(str::to_owned)
    }
}

/// A connection with at most one request under way.
pub struct Line {
    stream: TcpStream,
    arrived: Vec<u8>,
}

impl Line {
    /// Connect.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, OPEN_MAX)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, arrived: Vec::new() })
    }

    /// Send a request's bytes.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The answer, or nothing if it is not whole within `limit`.
    pub fn reply(&mut self, limit: Duration) -> io::Result<Option<Reply>> {
        let start = clock::now();
        loop {
            if let Some(reply) = self.whole()? {
                return Ok(Some(reply));
            }
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.arrived.extend_from_slice(&buffer[..count]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn whole(&mut self) -> io::Result<Option<Reply>> {
        let Some(end) = self.arrived.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let head = String::from_utf8_lossy(&self.arrived[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        let length = head.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
        });
        let whole = end + 4 + if status == 204 { 0 } else { length.ok_or(io::ErrorKind::InvalidData)? };
        if self.arrived.len() < whole {
            return Ok(None);
        }
        let body = self.arrived[end + 4..whole].to_vec();
        self.arrived.drain(..whole);
        Ok(Some(Reply { status, body }))
    }
}

/// One request on a connection of its own; `None` if there is no answer within `limit`.
pub fn ask(address: SocketAddr, request: &Request, limit: Duration) -> Option<Reply> {
    ask_bytes(address, &request.bytes(), limit)
}

/// The same of a request's bytes.
pub fn ask_bytes(address: SocketAddr, request: &[u8], limit: Duration) -> Option<Reply> {
    let mut line = Line::open(address).ok()?;
    line.send(request).ok()?;
    line.reply(limit).ok()?
}
