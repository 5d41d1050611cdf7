//! Measurements without HTTP: `inprocess decision|cache|refresh DATA` prints rows of the table,
//! `inprocess step DATA STEP TIMES` only runs a step. A process of its own, so that
//! nobody else's memory is counted, and with the allocator that keyfob has.

use std::path::Path;

use bench::figure::Figure;
use bench::{Outcome, cache, decision, group_commit, steps};

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let figures = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["decision", data] => decision::run(Path::new(data))?,
        ["cache", _] => cache::run()?,
        ["refresh", data] => group_commit::run(Path::new(data))?,
        ["step", data, step, times] => {
            steps::run(step, times.parse()?, Path::new(data))?;
            Vec::new()
        }
        _ => return Err("inprocess decision|cache|refresh|step DATA".into()),
    };
    print(&figures);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "rows are what this program makes")]
fn print(figures: &[Figure]) {
    for figure in figures {
        println!("{}", figure.line());
    }
}
