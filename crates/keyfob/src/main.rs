//! The program's entry: everything is in [`keyfob::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    keyfob::cli::run()
}
