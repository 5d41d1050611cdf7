//! An HTTP/1.1 client (RFC 9112) that sends exactly the bytes it is given and shows exactly what came back. Blocking,
//! one connection, no redirects, no decoding of content. Never used outside tests.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::canary;

/// No answer of any test takes longer; a hang is a failure with a name.
const PATIENCE: Duration = Duration::from_mins(1);

/// Of an answer: what is longer is bulk, and no secret of ours is in it.
const ANSWER_BYTES: usize = 16 * 1024;

/// A request to be written.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    chunked: bool,
}

impl Request {
    /// A request without a body. `Host` is `api.test` unless another is given.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new(), chunked: false }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a bearer token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// With a body of known length.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With a JSON body.
    pub fn json(self, value: &Value) -> Self {
        self.header("Content-Type", "application/json").body(value.to_string())
    }

    /// With the body sent in chunks.
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The request target, as it is sent.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The body, out of any framing.
    pub fn content(&self) -> &[u8] {
        &self.body
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let named = |name: &str| self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        if !named("host") {
            head += "Host: api.test\r\n";
        }
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let bodied = !self.body.is_empty() || ["POST", "PUT", "PATCH"].contains(&self.method.as_str());
        if self.chunked {
            head += "Transfer-Encoding: chunked\r\n";
        } else if bodied && !named("content-length") {
            head.extend(["Content-Length: ", &self.body.len().to_string(), "\r\n"]);
        }
        let mut bytes = (head + "\r\n").into_bytes();
        if self.chunked {
            for piece in self.body.chunks(8 * 1024) {
                bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
                bytes.extend(piece);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        } else {
            bytes.extend(&self.body);
        }
        bytes
    }
}

/// An answer, taken off the wire and out of its framing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Every header line in order, as sent.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The challenge up to the RFC 9728 address at its end, or nothing.
    pub fn challenge(&self) -> &str {
        let whole = self.header("www-authenticate").unwrap_or_default();
        whole.split_once(", resource_metadata=").map_or(whole, |(before, _)| before)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The end-to-end header lines (RFC 9110 §7.6.1), sorted by name: those a proxy must pass on as they are. `Date`
    /// is left out, because two answers differ in it; that there is one is asserted where it matters.
    pub fn end_to_end(&self) -> Vec<(String, String)> {
        const HOP_BY_HOP: &[&str] =
            &["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "date"];
        let lower = self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let mut kept: Vec<_> = lower.filter(|(name, _)| !HOP_BY_HOP.contains(&name.as_str())).collect();
        kept.sort_by(|one, other| one.0.cmp(&other.0));
        kept
    }
}

/// A connection that is kept open between requests.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connect.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(64 * 1024, stream) })
    }

    /// Send a request and read its answer whole.
    pub fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        self.send(&request.bytes())?;
        self.answer(request.method == "HEAD")
    }

    /// Send these bytes.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        canary::sent(bytes);
        self.stream.get_mut().write_all(bytes)
    }

    /// Read one answer whole. `bodiless`: it answers a HEAD.
    pub fn answer(&mut self, bodiless: bool) -> io::Result<Answer> {
        let mut answer = self.head()?;
        if !bodiless && !matches!(answer.status, 101 | 204 | 304) {
            answer.body = self.content(&answer)?;
            canary::shown(&answer.body[..answer.body.len().min(ANSWER_BYTES)]);
        }
        Ok(answer)
    }

    /// Read a head, past any interim answer but 101; the body stays on the connection.
    pub fn head(&mut self) -> io::Result<Answer> {
        loop {
            let line = self.line()?;
            let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| broken(&line))?;
            let mut headers = Vec::new();
            loop {
                let line = self.line()?;
                if line.is_empty() {
                    break;
                }
                let (name, value) = line.split_once(':').ok_or_else(|| broken(&line))?;
                headers.push((name.to_owned(), value.trim().to_owned()));
            }
            if status >= 200 || status == 101 {
                return Ok(Answer { status, headers, body: Vec::new() });
            }
        }
    }

    /// Read at least one byte, at most what has arrived.
    pub fn some(&mut self) -> io::Result<Vec<u8>> {
        let bytes = self.stream.fill_buf()?.to_vec();
        self.stream.consume(bytes.len());
        Ok(bytes)
    }

    /// Read exactly this many bytes.
    pub fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn content(&mut self, head: &Answer) -> io::Result<Vec<u8>> {
        if head.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return self.chunks();
        }
        if let Some(length) = head.header("content-length") {
            return self.exactly(length.parse().map_err(|_| broken(length))?);
        }
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest)?;
        Ok(rest)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16);
            let size = size.map_err(|_| broken(&line))?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(content);
            }
            content.extend(self.exactly(size)?);
            if !self.line()?.is_empty() {
                return Err(broken("a chunk longer than its size"));
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') || line.pop() != Some(b'\r') {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection closed inside an answer"));
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

/// One request on a connection of its own.
pub fn ask(address: SocketAddr, request: &Request) -> Answer {
    let answer = Connection::open(address).and_then(|mut connection| connection.ask(request));
    answer.unwrap_or_else(|error| panic!("{} {}: {error}", request.method, request.target))
}

/// These bytes on a connection of their own, and the first answer to them.
pub fn ask_raw(address: SocketAddr, bytes: &[u8]) -> io::Result<Answer> {
    let mut connection = Connection::open(address)?;
    connection.send(bytes)?;
    connection.answer(false)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {what}"))
}
