//! The voice of the command line: data on standard output, everything else on standard error, lower case, no full stop,
//! no colour. Text from outside never reaches the terminal with its control characters.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde::Serialize;

use super::failure::Failure;
use crate::control::FailedSignInsView;

/// Print bytes as they are.
pub(super) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // The reader has enough, as in `keyfob user list | head -1`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::failed(format!("cannot write to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Print data for people.
pub(super) fn data(text: &str) -> Result<(), Failure> {
    bytes(plain(text).as_bytes())
}

/// Print data for scripts: one JSON document.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| Failure::failed(error.to_string()))?;
    text.push('\n');
    bytes(text.as_bytes())
}

/// Lines of a name and a value, the values in one column.
pub(super) fn fields(fields: &[(&str, &str)]) -> String {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    fields.iter().fold(String::new(), |mut text, (name, value)| {
        let line = format!("{name:width$}  {value}");
        let _ = writeln!(text, "{}", line.trim_end());
        text
    })
}

/// The text with four spaces before each line that is not empty.
pub(super) fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |mut shown, line| {
        let _ = writeln!(shown, "{}", format!("    {line}").trim_end());
        shown
    })
}

/// A table with a heading, columns two spaces apart.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|name| name.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&heading.map(str::to_owned)).chain(rows) {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

/// Tell the operator something that is not data.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", plain(text));
}

/// Say what is accepted again after a restore, and print it.
pub(super) fn resumed(as_json: bool, what: &str, names: &[String]) -> Result<(), Failure> {
    note(&format!("{} {what} are accepted again", names.len()));
    if as_json {
        return json(&serde_json::json!({ "resumed": names }));
    }
    data(&names.iter().fold(String::new(), |text, name| text + name + "\n"))
}

/// How many sign-ins failed, when, and from how many networks.
pub(super) fn failed_sign_ins(failed: &FailedSignInsView) -> String {
    let FailedSignInsView { count, first_at, last_at, networks } = failed;
    let networks = if *networks == 1 { "1 network".to_owned() } else { format!("{networks} networks") };
    format!("{count} between {first_at} and {last_at}, from {networks}")
}

/// Warn.
pub(super) fn warning(text: &str) {
    note(&format!("warning: {text}"));
}

/// Say what went wrong and what to do.
pub(super) fn error(message: &str, hint: Option<&str>) {
    note(&format!("error: {message}"));
    if let Some(hint) = hint {
        note(&format!("hint: {hint}"));
    }
}

/// The text with its control characters made visible, line ends aside.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_from_outside_are_made_visible() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{9b}d\r"), "a\\u{1b}[2Jb\nc\\u{9b}d\\r");
    }

    #[test]
    fn tables_and_fields_line_up_without_trailing_spaces() {
        let rows = [["ada".to_owned(), String::new()], ["bo".to_owned(), "x".to_owned()]];
        assert_eq!(table(["name", "roles"], &rows), "name  roles\nada\nbo    x\n");
        assert_eq!(fields(&[("id", "7"), ("roles", "")]), "id     7\nroles\n");
    }
}
