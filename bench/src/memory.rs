//! What a server weighs: idle memory, the time from its start to its first answer with a large store, the binary.

use std::fs;
use std::path::Path;
use std::time::Duration;

use keyfob::clock;
use keyfob_core::signing_key::Algorithm;

use crate::Outcome;
use crate::figure::{Figure, Target};
use crate::house::House;
use crate::place::{self, sibling};
use crate::process::Server;
use crate::statistics::median;
use crate::wire::Line;

/// Users in the store of the start.
const USERS: usize = 100_000;
/// Starts that are measured.
const STARTS: usize = 7;
/// Until memory has settled after a start.
const SETTLE: Duration = Duration::from_millis(1500);

const READY: &[u8] = b"GET /auth/health/ready HTTP/1.1\r\nHost: bench.test\r\n\r\n";

/// Measure all.
///
/// # Errors
/// If a server does not start.
pub fn run(folder: &Path) -> Outcome<Vec<Figure>> {
    let (small, large) = (folder.join("small"), folder.join("large"));
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        House::build(&small, 10, Algorithm::Es256).await?;
        House::build(&large, USERS, Algorithm::Es256).await
    })?;
    drop(runtime);
    let (server, _, internal) = Server::keyfob(&small, &[], &[])?;
    Line::connect(internal)?.ask(READY)?;
    std::thread::sleep(SETTLE);
    let (idle, peak) = (server.resident_mib()?, server.peak_mib()?);
    drop(server);

    let starts = (0..STARTS).map(|_| start(&large)).collect::<Outcome<Vec<f64>>>()?;
    let bytes = u32::try_from(fs::metadata(sibling("keyfob")?)?.len())?;
    Ok(vec![
        Figure::absolute("idle memory", idle, "MiB", Target::AtMost(12.0))
            .with(&format!("peak while starting: {peak:.1}")),
        Figure::absolute("start to first answer, 100,000 users", median(&starts), "ms", Target::AtMost(50.0)),
        Figure::absolute("stripped binary", f64::from(bytes) / 1e6, "MB", Target::AtMost(20.0)),
    ])
}

/// Milliseconds from the start of a process to its first 200.
fn start(data: &Path) -> Outcome<f64> {
    let (public, internal) = (place::free_address()?.to_string(), place::free_address()?);
    let (folder, internal_text) = (data.to_string_lossy(), internal.to_string());
    let arguments = ["serve", "--data", &folder, "--listen", &public, "--internal-listen", &internal_text];
    let begun = clock::instant();
    let _server = Server::start(&sibling("keyfob")?, &arguments, &[], &data.with_extension("log"))?;
    loop {
        if let Ok(mut line) = Line::connect(internal)
            && line.ask(READY)? == 200
        {
            return Ok(begun.elapsed().as_secs_f64() * 1e3);
        }
        if begun.elapsed() > Duration::from_secs(20) {
            return Err("the server did not become ready".into());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}
