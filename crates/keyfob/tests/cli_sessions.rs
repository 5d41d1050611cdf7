//! Sessions at the command line, as plain text: every `cli/*.txt` is run in an empty folder of its own and must come out
//! as written.
//!
//! ```text
//! # a comment
//! @ policy.toml            the indented lines that follow are written to this file
//!     default = "deny"
//! $ keyfob user list       run the program; quotes group words as in a shell
//! < text                   a line for its standard input
//! user  status  id  roles  its standard output; `[..]` stands for any text in a line, `...` for any lines
//! 2> error: …              its standard error
//! => 1                     its exit code, when it is not 0
//! $ mv a b                 likewise `mv`, `rm`, `mkdir`, `chmod`, `cat`, and `NAME=VALUE` before a command
//! ```

mod canary;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn every_session_comes_out_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let mut scripts: Vec<_> =
        std::fs::read_dir(folder).expect("scripts").map(|entry| entry.expect("an entry").path()).collect();
    scripts.sort();
    assert!(scripts.len() >= 6, "scripts are missing");
    let mut wrong = Vec::new();
    for script in scripts {
        let text = std::fs::read_to_string(&script).expect("a text");
        let steps = parse(&text);
        assert!(!steps.is_empty(), "{} runs nothing", script.display());
        let home = tempfile::tempdir().expect("a folder");
        for step in steps {
            if let Err(found) = step.run(home.path()) {
                wrong.push(format!("{}, line {}: $ {}\n{found}", script.display(), step.line, step.command));
            }
        }
        canary::search_tree(home.path());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_session_that_comes_out_otherwise_is_noticed() {
    let home = tempfile::tempdir().expect("a folder");
    let run = |text: &str| parse(text)[0].run(home.path());
    assert!(run("$ keyfob --version\nkeyfob [..]\n").is_ok());
    assert!(run("$ keyfob --version\nkeyfob [..]\n=> 1\n").is_err());
    assert!(run("$ keyfob --version\n").is_err());
    assert!(run("$ keyfob --version\nkeyfob [..]\n2> error: no\n").is_err());
    assert!(run("$ keyfob nothing\n2> ...\n=> 2\n").is_ok());
}

#[derive(Default)]
struct Step {
    line: usize,
    command: String,
    files: Vec<(String, String)>,
    input: String,
    out: Vec<String>,
    err: Vec<String>,
    code: i32,
}

fn parse(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut files: Vec<(String, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if let Some(command) = line.strip_prefix("$ ") {
            let files = std::mem::take(&mut files);
            steps.push(Step { line: at + 1, command: command.to_owned(), files, ..Step::default() });
        } else if let Some(name) = line.strip_prefix("@ ") {
            files.push((name.to_owned(), String::new()));
        } else if let (Some(content), Some((_, text))) = (file_line(line), files.last_mut()) {
            *text += content;
            *text += "\n";
        } else if line.starts_with('#') {
            // A comment.
        } else if let Some(step) = steps.last_mut() {
            if let Some(input) = line.strip_prefix("< ") {
                step.input += input;
                step.input += "\n";
            } else if let Some(err) = line.strip_prefix("2>") {
                step.err.push(err.strip_prefix(' ').unwrap_or(err).to_owned());
            } else if let Some(code) = line.strip_prefix("=> ") {
                step.code = code.parse().expect("an exit code");
            } else {
                step.out.push(line.to_owned());
            }
        }
    }
    // A blank line between steps is for the reader.
    for step in &mut steps {
        while step.out.last().is_some_and(String::is_empty) {
            step.out.pop();
        }
    }
    steps
}

/// A line of a file: indented, or empty.
fn file_line(line: &str) -> Option<&str> {
    if line.is_empty() { Some("") } else { line.strip_prefix("    ") }
}

impl Step {
    fn run(&self, home: &Path) -> Result<(), String> {
        for (name, text) in &self.files {
            std::fs::write(home.join(name), text).expect("written");
        }
        let words = words(&self.command);
        let variables = words.iter().take_while(|word| word.contains('=')).count();
        let mut command = match words[variables].as_str() {
            "keyfob" => Command::new(env!("CARGO_BIN_EXE_keyfob")),
            tool @ ("mv" | "rm" | "mkdir" | "chmod" | "cat") => Command::new(tool),
            other => panic!("line {}: a session does not run {other}", self.line),
        };
        for name in std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("KEYFOB_")) {
            command.env_remove(name);
        }
        command.env_remove("CREDENTIALS_DIRECTORY").current_dir(home);
        command.envs(words[..variables].iter().filter_map(|word| word.split_once('='))).args(&words[variables + 1..]);
        self.input.lines().for_each(|line| canary::remember("what was typed into a command", line));
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("started");
        // A command that reads nothing may have gone already.
        let _ = child.stdin.take().expect("piped").write_all(self.input.as_bytes());
        let output = child.wait_with_output().expect("ended");
        canary::shown(&output.stdout);
        canary::search(&format!("standard error of `{}`", self.command), &output.stderr);
        let mut found = check("standard output", &self.out, &output.stdout);
        found += &check("standard error", &self.err, &output.stderr);
        if output.status.code() != Some(self.code) {
            let _ = writeln!(found, "exit code {:?}, expected {}", output.status.code(), self.code);
        }
        if found.is_empty() { Ok(()) } else { Err(found) }
    }
}

fn check(what: &str, expected: &[String], found: &[u8]) -> String {
    let text = String::from_utf8_lossy(found);
    let lines: Vec<&str> = text.lines().collect();
    if matches_lines(expected, &lines) {
        String::new()
    } else {
        format!("{what} is:\n{text}expected:\n{}\n", expected.join("\n"))
    }
}

fn matches_lines(expected: &[String], found: &[&str]) -> bool {
    match expected.split_first() {
        None => found.is_empty(),
        Some((first, rest)) if first == "..." => (0..=found.len()).any(|skip| matches_lines(rest, &found[skip..])),
        Some((first, rest)) => {
            found.split_first().is_some_and(|(line, more)| matches_line(first, line) && matches_lines(rest, more))
        }
    }
}

fn matches_line(expected: &str, found: &str) -> bool {
    match expected.split_once("[..]") {
        None => expected == found,
        Some((start, rest)) => found.strip_prefix(start).is_some_and(|after| {
            (0..=after.len()).filter(|at| after.is_char_boundary(*at)).any(|at| matches_line(rest, &after[at..]))
        }),
    }
}

/// Words as a shell would split them: single and double quotes group, nothing else is special.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut any) = (Vec::new(), String::new(), None, false);
    for c in command.chars() {
        match (quote, c) {
            (Some(end), _) if c == end => quote = None,
            (None, '\'' | '"') => (quote, any) = (Some(c), true),
            (None, ' ') => {
                if any {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            _ => {
                word.push(c);
                any = true;
            }
        }
    }
    if any {
        words.push(word);
    }
    words
}
