//! A real nginx on a free port of loopback, with a configuration that a test gives it.

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
    /// Run it with what belongs inside `http { … }`; `$LISTEN` in it becomes the address to listen on.
    pub fn start(http: &str) -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        let address = free();
        let text = whole(folder.path(), &http.replace("$LISTEN", &address.to_string()));
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

/// The configuration around that text: nothing of it touches a path outside the folder.
fn whole(folder: &Path, http: &str) -> String {
    let folder = folder.display().to_string();
    let mut temporary = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        temporary.extend([kind, "_temp_path ", &folder, "/", kind, ";\n"]);
    }
    // `user` keeps a root's workers able to write to a root's folder; nginx ignores it for everybody else.
    format!(
        "user root;\nworker_processes 1;\npid {folder}/pid;\nevents {{ worker_connections 512; }}\n\
         http {{\naccess_log off;\n{temporary}{http}\n}}\n"
    )
}

/// A port that was free a moment ago: nginx cannot be asked which one it was given.
pub fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound listener has an address")
}
