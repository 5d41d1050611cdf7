//! `POST /auth/token` with refresh tokens: as many as the server can do, beside the same program on a file system in
//! memory, where a sync does nothing; and what refreshes do to checks that come open-loop at 40 % of the quiet maximum.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use keyfob_core::opaque::Opaque;
use keyfob_core::signing_key::Algorithm;
use rustix::fs::statfs;

use crate::Outcome;
use crate::chains::Chains;
use crate::figure::{Figure, Target, number};
use crate::house::{self, House};
use crate::latencies::{self, Latencies};
use crate::load::{self, Load};
use crate::process::Server;
use crate::statistics::median;
use crate::{wire, wrk};

/// Connections that refresh at once, each with a family.
const CHAINS: usize = 128;
/// How long a closed loop is counted, and how long it runs before.
const LENGTH: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_millis(500);
/// A file system in memory that every Linux has, and its type (statfs(2)).
const MEMORY: &str = "/dev/shm";
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// Sessions whose tokens are checked, and the users they belong to.
const SESSIONS: usize = 2_000;
const USERS: usize = 500;
/// Share of the quiet maximum at which checks come, and for how long.
const SHARE: f64 = 0.4;
const OPEN_LOOP: Duration = Duration::from_secs(3);
/// Refreshes a second beside the checks. With 15-minute tokens the first is what 90,000 people signed in at once do.
const RATES: [u32; 2] = [100, 500];

const AGAINST_MEMORY: &str =
    "refreshes over HTTP, beside the same on a file system in memory (a commit without a disk)";

/// Measure in `rounds` rounds.
///
/// # Errors
/// If a server does not start, or refuses a refresh.
pub fn run(folder: &Path, rounds: usize) -> Outcome<Vec<Figure>> {
    let mut figures = vec![beside_memory(folder, rounds)?];
    figures.extend(beside_checks(folder, rounds)?);
    Ok(figures)
}

fn beside_memory(folder: &Path, rounds: usize) -> Outcome<Figure> {
    if is_memory(folder)? {
        return Ok(Figure::skipped(AGAINST_MEMORY, "the temporary files are in memory; set TMPDIR to a disk"));
    }
    if !is_memory(Path::new(MEMORY))? {
        return Ok(Figure::skipped(AGAINST_MEMORY, "/dev/shm is no tmpfs"));
    }
    let memory = tempfile::Builder::new().prefix("keyfob-bench-").tempdir_in(MEMORY)?;
    let (_disk, mut on_disk) = chains(&folder.join("refresh-disk"))?;
    let (_memory, mut in_memory) = chains(&memory.path().join("refresh-memory"))?;
    on_disk.run(WARM_UP)?;
    in_memory.run(WARM_UP)?;
    let (mut disk, mut free) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        disk.push(on_disk.run(LENGTH)?);
        free.push(in_memory.run(LENGTH)?);
    }
    let (disk, free) = (median(&disk), median(&free));
    let words = |rate: f64| format!("{}/s", number(rate));
    Ok(Figure::ratio(AGAINST_MEMORY, words(disk), words(free), disk / free, Target::AtLeast(0.8)))
}

fn is_memory(folder: &Path) -> Outcome<bool> {
    Ok(statfs(folder)?.f_type == TMPFS_MAGIC)
}

/// A server over a new data directory, and families to refresh.
fn chains(data: &Path) -> Outcome<(Server, Chains)> {
    let runtime = tokio::runtime::Runtime::new()?;
    let tokens: Vec<Opaque> = runtime.block_on(async {
        let house = House::build(data, CHAINS, Algorithm::Es256).await?;
        house.families(CHAINS).await
    })?;
    drop(runtime);
    let (server, public, _) = Server::keyfob(data, &[], &[])?;
    Ok((server, Chains::open(public, &tokens)?))
}

fn beside_checks(folder: &Path, rounds: usize) -> Outcome<Vec<Figure>> {
    let data = folder.join("refresh-checks");
    let runtime = tokio::runtime::Runtime::new()?;
    let (tokens, families) = runtime.block_on(async {
        let house = House::build(&data, USERS, Algorithm::Es256).await?;
        let claims = house.sessions(SESSIONS).await?;
        let tokens = claims.iter().map(|claims| house.token(claims)).collect::<Outcome<Vec<String>>>()?;
        Outcome::Ok((tokens, house.families(rounds * RATES.into_iter().map(uses_of).sum::<usize>()).await?))
    })?;
    drop(runtime);
    let file = house::write_tokens(folder, "refresh-tokens", &tokens)?;
    let (_server, public, _) = Server::keyfob(&data, &[], &[])?;
    wrk::run(public, "/auth/check/forward", &file, 1)?;
    let most = wrk::run(public, "/auth/check/forward", &file, 2)?;
    let checks: Vec<Vec<u8>> = tokens.iter().map(|token| wire::check(token)).collect();
    let checks = load(public, &checks, most.requests / most.seconds * SHARE);
    // Each is used once: a second use would be a retry, which writes nothing.
    let uses: Vec<Vec<u8>> = families.iter().map(|token| wire::refresh(token.expose())).collect();
    let (mut quiet, mut beside) = (Latencies::default(), RATES.map(|_| Latencies::default()));
    let mut unused = uses.as_slice();
    for _ in 0..rounds {
        let [heard] = load::run([&checks])?;
        quiet.add(&heard, checks.rate)?;
        for (rate, seen) in RATES.into_iter().zip(&mut beside) {
            let (now, later) = unused.split_at(uses_of(rate));
            unused = later;
            let [heard, refreshed] = load::run([&checks, &load(public, now, f64::from(rate))])?;
            Latencies::default().add(&refreshed, f64::from(rate))?;
            seen.add(&heard, checks.rate)?;
        }
    }
    Ok(figures(checks.rate, &quiet, &beside))
}

/// Uses in one phase at `rate` a second.
fn uses_of(rate: u32) -> usize {
    (rate * u32::try_from(OPEN_LOOP.as_secs()).unwrap_or(1)) as usize
}

fn load(address: SocketAddr, requests: &[Vec<u8>], rate: f64) -> Load<'_> {
    Load { address, requests, rate, length: OPEN_LOOP, connections: 32, pipelined: true, nap: Duration::ZERO }
}

fn figures(checks: f64, quiet: &Latencies, beside: &[Latencies; 2]) -> Vec<Figure> {
    let figure = |((rate, seen), target)| {
        let title = format!("p99 of checks at {}/s beside {rate} refreshes/s", number(checks));
        latencies::figure(&title, seen, quiet, target)
    };
    let targets = [Target::AtMost(1.5), Target::None];
    RATES.into_iter().zip(beside).zip(targets).map(figure).collect()
}
