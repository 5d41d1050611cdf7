//! The APIs that are smuggled at: Python's gunicorn, Node's own server, the same told to be lenient, and hyper. Each writes
//! down, in a file, what it has read, and answers with it.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ::http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;

use crate::support::upstream::Upstream;
use crate::support::{fixture, world};

/// What an API may be.
pub const KINDS: &[&str] = &["gunicorn", "node", "lenient node", "hyper"];

/// A running API.
pub struct Api {
    /// Where it listens.
    pub address: SocketAddr,
    record: PathBuf,
    read: Mutex<u64>,
    _program: Option<Upstream>,
    _folder: TempDir,
}

/// A request as the API read it.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    /// Its `X-Request-Id`.
    pub id: String,
    /// Its method.
    pub method: String,
    /// Its target, byte for byte.
    pub target: String,
    /// Its content in hexadecimal; nothing where it broke off.
    pub body: Option<String>,
}

impl Api {
    /// Start one.
    pub fn start(kind: &str) -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        let record = folder.path().join("record");
        fs::write(&record, "").expect("a record can be begun");
        let (address, program) = match kind {
            "hyper" => (hyper_api(&record), None),
            kind => {
                let program = program(kind, &record);
                (program.address, Some(program))
            }
        };
        Self { address, record, read: Mutex::new(0), _program: program, _folder: folder }
    }

    /// What it has read since the last time.
    pub fn take(&self) -> Vec<Record> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = File::open(&self.record).expect("the record is there");
        let mut text = String::new();
        file.seek(SeekFrom::Start(*read)).and_then(|_| file.read_to_string(&mut text)).expect("the record is read");
        // A line that is being written is for the next time.
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        *read += whole as u64;
        text[..whole].lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
    }
}

fn program(kind: &str, record: &Path) -> Upstream {
    let record = record.display().to_string();
    let script = |name: &str| fixture(&format!("campaign/smuggle/{name}")).display().to_string();
    if kind == "gunicorn" {
        let gunicorn = world().join("venv/bin/gunicorn").display().to_string();
        let (record, folder) = (format!("RECORD={record}"), script(""));
        return Upstream::run(&[
            "env",
            &record,
            "PYTHONDONTWRITEBYTECODE=1",
            &gunicorn,
            "--bind",
            "127.0.0.1:0",
            "--worker-class",
            "gthread",
            "--threads",
            "16",
            "--keep-alive",
            "75",
            "--chdir",
            &folder,
            "api:app",
        ]);
    }
    Upstream::run(&["node", &script("api.cjs"), &record, kind])
}

fn hyper_api(record: &Path) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let record = File::options().append(true).open(record).expect("a record can be kept");
    let record = Arc::new(Mutex::new(record));
    // Ends with the test process, as the sockets of its other recorders do.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(serve(listener, record));
    });
    address
}

async fn serve(listener: TcpListener, record: Arc<Mutex<File>>) {
    listener.set_nonblocking(true).expect("a socket");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let record = Arc::clone(&record);
        let service = service_fn(move |request| read(request, Arc::clone(&record)));
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

async fn read(request: Request<Incoming>, record: Arc<Mutex<File>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.ok().map(|body| hex(&body.to_bytes()));
    let id =
        parts.headers.get("x-request-id").map_or_else(String::new, |id| String::from_utf8_lossy(id.as_bytes()).into());
    let (method, target) = (parts.method.to_string(), parts.uri.to_string());
    let line = json!({ "id": id, "method": method, "target": target, "body": body }).to_string() + "\n";
    record.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes()).expect("a record can be kept");
    Ok(Response::new(Full::from(format!("has-read {method} {target}\n"))))
}

/// In hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
