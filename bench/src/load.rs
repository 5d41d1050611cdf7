//! Open-loop load: requests go out when they are due, whether or not earlier ones were answered, and a latency counts
//! from when its request was due. So a server that stalls cannot make its own measurement look good.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use keyfob::clock;

use crate::Outcome;
use crate::figure::micros;
use crate::wire;

/// How long the last answers may take after the last request.
const LATE_MAX: Duration = Duration::from_secs(5);

/// How to load.
pub struct Load<'a> {
    /// Who.
    pub address: SocketAddr,
    /// What, in turn.
    pub requests: &'a [Vec<u8>],
    /// How many a second.
    pub rate: f64,
    /// For how long.
    pub length: Duration,
    /// Over how many connections.
    pub connections: usize,
    /// Whether a connection may carry a request before the last one was answered.
    pub pipelined: bool,
    /// Between two looks at the clock; zero spins.
    pub nap: Duration,
}

/// What came of it.
#[derive(Default)]
pub struct Heard {
    /// Status and latency in microseconds of each answer.
    pub answers: Vec<(u16, f64)>,
    /// Requests that were due and never answered, or could not be sent because every connection was waiting.
    pub missed: usize,
}

impl Heard {
    /// The latencies of the answers with this status.
    #[must_use]
    pub fn latencies(&self, status: u16) -> Vec<f64> {
        self.answers.iter().filter(|answer| answer.0 == status).map(|answer| answer.1).collect()
    }
}

struct Pipe {
    stream: TcpStream,
    due: VecDeque<Instant>,
    unsent: Vec<u8>,
    heard: Vec<u8>,
}

impl Load<'_> {
    /// Do it.
    ///
    /// # Errors
    /// If a connection breaks.
    pub fn run(&self) -> Outcome<Heard> {
        let mut pipes = (0..self.connections).map(|_| Pipe::open(self.address)).collect::<Outcome<Vec<Pipe>>>()?;
        let mut heard = Heard::default();
        let start = clock::instant();
        let gap = Duration::from_secs_f64(1.0 / self.rate);
        let (mut due, mut turn) = (start, 0);
        loop {
            let now = clock::instant();
            while due <= now && due < start + self.length {
                match self.free(&pipes, turn) {
                    Some(pipe) => pipes[pipe].send(&self.requests[turn % self.requests.len()], due)?,
                    None => heard.missed += 1,
                }
                turn += 1;
                due += gap;
            }
            let mut waiting = 0;
            for pipe in &mut pipes {
                pipe.hear(&mut heard)?;
                waiting += pipe.due.len();
            }
            if now >= start + self.length && (waiting == 0 || now >= start + self.length + LATE_MAX) {
                heard.missed += waiting;
                return Ok(heard);
            }
            if !self.nap.is_zero() {
                std::thread::sleep(self.nap);
            }
        }
    }

    fn free(&self, pipes: &[Pipe], turn: usize) -> Option<usize> {
        let first = turn % pipes.len();
        if self.pipelined {
            return Some(first);
        }
        (first..pipes.len()).chain(0..first).find(|&pipe| pipes[pipe].due.is_empty())
    }
}

impl Pipe {
    fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, due: VecDeque::new(), unsent: Vec::new(), heard: Vec::new() })
    }

    fn send(&mut self, request: &[u8], due: Instant) -> Outcome {
        self.unsent.extend_from_slice(request);
        self.due.push_back(due);
        self.flush()
    }

    fn flush(&mut self) -> Outcome {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn hear(&mut self, heard: &mut Heard) -> Outcome {
        if self.due.is_empty() {
            return Ok(());
        }
        self.flush()?;
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => return Err("the server ended a connection".into()),
            Ok(read) => self.heard.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let now = clock::instant();
        let mut read = 0;
        while let Some((status, length)) = wire::answer(&self.heard[read..]) {
            read += length;
            let due = self.due.pop_front().ok_or("an answer that nobody asked for")?;
            heard.answers.push((status, micros(now - due)));
        }
        self.heard.drain(..read);
        Ok(())
    }
}
