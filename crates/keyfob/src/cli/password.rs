//! Asks for a password: twice on a terminal, or one line of standard input. Never an argument, which every process of
//! the machine can read.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use keyfob_core::bearer::TOKEN_BYTES_MAX;
use keyfob_core::secret::Secret;
use zeroize::Zeroizing;

use super::failure::Failure;

/// Bytes of a line with a password: 256 code points of 4 bytes, and room for a line end.
const LINE_BYTES_MAX: u64 = 2 * 1024;

/// A new password for `username`.
pub(super) fn ask(username: &str, from_stdin: bool) -> Result<Secret, Failure> {
    if from_stdin { line() } else { prompt(username) }
}

fn prompt(username: &str) -> Result<Secret, Failure> {
    let no_terminal = || {
        Failure::usage("there is no terminal to ask for the password")
            .hint("pass it on standard input with `--password-stdin`")
    };
    if !io::stdin().is_terminal() {
        return Err(no_terminal());
    }
    let ask = |text: String| rpassword::prompt_password(text).map(Zeroizing::new).map_err(|_| no_terminal());
    let first = ask(format!("new password for {username}: "))?;
    let second = ask("the same again: ".to_owned())?;
    if first == second {
        Ok(Secret::new(first.to_string()))
    } else {
        Err(Failure::failed("the two passwords differ; nothing was done"))
    }
}

fn line() -> Result<Secret, Failure> {
    secret_line("password", LINE_BYTES_MAX)
}

/// A token on standard input. One byte more than a token may have shows that it is too long.
pub(super) fn token_line() -> Result<Secret, Failure> {
    secret_line("token", TOKEN_BYTES_MAX as u64 + 1)
}

/// One line of standard input, without its end.
pub(super) fn secret_line(what: &str, most: u64) -> Result<Secret, Failure> {
    let mut line = Zeroizing::new(Vec::new());
    let mut input = io::stdin().lock().take(most);
    input
        .read_until(b'\n', &mut line)
        .map_err(|error| Failure::failed(format!("cannot read standard input: {error}")))?;
    let end = line.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |at| at + 1);
    let text =
        std::str::from_utf8(&line[..end]).map_err(|_| Failure::failed(format!("the {what} is not UTF-8 text")))?;
    if text.is_empty() {
        return Err(Failure::failed(format!("there is no {what} on standard input")));
    }
    Ok(Secret::new(text.to_owned()))
}
