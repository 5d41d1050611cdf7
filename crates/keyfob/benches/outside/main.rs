//! The figures of docs/performance.md, all in one run on one machine: the built program beside a bare HTTP server on the same
//! libraries, nginx as a plain proxy, and nginx asking keyfob. Everything that serves is pinned to core 0, all load to
//! core 1. Run by `cargo xtask bench`; prints a Markdown table. Ratios mean something, absolute figures only here.
#![expect(unreachable_pub, reason = "a bench exports nothing")]
#![expect(clippy::cast_precision_loss, reason = "figures are for people, who read four digits of them")]

mod bare;
mod flood;
mod load;
mod rows;
#[path = "../../tests/world/support/mod.rs"]
#[expect(dead_code, reason = "the benches need a part of what the tests share")]
mod support;

use std::io::Write;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        // This very program again, pinned, as the thing that is measured against.
        ["bare", kind] => bare::serve(kind),
        ["argon2"] => bare::argon2(),
        _ => rows::run(&words),
    }
}

/// One line of the report.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
