//! Runs wrk on the load's core and reads what its script reports.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::place::asset;

/// Kept-alive connections.
const CONNECTIONS: &str = "32";

/// What one run of wrk counted.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// Answers.
    pub requests: f64,
    /// In this many seconds.
    pub seconds: f64,
    /// Of those, answers of 400 and above.
    pub refused: f64,
}

/// Load `address` for `seconds` with the tokens of a file.
///
/// # Errors
/// If wrk is not there, or a connection broke.
pub fn run(address: SocketAddr, path: &str, tokens: &Path, seconds: u32) -> Outcome<Count> {
    let mut command = command(address, "wrk.lua", seconds);
    command.arg(tokens).arg(path);
    count(address, command)
}

/// Load `address` for `seconds` with the forms of a file, one a line, in turn.
///
/// # Errors
/// As [`run`].
pub fn post(address: SocketAddr, path: &str, forms: &Path, authorization: &str, seconds: u32) -> Outcome<Count> {
    let mut command = command(address, "wrk-post.lua", seconds);
    command.arg(forms).args([path, authorization]);
    count(address, command)
}

fn command(address: SocketAddr, script: &str, seconds: u32) -> Command {
    let mut command = Command::new("wrk");
    command.args(["-t", "1", "-c", CONNECTIONS, "-d", &format!("{seconds}s"), "-s"]).arg(asset(script));
    command.arg(format!("http://{address}/")).arg("--");
    command
}

fn count(address: SocketAddr, mut command: Command) -> Outcome<Count> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("RESULT ")).ok_or("wrk did not report")?;
    let numbers: Vec<f64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [requests, micros, refused, broken, ..] = numbers[..] else { return Err("wrk reported something else".into()) };
    if broken > 0.0 {
        return Err(format!("{broken} connections to {address} broke").into());
    }
    Ok(Count { requests, seconds: micros / 1e6, refused })
}
