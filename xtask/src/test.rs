//! Everything that continuous integration asks of a change, in one command.

use crate::run::{Outcome, cargo, output, say};
use crate::{postgres, prepare};

/// The steps, cheapest first, so that a slip is told early.
const STEPS: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--check"]),
    ("lint", &["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"]),
    // `--no-fail-fast`: one look shows everything that is wrong.
    ("test", &["test", "--workspace", "--no-fail-fast"]),
    // Builds that break a promise on purpose: what guards it must be seen to fail.
    (
        "sabotage",
        &[
            "test",
            "--package",
            "keyfob-store",
            "--package",
            "keyfob-tower",
            "--lib",
            SABOTAGE,
            "--",
            "sabotage::",
            "cache::model::",
        ],
    ),
    (
        "sabotage of nodes",
        &["test", "--package", "keyfob", "--features", "sabotage", "--test", "world", "campaign::nodes::sabotage::"],
    ),
];

/// Both crates that can be told to break a promise.
const SABOTAGE: &str = "--features=keyfob-store/sabotage,keyfob-tower/sabotage";

/// Prepare, check and test.
pub(crate) fn run() -> Outcome {
    say("xtask: prepare");
    let world = prepare::run()?;
    for (name, arguments) in STEPS {
        say(&format!("xtask: {name}"));
        cargo(arguments)?;
    }
    say("xtask: the newest PostgreSQL");
    postgres::test(&world)?;
    dependencies()?;
    say("xtask: all of it passed");
    Ok(())
}

/// Licences, bans and sources by cargo-deny where it is installed. Its advisories need a database from the network, so
/// the floors in deny.toml stand for them here.
fn dependencies() -> Outcome {
    if output("cargo", &["deny", "--version"]).is_none() {
        say("xtask: cargo-deny is not installed; licences and advisory floors are not checked");
        return Ok(());
    }
    cargo(&["deny", "check", "bans", "licenses", "sources"])
}
