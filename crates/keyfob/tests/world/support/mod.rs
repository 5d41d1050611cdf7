//! What the tests of the outside share: the program as a child process, a small HTTP client over raw sockets, other
//! people's servers, and a server that records. Everything listens on loopback, on a port the system chose, and ends
//! with the value that owns it.

#[path = "../../canary/mod.rs"]
pub mod canary;
pub mod clock;
pub mod house;
pub mod http;
pub mod keyfob;
pub mod nginx;
#[cfg(test)]
#[expect(dead_code, reason = "the store's own tests use all of it")]
#[path = "../../../../store/src/postgres/tests/cluster.rs"]
pub mod postgres;
pub mod recorder;
pub mod server;
pub mod service;
pub mod shift;
pub mod upstream;
pub mod websocket;

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace has a root")
}

/// Where `cargo xtask prepare` put the programs that keyfob is tested against.
pub fn world() -> PathBuf {
    // The binary is target/PROFILE/keyfob, and the world is beside PROFILE.
    let target = Path::new(env!("CARGO_BIN_EXE_keyfob")).ancestors().nth(2).expect("a target directory");
    let world = target.join("world");
    assert!(
        world.join("venv").exists() && world.join("node").exists(),
        "the programs that keyfob is tested against are not installed; run `cargo xtask prepare` once"
    );
    world
}

/// A file of this test, beside its source.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/world").join(name)
}
