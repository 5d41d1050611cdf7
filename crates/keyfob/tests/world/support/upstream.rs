//! Other people's programs, run as their own documentation says, each under a guardian that ends it and its children
//! when this process goes, however it goes.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use super::{fixture, world};

/// Starting Python or Node on a machine that is compiling something else.
const START: Duration = Duration::from_mins(1);

/// A program that listens; ended when dropped, or when this process ends.
pub struct Upstream {
    guardian: Child,
    // The guardian ends everything when this pipe closes.
    lifeline: Option<ChildStdin>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Upstream {
    /// Run a command that says on which port of 127.0.0.1 it is listening.
    pub fn run(command: &[&str]) -> Self {
        let mut guardian = guard(command);
        let (send, lines) = mpsc::channel();
        forward(guardian.stdout.take(), send.clone());
        forward(guardian.stderr.take(), send);
        let mut said = Vec::new();
        let address = loop {
            match lines.recv_timeout(START) {
                Ok(line) => {
                    let address = listening(&line);
                    said.push(line);
                    if let Some(address) = address {
                        break address;
                    }
                }
                Err(error) => panic!("{} does not listen ({error}): {}", command.join(" "), said.join("\n")),
            }
        };
        let lifeline = guardian.stdin.take();
        Self { guardian, lifeline, address }
    }

    /// Run a command that is known to listen there.
    pub fn run_at(command: &[&str], address: SocketAddr) -> Self {
        let mut guardian = guard(command);
        let lifeline = guardian.stdin.take();
        let there = super::clock::until(START, || std::net::TcpStream::connect(address).ok());
        assert!(there.is_some(), "{} does not listen at {address}", command.join(" "));
        Self { guardian, lifeline, address }
    }

    /// Its origin, as `--upstream` takes it.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.guardian.wait();
    }
}

/// httpbin under gunicorn: one for all tests, because it keeps nothing.
pub fn httpbin() -> &'static Upstream {
    static HTTPBIN: OnceLock<Upstream> = OnceLock::new();
    HTTPBIN.get_or_init(|| {
        let gunicorn = world().join("venv/bin/gunicorn").display().to_string();
        Upstream::run(&[
            &gunicorn,
            "--bind",
            "127.0.0.1:0",
            "--worker-class",
            "gthread",
            "--threads",
            "16",
            "httpbin:app",
        ])
    })
}

/// A json-server over data of its own.
pub fn json_server() -> Upstream {
    node("json_server.cjs")
}

/// A WebSocket server that echoes.
pub fn echo() -> Upstream {
    node("echo.cjs")
}

fn node(script: &str) -> Upstream {
    Upstream::run(&["node", &fixture(script).display().to_string()])
}

fn guard(command: &[&str]) -> Child {
    let mut guardian = Command::new("python3");
    guardian.arg(fixture("guardian.py")).args(command);
    guardian.env("NODE_PATH", world().join("node/node_modules"));
    guardian.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    guardian.spawn().expect("python3 can be run")
}

/// Read a stream to its end, so that its writer never waits, and pass on its lines while anybody listens.
fn forward(stream: Option<impl Read + Send + 'static>, to: mpsc::Sender<String>) {
    let stream = stream.expect("a pipe was asked for");
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = to.send(line);
        }
    });
}

/// The address in a line such as `Listening at: http://127.0.0.1:40123 (812)`.
fn listening(line: &str) -> Option<SocketAddr> {
    if !line.contains("istening") {
        return None;
    }
    let from = line.find("127.0.0.1:")?;
    line[from..].split(|char: char| char != '.' && char != ':' && !char.is_ascii_digit()).next()?.parse().ok()
}
