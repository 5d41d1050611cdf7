//! The walls inside the program, where no crate's edge stops anyone: `http` and `gateway` are siblings that never import
//! each other, and `front` alone sees both. Reads the sources, tests included.

use std::path::{Path, PathBuf};

#[test]
fn http_and_gateway_never_name_each_other() {
    let mut found = Vec::new();
    for (side, other) in [("http", "gateway"), ("gateway", "http")] {
        let files = rust_files(side);
        assert!(files.len() > 5, "the sources of {side} were not found: {files:?}");
        for file in files {
            let code = code(&file);
            // The crate `http` (the messages' types) is not this program's `http`, which is reached by `crate` or `super`.
            let reached = ["crate", "super"].iter().any(|from| code.contains(&format!("{from}::{other}")))
                || groups(&code).any(|group| group.split([',', '{', '}', ':']).any(|name| name == other));
            if reached {
                found.push(format!("{} imports {other}", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_both_share_names_neither_door() {
    for shared in ["app", "client", "cors", "framing", "metadata", "reply", "request_id", "verify"] {
        let code = code(&source().join(format!("{shared}.rs")));
        for side in ["crate::http", "crate::gateway", "crate::front"] {
            assert!(!code.contains(side), "{shared}.rs names {side}");
        }
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// `SIDE.rs` and all files under `SIDE/`.
fn rust_files(side: &str) -> Vec<PathBuf> {
    let mut files = vec![source().join(format!("{side}.rs"))];
    let mut folders = vec![source().join(side)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// A file without its comment lines and without spaces, so that `use` groups of several lines are read as one.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).expect("readable");
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(str::chars).filter(|letter| !letter.is_whitespace()).collect()
}

/// What stands in each `use crate::{...};`.
fn groups(code: &str) -> impl Iterator<Item = &str> {
    code.split("usecrate::{").skip(1).filter_map(|rest| rest.split(';').next())
}
