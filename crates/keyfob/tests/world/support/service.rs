//! Somebody's own service, guarded by keyfob-tower: its example programs, as anybody starts them.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::canary;
use super::keyfob::{Keyfob, must};
use super::root;

/// A registered client.
#[derive(Clone)]
pub struct Client {
    pub id: String,
    pub secret: String,
}

impl Client {
    /// Registered with the keyfob that owns `data`.
    pub fn register(data: &Path, name: &str, scopes: &[&str]) -> Self {
        let mut arguments = vec!["--json", "client", "add", name];
        for scope in scopes {
            arguments.extend(["--scope", scope]);
        }
        let document: Value = serde_json::from_str(&must(data, &arguments, "")).expect("JSON");
        let text = |member: &str| document[member].as_str().expect(member).to_owned();
        Self { id: text("id"), secret: text("secret") }
    }
}

/// A running service; killed when dropped.
pub struct Service {
    child: Child,
    pub address: SocketAddr,
}

impl Service {
    /// Start the example of that name. Its issuer is `keyfob`, whose tokens say `issuer`.
    pub fn start(example: &str, keyfob: &Keyfob, issuer: &str, client: &Client) -> Self {
        let mut child = Command::new(program(example))
            .env("ISSUER", format!("http://{}", keyfob.public))
            .env("ISSUER_NAME", issuer)
            .env("CLIENT_ID", &client.id)
            .env("CLIENT_SECRET", &client.secret)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("an example can be run");
        let mut line = String::new();
        let said = BufReader::new(child.stdout.take().expect("a pipe was asked for")).read_line(&mut line);
        let address = line.trim().strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        let (Ok(_), Some(address)) = (said, address) else {
            let _ = child.kill();
            panic!("{example} did not start: {line}{:?}", child.wait());
        };
        canary::search("what a service said", line.as_bytes());
        Self { child, address }
    }

    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(id, signal).expect("the process is there");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The examples, built once, beside the program.
fn program(example: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_BIN_EXE_keyfob")).ancestors().nth(2).expect("a target directory");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--offline", "-p", "keyfob-tower", "--examples", "--target-dir"])
            .arg(target)
            .current_dir(root())
            .status();
        assert!(built.expect("cargo is there").success(), "the examples of keyfob-tower do not build");
        target.join("debug/examples")
    });
    folder.join(example)
}
