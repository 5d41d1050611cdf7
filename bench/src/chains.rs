//! Closed-loop refreshes (RFC 6749 §6) over HTTP: every connection has a family, and asks for the next pair with the
//! refresh token of the answer before, so each request is a rotation. Never retries.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use keyfob::clock;
use keyfob_core::opaque::Opaque;

use crate::{Outcome, wire};

/// How long the last answers may take.
const LATE_MAX: Duration = Duration::from_secs(5);

/// Families, each with its newest token and a connection.
pub struct Chains(Vec<Chain>);

struct Chain {
    stream: TcpStream,
    newest: String,
    heard: Vec<u8>,
    waiting: bool,
}

impl Chains {
    /// Connect once for each of `tokens`.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn open(address: SocketAddr, tokens: &[Opaque]) -> Outcome<Self> {
        let open = |token: &Opaque| {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(Chain { stream, newest: token.expose().to_owned(), heard: Vec::new(), waiting: false })
        };
        tokens.iter().map(open).collect::<Outcome<Vec<_>>>().map(Self)
    }

    /// Refresh for `length` with one request under way on each connection; refreshes a second.
    ///
    /// # Errors
    /// If a refresh is answered with anything but a pair of tokens.
    #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 refreshes")]
    pub fn run(&mut self, length: Duration) -> Outcome<f64> {
        let start = clock::instant();
        for chain in &mut self.0 {
            chain.ask()?;
        }
        let mut count = 0_u64;
        while self.0.iter().any(|chain| chain.waiting) {
            let passed = start.elapsed();
            if passed > length + LATE_MAX {
                return Err("a refresh was not answered".into());
            }
            for chain in &mut self.0 {
                if chain.waiting && chain.answered()? {
                    count += 1;
                    if passed < length {
                        chain.ask()?;
                    }
                }
            }
        }
        Ok(count as f64 / start.elapsed().as_secs_f64())
    }
}

impl Chain {
    fn ask(&mut self) -> Outcome {
        self.waiting = true;
        Ok(self.stream.write_all(&wire::refresh(&self.newest))?)
    }

    /// Whether the answer is there; its refresh token is the newest then.
    fn answered(&mut self) -> Outcome<bool> {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => return Err("the server ended a connection".into()),
            Ok(read) => self.heard.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let Some((status, length)) = wire::answer(&self.heard) else { return Ok(false) };
        let text = String::from_utf8(self.heard.drain(..length).collect())?;
        if status != 200 {
            return Err(format!("a refresh got {status}").into());
        }
        wire::member(&text, "refresh_token").ok_or("no refresh token in the answer")?.clone_into(&mut self.newest);
        self.waiting = false;
        Ok(true)
    }
}
