//! One HTTP/1.1 exchange (RFC 9112), shown as it crosses the wire.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cli::failure::Failure;
use crate::cli::say;

/// To answer: a sign-in hashes a password, everything else is immediate.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Bytes of an answer: the demo's are a kilobyte.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

/// Send `METHOD path` with these header lines and body, show both sides, give back the answer.
pub(super) async fn exchange(to: SocketAddr, line: &str, headers: &[String], body: &str) -> Result<Answer, Failure> {
    let mut request = format!("{line} HTTP/1.1\r\nHost: {to}\r\n");
    for header in headers {
        let _ = write!(request, "{header}\r\n");
    }
    if !body.is_empty() {
        let _ = write!(request, "Content-Length: {}\r\n", body.len());
    }
    let _ = write!(request, "Connection: close\r\n\r\n{body}");
    show('>', &request)?;
    let answer = timeout(ANSWER_TIME, send(to, &request)).await;
    let answer = answer.map_err(|_| Failure::failed("the server did not answer in time"))?;
    let answer = answer.map_err(|error| Failure::failed(format!("the connection failed: {error}")))?;
    show('<', &answer)?;
    say::data("\n")?;
    parse(&answer).ok_or_else(|| Failure::failed("the answer is not HTTP"))
}

async fn send(to: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
}

fn show(side: char, message: &str) -> Result<(), Failure> {
    let lines = message.trim_end().lines().map(|line| format!("{}\n", format!("    {side} {line}").trim_end()));
    say::data(&lines.collect::<String>())
}
