//! The project's own tasks: `cargo xtask test`, `prepare`, `demo`, `bench` and `campaign NAME`. Standard library only, so that it
//! builds in seconds on a machine that has nothing but the Rust toolchain. Never run by the program itself.

mod bench;
mod campaign;
mod postgres;
mod prepare;
mod run;
mod system;
mod test;

use std::process::ExitCode;

use run::{Failure, cargo, say};

const USAGE: &str = "\
usage: cargo xtask TASK

  test                    install what the tests need, then format, lint, and run every test
  prepare                 only install what the tests need
  demo                    build in release mode and show the whole flow
  bench [SECTION]...      build in release mode and measure; the sections are doors, login,
                          flood, memory, inprocess, instructions (with valgrind)
        [--rounds N]      how often the interleaved rows are repeated (3)
  campaign NAME|all       run a long campaign whole; resumes where it was stopped
           [--cycles N]   another length than the full one
           [--again]      forget the state of an earlier run
  campaign list           the campaigns and their full lengths";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => test::run(),
        ["prepare"] => prepare::run().map(drop),
        ["demo"] => cargo(&["run", "--release", "--package", "keyfob", "--", "demo"]),
        ["bench", rest @ ..] => bench::run(rest),
        ["campaign", rest @ ..] => campaign::run(rest),
        _ => {
            say(USAGE);
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(text)) => {
            say(&format!("error: {text}"));
            ExitCode::FAILURE
        }
    }
}
