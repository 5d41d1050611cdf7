//! What crosses the control socket: one JSON line each way, with a version. Written by the program to itself, so the
//! version must be equal; a command of another build is told so instead of being half understood.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use zeroize::Zeroizing;

use super::{Intention, Outcome, Problem};

/// Raised by every change of [`Intention`], [`Outcome`] or [`Problem`].
pub(super) const VERSION: u32 = 1;

/// Bytes of a request: names, roles and one password or token are far smaller.
pub(super) const REQUEST_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of an answer: a page of 1,000 users with 64 roles each, or a policy of 1 MiB with every byte escaped.
pub(super) const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A request as sent.
#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) version: u32,
    pub(super) body: Intention,
}

/// Only the version, which is read first: the rest may be of a form this build does not know.
#[derive(Deserialize)]
pub(super) struct Versioned {
    pub(super) version: u32,
}

/// An answer as sent.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    Done(Outcome),
    Refused(Problem),
}

/// One line of at most `most` bytes, without its end. It may hold a password, so it is wiped after use.
pub(super) async fn read_line(from: impl AsyncRead + Unpin, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::new());
    BufReader::new(from.take(most)).read_until(b'\n', &mut line).await?;
    if line.pop() == Some(b'\n') { Ok(line) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

pub(super) async fn write_line(mut to: impl AsyncWrite + Unpin, value: &impl Serialize) -> io::Result<()> {
    let mut line = Zeroizing::new(serde_json::to_vec(value)?);
    line.push(b'\n');
    to.write_all(&line).await?;
    to.flush().await
}
