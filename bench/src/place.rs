//! Where things run: which core, which port, which folder. The servers have core 0 to themselves, the load has core 1.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::Outcome;

/// The core of the servers.
pub const SERVERS: usize = 0;
/// The core of whoever loads them.
pub const LOAD: usize = 1;

/// Keep the calling thread, and what it starts, on one core.
///
/// # Errors
/// If the machine has no such core.
pub fn pin(core: usize) -> Outcome {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores)?;
    Ok(())
}

/// A loopback address that is free now.
///
/// # Errors
/// If no port is free.
pub fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A program that was built beside this one.
///
/// # Errors
/// If it is not there.
pub fn sibling(name: &str) -> Outcome<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.exists() { Ok(path) } else { Err(format!("{name} is not built: run `cargo xtask bench`").into()) }
}

/// A file of this crate's folder.
#[must_use]
pub fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
