//! The measurements of `docs/performance.md`: builds everything in release mode, then lets the `bench` crate measure and
//! print its table on standard output. Measures nothing itself.

use std::process::Command;

use crate::run::{Outcome, cargo, output, run as execute, say, target};
use crate::system;

/// Build, say on what this runs, and measure. `words` are the bench's own arguments.
pub(crate) fn run(words: &[&str]) -> Outcome {
    system::ensure(system::BENCH)?;
    cargo(&["build", "--release", "--package", "keyfob", "--package", "bench"])?;
    for (what, program, arguments) in
        [("date", "date", &["-u", "+%Y-%m-%d %H:%M UTC"][..]), ("kernel", "uname", &["-sr"]), ("cores", "nproc", &[])]
    {
        say(&format!("bench: {what}: {}", output(program, arguments).unwrap_or_default()));
    }
    execute(Command::new(target().join("release/bench")).args(words))
}
