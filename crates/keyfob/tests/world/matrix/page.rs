//! `docs/doors.md`: its tables are what the matrix saw. Each door compares its own column; with `KEYFOB_DOORS_PAGE=write`
//! it writes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::{Mutex, PoisonError};

use super::proxies::KINDS;
use super::rows::GROUPS;
use crate::support::root;

const PAGE: &str = "docs/doors.md";
const BEGIN: &str = "<!-- what the tests saw: begin -->\n";
const END: &str = "<!-- what the tests saw: end -->\n";
/// Of a door that was not tried yet.
const UNSEEN: &str = "?";

/// By row and door.
type Cells = BTreeMap<(String, String), String>;

/// Compare a column with the page, or write it; what differs is the answer.
pub fn differences(door: &str, column: &[(&str, String)]) -> Vec<String> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let text = fs::read_to_string(root().join(PAGE)).expect("docs/doors.md");
    let (before, rest) = text.split_once(BEGIN).expect("the page has its tables");
    let (tables, after) = rest.split_once(END).expect("the tables end");
    let mut cells = read(tables);
    let shown = |row: &str| cells.get(&(row.to_owned(), door.to_owned())).map_or(UNSEEN, String::as_str);
    let differs = |(row, seen): &(&str, String)| {
        (shown(row) != seen).then(|| format!("{PAGE} says {} of `{row}`, and {seen} was seen", shown(row)))
    };
    let mut wrong: Vec<String> = column.iter().filter_map(differs).collect();
    if std::env::var_os("KEYFOB_DOORS_PAGE").is_some_and(|value| value == "write") {
        wrong.clear();
        cells.extend(column.iter().map(|(row, seen)| (((*row).to_owned(), door.to_owned()), seen.clone())));
        fs::write(root().join(PAGE), [before, BEGIN, &render(&cells), END, after].concat()).expect("the page");
    } else if tables != render(&cells) {
        wrong.push(format!("{PAGE} has other rows, doors or shape than the matrix"));
    }
    wrong.extend((!wrong.is_empty()).then(|| "write it with KEYFOB_DOORS_PAGE=write".to_owned()));
    wrong
}

fn read(tables: &str) -> Cells {
    let mut cells = Cells::new();
    let mut doors: Vec<String> = Vec::new();
    for line in tables.lines().filter(|line| line.starts_with("| ")) {
        let mut words = line.trim_matches('|').split('|').map(|word| word.trim().to_owned());
        let row = words.next().unwrap_or_default();
        if GROUPS.iter().any(|(group, _)| **group == row) {
            doors = words.collect();
        } else {
            cells.extend(doors.iter().cloned().zip(words).map(|(door, cell)| ((row.clone(), door), cell)));
        }
    }
    cells
}

fn render(cells: &Cells) -> String {
    let mut text = String::new();
    for (group, rows) in GROUPS {
        let names = KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(" | ");
        let _ = write!(text, "\n| {group} | {names} |\n|---|{}\n", "---|".repeat(KINDS.len()));
        for row in *rows {
            let cell = |door: &str| cells.get(&(row.name.to_owned(), door.to_owned())).map_or(UNSEEN, String::as_str);
            let line = KINDS.iter().map(|kind| cell(kind.name)).collect::<Vec<_>>().join(" | ");
            let _ = writeln!(text, "| {} | {line} |", row.name);
        }
    }
    text + "\n"
}
