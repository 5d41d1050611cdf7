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
    /// Between two looks for answers; zero looks always.
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

/// One load under way.
struct Run<'a> {
    load: &'a Load<'a>,
    pipes: Vec<Pipe>,
    heard: Heard,
    due: Instant,
    turn: usize,
    looked: Instant,
}

/// Do several loads at once, on one thread: two would wait for one another's turns of the scheduler, and the server
/// would be charged with it.
///
/// # Errors
/// If a connection breaks.
pub fn run<const N: usize>(loads: [&Load<'_>; N]) -> Outcome<[Heard; N]> {
    let mut runs = Vec::with_capacity(N);
    for load in loads {
        let pipes = (0..load.connections).map(|_| Pipe::open(load.address)).collect::<Outcome<Vec<Pipe>>>()?;
        let now = clock::instant();
        runs.push(Run { load, pipes, heard: Heard::default(), due: now, turn: 0, looked: now });
    }
    let start = clock::instant();
    for run in &mut runs {
        run.due = start;
    }
    let mut going = true;
    while going {
        going = false;
        for run in &mut runs {
            going |= run.step(start)?;
        }
    }
    runs.into_iter().map(|run| run.heard).collect::<Vec<_>>().try_into().map_err(|_| "a load is missing".into())
}

impl Run<'_> {
    /// Send what is due, hear what has come; whether there is more to do.
    fn step(&mut self, start: Instant) -> Outcome<bool> {
        let now = clock::instant();
        let end = start + self.load.length;
        let gap = Duration::from_secs_f64(1.0 / self.load.rate);
        while self.due <= now && self.due < end {
            match self.load.free(&self.pipes, self.turn) {
                Some(pipe) => {
                    self.pipes[pipe].send(&self.load.requests[self.turn % self.load.requests.len()], self.due)?;
                }
                None => self.heard.missed += 1,
            }
            self.turn += 1;
            self.due += gap;
        }
        if now < self.looked + self.load.nap {
            return Ok(true);
        }
        self.looked = now;
        let mut waiting = 0;
        for pipe in &mut self.pipes {
            pipe.hear(&mut self.heard)?;
            waiting += pipe.due.len();
        }
        if now >= end + LATE_MAX {
            self.heard.missed += waiting;
            return Ok(false);
        }
        Ok(now < end || waiting > 0)
    }
}

impl Load<'_> {
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
