//! `DIR/control.sock`: a path for it that always fits. A Unix socket address holds 107 bytes of path; for a longer
//! one the directory is opened and named by its descriptor.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// Bytes of a path that `sockaddr_un` takes, its closing NUL left out.
const PATH_BYTES_MAX: usize = 107;

/// A path to the socket, valid while this lives.
pub(super) struct SocketPath {
    path: PathBuf,
    _dir: Option<File>,
}

impl SocketPath {
    /// The path of the socket in `dir`.
    pub(super) fn of(dir: &Path) -> io::Result<Self> {
        let path = dir.join("control.sock");
        if path.as_os_str().len() <= PATH_BYTES_MAX {
            return Ok(Self { path, _dir: None });
        }
        let opened = File::open(dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/control.sock", opened.as_raw_fd()));
        Ok(Self { path, _dir: Some(opened) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
