//! A real nginx in front of an API, configured by the very text of `docs/forward-auth.md`.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use tempfile::TempDir;

use super::upstream::Upstream;

/// A running nginx; ended when dropped.
pub struct Nginx {
    upstream: Upstream,
    _folder: TempDir,
}

impl Nginx {
    /// Run it with the `http` block of a configuration; `$LISTEN` in it becomes the address to listen on.
    pub fn start(http: &str) -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        let address = free();
        let text = main(folder.path()) + &http.replace("$LISTEN", &address.to_string());
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text).expect("a configuration can be written");
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists());
        let (prefix, file) = (folder.path().display().to_string(), file.display().to_string());
        let command = [program.unwrap_or("nginx"), "-p", &prefix, "-c", &file, "-e", "stderr", "-g", "daemon off;"];
        Self { upstream: Upstream::run_at(&command, address), _folder: folder }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.upstream.address
    }
}

/// What stands around the `http` block: nothing of it touches a path outside the folder.
fn main(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "pid {folder}/nginx.pid;\nworker_processes 1;\nerror_log stderr;\nevents {{ worker_connections 512; }}\n\
         # temporary files: client_body_temp_path and its kin belong inside http\n"
    )
}

/// A port that was free a moment ago: nginx cannot be asked which one it was given.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound listener has an address")
}
