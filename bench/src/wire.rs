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
        let (status, length) = self.hear(request)?;
        self.buffer.drain(..length);
        Ok(status)
    }

    /// The same, for the whole answer.
    ///
    /// # Errors
    /// If the connection ends before, or it is no text.
    pub fn tell(&mut self, request: &[u8]) -> Outcome<String> {
        let (_, length) = self.hear(request)?;
        Ok(String::from_utf8(self.buffer.drain(..length).collect())?)
    }

    fn hear(&mut self, request: &[u8]) -> Outcome<(u16, usize)> {
        self.stream.write_all(request)?;
        loop {
            if let Some(answer) = answer(&self.buffer) {
                return Ok(answer);
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

/// A form, as OAuth's endpoints take it.
#[must_use]
pub fn form(path: &str, authorization: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench.test\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The use of a refresh token (RFC 6749 §6).
#[must_use]
pub fn refresh(token: &str) -> Vec<u8> {
    let body = format!("grant_type=refresh_token&refresh_token={token}");
    let length = body.len();
    format!(
        "POST /auth/token HTTP/1.1\r\nHost: bench.test\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The value of a member of a JSON object that is a string without escapes, wherever it is.
#[must_use]
pub fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = json.split_once(&format!("\"{name}\":"))?;
    rest.trim_start().strip_prefix('"')?.split('"').next()
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

    #[test]
    fn a_member_is_found_with_or_without_spaces() {
        let json = r#"{"a":1,"refresh_token":"fob_ref_x","secret": "y"}"#;
        assert_eq!(member(json, "refresh_token"), Some("fob_ref_x"));
        assert_eq!(member(json, "secret"), Some("y"));
        assert_eq!(member(json, "a"), None);
        assert_eq!(member(json, "token"), None);
    }
}
