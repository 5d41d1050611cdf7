//! Runs other programs and says what is being run. Never hides a failure: each one names the command that failed.

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a task stopped, in words for the person at the terminal.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl Failure {
    /// A failure while doing `what`.
    pub(crate) fn at(what: impl Display, why: impl Display) -> Self {
        Self(format!("{what}: {why}"))
    }
}

/// What a task comes to.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// One line of progress. All of it goes to standard error, where cargo writes its own.
pub(crate) fn say(line: &str) {
    // A terminal that went away is no reason to stop a test run.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Where cargo builds to; the tests look for `world/` in the same place.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |given| root().join(given))
}

/// Run cargo in the root of the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Outcome {
    run(cargo_command().args(arguments))
}

/// The cargo that runs this task, in the root of the workspace.
pub(crate) fn cargo_command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Run a program to its end; anything but success is a failure.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let shown = shown(command);
    say(&format!("$ {shown}"));
    let status = command.stdin(Stdio::null()).status().map_err(|error| Failure::at(&shown, error))?;
    if status.success() { Ok(()) } else { Err(Failure::at(shown, status)) }
}

/// Whether a program can be run and succeeds; its output is thrown away.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What a program prints on standard output, if it succeeds.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| match argument.to_string_lossy() {
        script if script.contains('\n') => "(script)".to_owned(),
        word => word.into_owned(),
    });
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}
