//! The program itself, as anybody starts it: `keyfob serve` as a child, and its other commands run to their end.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::canary;
use super::http::{Request, ask};

/// A start takes milliseconds; a debug build on a busy machine takes longer, and a hang must not look like a start.
const START: Duration = Duration::from_mins(1);

/// Commands that show a secret to its owner.
const SHOW: &[&str] = &["create", "add", "rotate-secret", "export", "demo"];

/// A running `keyfob serve`; killed when dropped, and then searched for secrets.
pub struct Keyfob {
    child: Child,
    log: PathBuf,
    data: PathBuf,
    /// Where its part of the log begins.
    from: usize,
    stdout: Arc<Mutex<String>>,
    /// Where clients connect.
    pub public: SocketAddr,
    /// Where operators and proxies connect.
    pub internal: SocketAddr,
}

impl Keyfob {
    /// Start on free loopback ports over this data directory, with further arguments and `KEYFOB_…` settings.
    pub fn serve(data: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::try_serve(data, arguments, settings).unwrap_or_else(|problem| panic!("keyfob did not start: {problem}"))
    }

    /// Start, or say what it wrote before it gave up.
    pub fn try_serve(data: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Result<Self, String> {
        let log = data.with_extension("log");
        let from = fs::metadata(&log).map_or(0, |before| usize::try_from(before.len()).unwrap_or(0));
        let said = Arc::new(Mutex::new(String::new()));
        let stderr = File::options().create(true).append(true).open(&log).map_err(|error| error.to_string())?;
        let mut command = program(data);
        command.args(["serve", "--internal-listen", "127.0.0.1:0"]).args(arguments);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.envs(settings.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        if let Some(Ok((public, internal))) = child.stdout.take().map(|stdout| addresses(stdout, &said)) {
            return Ok(Self { child, log, data: data.to_owned(), from, stdout: said, public, internal });
        }
        // Not yet a value that ends its own child.
        let _ = child.kill();
        let status = child.wait().map_err(|error| error.to_string())?;
        canary::search("the log of a start that failed", &fs::read(&log).unwrap_or_default());
        Err(format!("{status}\n{}", fs::read_to_string(&log).unwrap_or_default()))
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its metrics, as a scraper reads them.
    pub fn metrics(&self) -> String {
        let metrics = ask(self.internal, &Request::new("GET", "/metrics"));
        canary::search("/metrics", &metrics.body);
        metrics.text()
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(id, Signal::TERM).expect("the process is there");
    }

    /// Wait for it to end by itself.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("a child can be waited for")
    }

    /// SIGKILL: no goodbye of any kind.
    pub fn kill(mut self) {
        self.end();
    }

    /// What it has written to standard error, earlier runs over the same data included.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Keyfob {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprint_lines(&self.log());
        }
        self.end();
        if !std::thread::panicking() {
            let log = fs::read(&self.log).unwrap_or_default();
            canary::search_directory(&self.data);
            canary::search("the log", log.get(self.from..).unwrap_or_default());
            canary::search("standard output", self.stdout.lock().unwrap_or_else(PoisonError::into_inner).as_bytes());
        }
    }
}

/// Run a command over this data directory, with this on standard input.
pub fn command(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = program(data);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    input.lines().for_each(|line| canary::remember("what was typed into a command", line));
    let mut child = command.spawn().expect("keyfob can be run");
    let mut stdin = child.stdin.take().expect("a pipe was asked for");
    // A command that reads nothing may be gone already; what it says is in its output.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("the command can be waited for");
    canary::shown(&output.stdout);
    let name = format!("what `keyfob {}` said", arguments.join(" "));
    canary::search(&name, &output.stderr);
    if !arguments.iter().any(|word| SHOW.contains(word)) {
        canary::search(&name, &output.stdout);
    }
    output
}

/// Start a command over this data directory, to be cut or waited for; what it says is for nobody.
pub fn start(data: &Path, arguments: &[&str]) -> Child {
    let mut command = program(data);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("keyfob can be run")
}

/// Run a command that must succeed; its standard output is the answer.
pub fn must(data: &Path, arguments: &[&str], input: &str) -> String {
    let output = command(data, arguments, input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "keyfob {}: {}\n{said}", arguments.join(" "), output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// keyfob over this data directory, with no setting that the environment or the working directory brings along, but
/// for what a sabotaged build is to get wrong.
fn program(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyfob"));
    let ours = |name: &OsString| name.to_string_lossy().starts_with("KEYFOB_") && name != "KEYFOB_SABOTAGE";
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command
        .env("KEYFOB_DATA", data)
        .env("KEYFOB_LOG_LEVEL", if canary::watches() { "trace" } else { "info" })
        .current_dir(data.parent().expect("a data directory inside a temporary one"));
    command
}

/// The two lines that `serve` prints once it is ready.
fn addresses(
    stdout: impl std::io::Read + Send + 'static,
    said: &Arc<Mutex<String>>,
) -> Result<(SocketAddr, SocketAddr), mpsc::RecvTimeoutError> {
    let (send, lines) = mpsc::channel();
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        // Reads on after the two lines: a program whose output nobody takes would stop at a full pipe.
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            said.lock().unwrap_or_else(PoisonError::into_inner).extend([line.as_str(), "\n"]);
            let _ = send.send(line);
        }
    });
    let next = |start: &str| -> Result<SocketAddr, mpsc::RecvTimeoutError> {
        loop {
            let line = lines.recv_timeout(START)?;
            let address =
                line.strip_prefix(start).map(|url| url.trim_start_matches("http://").trim_start_matches("https://"));
            if let Some(Ok(address)) = address.map(str::parse) {
                return Ok(address);
            }
        }
    };
    Ok((next("listening on ")?, next("internal on ")?))
}

/// To standard error, for the reader of a failed test.
fn eprint_lines(text: &str) {
    let _ = writeln!(std::io::stderr(), "--- keyfob wrote ---\n{text}--------------------");
}
