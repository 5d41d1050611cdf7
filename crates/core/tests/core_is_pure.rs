//! The wall round keyfob-core: it decides, and depends on nothing that could do anything else. Reads the dependency
//! tree as the lock file has it, and core's own sources; never the network.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What core must not depend on, however far down: async runtimes, HTTP, databases, clocks, and the crates that depend on
/// core.
const FORBIDDEN_CRATES: &str = "
    async-std async-trait futures futures-core futures-util mio polling smol tokio
    axum axum-core h2 http http-body httparse hyper hyper-util reqwest rustls socket2 tower tower-layer tower-service ureq
    deadpool deadpool-postgres libsqlite3-sys postgres-protocol rusqlite sqlx tokio-postgres
    chrono jiff time
    keyfob keyfob-store keyfob-tower
";

/// Nor random sources, but for those below [`SALTED`].
const FORBIDDEN_RANDOM: &str = "fastrand getrandom oorandom rand rand_chacha rand_core";

/// Libraries of legacy password hashes that can also make a salt. Core only ever gives them one: the functions that make one
/// are among [`FORBIDDEN_PATHS`].
const SALTED: [&str; 2] = ["bcrypt", "crypt3_rs"];

/// What core's own code must not name, outside its tests: the standard library's ways out.
const FORBIDDEN_PATHS: [&str; 14] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::",
    "SystemRandom",
    "bcrypt::hash(",
    "bcrypt::hash_bytes",
    "bcrypt::hash_with_result",
    "bcrypt::non_truncating_hash",
    "apr1::hash(",
    "use crypt3_rs",
];

#[test]
fn core_depends_on_no_runtime_network_database_clock_or_randomness() {
    let all = dependencies(&[]).unwrap();
    assert!(all.iter().any(|name| name == "argon2"), "the tree was not read: {all:?}");
    let found = [named(&all, FORBIDDEN_CRATES), named(&dependencies(&SALTED).unwrap(), FORBIDDEN_RANDOM)].concat();
    assert!(found.is_empty(), "keyfob-core must not depend on {found:?}: see `cargo tree -e normal -p keyfob-core`");
}

fn named(names: &[String], forbidden: &str) -> Vec<String> {
    names.iter().filter(|name| forbidden.split_whitespace().any(|forbidden| forbidden == *name)).cloned().collect()
}

#[test]
fn core_names_no_file_socket_process_thread_or_clock() {
    let sources = rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    assert!(sources.len() > 10, "the sources were not found: {sources:?}");
    for source in sources {
        let text = std::fs::read_to_string(&source).unwrap();
        for forbidden in FORBIDDEN_PATHS {
            assert!(!shipped_code(&text).contains(forbidden), "{} names {forbidden}", source.display());
        }
    }
}

/// The names of all crates that are linked into core on this platform, but for those below `but`.
fn dependencies(but: &[&str]) -> io::Result<Vec<String>> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--edges", "normal", "--package", "keyfob-core", "--prefix", "none", "--format", "{p}"])
        .args(["--locked", "--offline"])
        .args(but.iter().flat_map(|but| ["--prune", but]))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    assert!(tree.status.success(), "cargo tree: {}", String::from_utf8_lossy(&tree.stderr));
    let lines = String::from_utf8_lossy(&tree.stdout);
    // The first line is core itself.
    Ok(lines.lines().skip(1).filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

/// All `.rs` files under `folder`, but for those that hold only tests.
fn rust_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|kind| kind == "rs")
            && path.file_name().is_some_and(|name| name != "tests.rs")
        {
            files.push(path);
        }
    }
    Ok(files)
}

/// The code before the test module, without comment lines.
fn shipped_code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}
