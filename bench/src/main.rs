//! `cargo xtask bench [SECTION]…`: runs the sections (all, unless some are named) and prints one Markdown table on
//! standard output. `--rounds N` sets how often interleaved rows are repeated (3). Never judges a build: a missed
//! target is a row that says so.

use std::path::Path;
use std::process::{Command, ExitCode};

use bench::figure::{self, Figure};
use bench::place::{self, LOAD, sibling};
use bench::{Outcome, capacity, doors, flood, introspect, login, memory, postgres, refresh, sessions, steps};

const SECTIONS: &[&str] = &[
    "doors",
    "login",
    "flood",
    "memory",
    "refresh",
    "sessions",
    "introspect",
    "postgres",
    "capacity",
    "inprocess",
    "instructions",
];
/// What the section `inprocess` runs: programs and their parts.
const IN_PROCESS: &[(&str, &str)] = &[("inprocess", "decision"), ("allocations", "count"), ("inprocess", "cache")];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::from(2)
        }
    }
}

/// Whether every section could be measured.
fn run(arguments: &[String]) -> Outcome<bool> {
    let (sections, rounds) = parse(arguments)?;
    place::pin(LOAD)?;
    let folder = tempfile::Builder::new().prefix("keyfob-bench-").tempdir()?;
    let mut figures = Vec::new();
    let mut extra = String::new();
    let mut whole = true;
    for section in sections {
        say(&format!("bench: {section}"));
        let measured = match section {
            "doors" => doors::run(folder.path(), rounds),
            "login" => login::run(folder.path()),
            "flood" => flood::run(folder.path(), rounds),
            "instructions" => steps::figures(folder.path()),
            "memory" => memory::run(folder.path()),
            "sessions" => sessions::run(folder.path(), rounds),
            "postgres" => postgres::run(folder.path(), rounds),
            "capacity" => capacity::run(folder.path()),
            "introspect" => introspect::run(folder.path(), rounds),
            "refresh" => refresh::run(folder.path(), rounds).and_then(|rows| {
                extra += &in_process(folder.path(), &[("inprocess", "refresh")])?;
                Ok(rows)
            }),
            _ => in_process(folder.path(), IN_PROCESS).map(|rows| {
                extra += &rows;
                Vec::new()
            }),
        };
        match measured {
            Ok(more) => figures.extend(more),
            Err(error) => {
                say(&format!("error: {section}: {error}"));
                whole = false;
            }
        }
    }
    print(&figures, &extra);
    Ok(whole)
}

fn parse(arguments: &[String]) -> Outcome<(Vec<&'static str>, usize)> {
    let (mut sections, mut rounds) = (Vec::new(), 3);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word == "--rounds" {
            rounds = words.next().ok_or("--rounds needs a number")?.parse()?;
        } else {
            let known = SECTIONS.iter().find(|section| *section == word);
            sections.push(*known.ok_or_else(|| format!("no such section: {word}; there are {}", SECTIONS.join(", ")))?);
        }
    }
    if sections.is_empty() {
        sections = SECTIONS.to_vec();
    }
    Ok((sections, rounds))
}

/// The measurements that need a process of their own, on the servers' core.
fn in_process(folder: &Path, parts: &[(&str, &str)]) -> Outcome<String> {
    let mut rows = String::new();
    for (program, part) in parts {
        let mut command = Command::new("taskset");
        command.args(["-c", &place::SERVERS.to_string()]).arg(sibling(program)?).arg(part);
        let output = command.arg(folder.join(part)).stderr(std::process::Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("{program} {part} failed").into());
        }
        rows += &String::from_utf8_lossy(&output.stdout);
    }
    Ok(rows)
}

#[expect(clippy::print_stdout, reason = "the table is what this program makes")]
fn print(figures: &[Figure], extra: &str) {
    println!("{}\n{}", figure::table(figures), extra.trim_end());
}

#[expect(clippy::print_stderr, reason = "progress, beside the table on standard output")]
fn say(line: &str) {
    eprintln!("{line}");
}
