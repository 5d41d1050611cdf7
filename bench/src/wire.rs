//! As much of an HTTP/1.1 client (RFC 9112) as the measurements need: one kept-alive connection, answers with a
//! `Content-Length`. Never follows, never retries.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::Outcome;

/// One kept-alive connection.
pub struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Line {
    /// Connect.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn connect(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Send one request and wait for the status of its answer.
    ///
    /// # Errors
    /// If the connection ends before.
    pub fn ask(&mut self, request: &[u8]) -> Outcome<u16> {
        self.stream.write_all(request)?;
        loop {
            if let Some((status, length)) = answer(&self.buffer) {
                self.buffer.drain(..length);
                return Ok(status);
            }
            let mut chunk = [0; 4096];
            let read = self.stream.read(&mut chunk)?;
            if read == 0 {
                return Err("the connection ended before the answer".into());
            }
            self.buffer.extend_from_slice(&chunk[..read]);
        }
    }
}

/// Status and length in bytes of the answer at the head of `bytes`, if it is all there.
#[must_use]
pub fn answer(bytes: &[u8]) -> Option<(u16, usize)> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let status = text.get(9..12)?.parse().ok()?;
    let body = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = head + body.unwrap_or(0);
    (bytes.len() >= length).then_some((status, length))
}

/// A sign-in request as JSON.
#[must_use]
pub fn login(username: &str, password: &str) -> Vec<u8> {
    let body = format!(r#"{{"username":"{username}","password":"{password}"}}"#);
    let length = body.len();
    format!(
        "POST /auth/login HTTP/1.1\r\nHost: bench.test\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A check request in the dialect of `/auth/check/forward`.
#[must_use]
pub fn check(token: &str) -> Vec<u8> {
    format!(
        "GET /auth/check/forward HTTP/1.1\r\nHost: bench.test\r\nX-Forwarded-Method: GET\r\n\
         X-Forwarded-Uri: /reports/7\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_only_with_its_body() {
        let whole = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 3\r\n\r\nabcHTTP/1.1";
        assert_eq!(answer(whole), Some((429, whole.len() - 8)));
        assert_eq!(answer(&whole[..whole.len() - 9]), None);
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\n\r\n"), Some((200, 19)));
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\n"), None);
    }
}
