//! How often a warm decision allocates: `allocations count DATA` prints a row of the table. A process of its own, because
//! an allocator that counts is slower than the one whose time is measured.

use std::alloc::System;
use std::path::Path;

use bench::Outcome;
use bench::decision::{self, Warm};
use bench::figure::{Figure, Target};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Outcome {
    let data = std::env::args().nth(2).ok_or("allocations count DATA")?;
    let warm = Warm::new(Path::new(&data))?;
    let region = Region::new(ALLOCATOR);
    decision::decide(&warm.verifier, &warm.headers)?;
    let count = u32::try_from(region.change().allocations)?;
    let figure = Figure::absolute("allocations of a warm decision", f64::from(count), "each", Target::None)
        .with("method, host and target of the request");
    print(&figure);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a row is what this program makes")]
fn print(figure: &Figure) {
    println!("{}", figure.line());
}
