//! The doors over HTTP: `/auth/check/forward` beside a bare server that looks at nothing, and the gateway beside nginx
//! and a bare proxy, all on one core in front of the same fast API. Rows are interleaved; medians are compared.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use keyfob_core::signing_key::Algorithm;

use crate::Outcome;
use crate::figure::{Figure, Target, number};
use crate::house::{self, House};
use crate::place::{self, asset, sibling};
use crate::process::{Server, wait_for};
use crate::statistics::median;
use crate::wrk;

/// Distinct tokens.
pub const TOKENS: usize = 10_000;
/// Users they belong to.
const USERS: usize = 1_000;
/// Seconds before a row is counted, and seconds it is.
const WARM_UP: u32 = 1;
const SECONDS: u32 = 4;

const CHECK: &str = "/auth/check/forward";
const GUARDED: &str = "/reports/7";

/// One row: who is asked what, and whose processor time it takes.
struct Row<'a> {
    name: &'static str,
    address: SocketAddr,
    path: &'static str,
    tokens: &'a Path,
    servers: Vec<&'a Server>,
    refused: bool,
    seen: Vec<Seen>,
}

struct Seen {
    rate: f64,
    cpu: f64,
}

/// A running set of servers.
struct Street {
    keyfob: Server,
    api: Server,
    front: Server,
    bare_check: Server,
    bare_proxy: Server,
    at: Addresses,
}

#[derive(Clone, Copy)]
struct Addresses {
    keyfob: SocketAddr,
    api: SocketAddr,
    plain: SocketAddr,
    guarded: SocketAddr,
    bare_check: SocketAddr,
    bare_proxy: SocketAddr,
}

/// Measure all rows in `rounds` rounds.
///
/// # Errors
/// If a server does not start, or answers what it should not.
pub fn run(folder: &Path, rounds: usize) -> Outcome<Vec<Figure>> {
    let data = folder.join("doors");
    let runtime = tokio::runtime::Runtime::new()?;
    let tokens = runtime.block_on(async {
        let house = House::build(&data, USERS, Algorithm::Es256).await?;
        let claims = house.sessions(TOKENS).await?;
        claims.iter().map(|claims| house.token(claims)).collect::<Outcome<Vec<String>>>()
    })?;
    drop(runtime);
    let forged: Vec<String> = tokens.iter().map(|token| house::forged(token)).collect();
    let garbage: Vec<String> = (0..TOKENS).map(|index| format!("garbage-{index:0>500}")).collect();
    let valid = house::write_tokens(folder, "valid", &tokens)?;
    let forged = house::write_tokens(folder, "forged", &forged)?;
    let garbage = house::write_tokens(folder, "garbage", &garbage)?;

    let street = Street::open(folder, &data)?;
    let mut rows = rows(&street, &valid, &forged, &garbage);
    for round in 0..rounds {
        for row in &mut rows {
            row.measure()?;
        }
        tell(round, &rows);
    }
    Ok(figures(&rows))
}

fn rows<'a>(street: &'a Street, valid: &'a Path, forged: &'a Path, garbage: &'a Path) -> Vec<Row<'a>> {
    let Street { keyfob, api, front, bare_check, bare_proxy, at } = street;
    let row = |name, address, path, tokens, servers, refused| Row {
        name,
        address,
        path,
        tokens,
        servers,
        refused,
        seen: Vec::new(),
    };
    vec![
        row("check", at.keyfob, CHECK, valid, vec![keyfob], false),
        row("bare check", at.bare_check, CHECK, valid, vec![bare_check], false),
        row("garbage", at.keyfob, CHECK, garbage, vec![keyfob], true),
        row("forged", at.keyfob, CHECK, forged, vec![keyfob], true),
        row("gateway", at.keyfob, GUARDED, valid, vec![keyfob, api], false),
        row("nginx proxy", at.plain, GUARDED, valid, vec![front, api], false),
        row("bare proxy", at.bare_proxy, GUARDED, valid, vec![bare_proxy, api], false),
        row("nginx auth_request", at.guarded, GUARDED, valid, vec![front, keyfob, api], false),
    ]
}

impl Street {
    fn open(folder: &Path, data: &Path) -> Outcome<Self> {
        let free = place::free_address;
        let (api_at, plain, guarded, bare_check_at, bare_proxy_at) = (free()?, free()?, free()?, free()?, free()?);
        let api = nginx(folder, "nginx-api.conf", &[("@API@", api_at)])?;
        let upstream = format!("http://{api_at}");
        let (keyfob, keyfob_at, _) = Server::keyfob(data, &["--upstream", &upstream], &[])?;
        let front = [("@API@", api_at), ("@CHECK@", keyfob_at), ("@PLAIN@", plain), ("@GUARDED@", guarded)];
        let front = nginx(folder, "nginx-front.conf", &front)?;
        let bare = |mode: &str, listen: SocketAddr, upstream: SocketAddr| {
            let arguments = [mode, &listen.to_string(), &upstream.to_string()];
            Server::start(&sibling("bare")?, &arguments, &[], &folder.join("bare.log"))
        };
        let bare_check = bare("check", bare_check_at, api_at)?;
        let bare_proxy = bare("proxy", bare_proxy_at, api_at)?;
        let at = Addresses {
            keyfob: keyfob_at,
            api: api_at,
            plain,
            guarded,
            bare_check: bare_check_at,
            bare_proxy: bare_proxy_at,
        };
        for address in [at.api, at.plain, at.guarded, at.bare_check, at.bare_proxy] {
            wait_for(address)?;
        }
        Ok(Self { keyfob, api, front, bare_check, bare_proxy, at })
    }
}

fn nginx(folder: &Path, name: &str, addresses: &[(&str, SocketAddr)]) -> Outcome<Server> {
    let template = fs::read_to_string(asset(&format!("{name}.in")))?;
    let text = template.replace("@TMP@", &folder.to_string_lossy());
    let text = addresses.iter().fold(text, |text, (mark, address)| text.replace(mark, &address.to_string()));
    let file = folder.join(name);
    fs::write(&file, text)?;
    let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    Server::start(Path::new(program), &["-c", &file.to_string_lossy()], &[], &file.with_extension("log"))
}

impl Row<'_> {
    fn measure(&mut self) -> Outcome {
        wrk::run(self.address, self.path, self.tokens, WARM_UP)?;
        let before = self.cpu()?;
        let count = wrk::run(self.address, self.path, self.tokens, SECONDS)?;
        let cpu = self.cpu()? - before;
        let expected = if self.refused { count.requests } else { 0.0 };
        if (count.refused - expected).abs() > 0.5 {
            return Err(format!("{}: {} of {} answers were refusals", self.name, count.refused, count.requests).into());
        }
        self.seen.push(Seen { rate: count.requests / count.seconds, cpu: cpu / count.requests });
        Ok(())
    }

    fn cpu(&self) -> Outcome<f64> {
        self.servers.iter().map(|server| server.cpu_micros()).sum()
    }

    fn rate(&self) -> f64 {
        median(&self.seen.iter().map(|seen| seen.rate).collect::<Vec<_>>())
    }

    fn cpu_each(&self) -> f64 {
        median(&self.seen.iter().map(|seen| seen.cpu).collect::<Vec<_>>())
    }
}

fn tell(round: usize, rows: &[Row<'_>]) {
    for row in rows {
        if let Some(seen) = row.seen.last() {
            eprintln_row(round, row.name, seen);
        }
    }
}

#[expect(clippy::print_stderr, reason = "progress, beside the table on standard output")]
fn eprintln_row(round: usize, name: &str, seen: &Seen) {
    eprintln!(
        "bench: round {round} {name:20} {:>9} requests/s {:6.2} us of processor time",
        number(seen.rate),
        seen.cpu
    );
}

fn figures(rows: &[Row<'_>]) -> Vec<Figure> {
    let of = |name: &str| rows.iter().find(|row| row.name == name);
    let words = |row: &Row<'_>| format!("{}/s, {:.2} us CPU", number(row.rate()), row.cpu_each());
    let compare = |title: &str, measured: &str, limit: &str, target: Target| {
        let (row, beside) = (of(measured)?, of(limit)?);
        let limit = format!("{}: {}", beside.name, words(beside));
        // Processor time is not what a busy machine takes away, so it decides; the rates are told beside it.
        let value = beside.cpu_each() / row.cpu_each();
        let rates = format!("{}; ratio of rates {:.3}", words(row), row.rate() / beside.rate());
        Some(Figure::ratio(title, rates, limit, value, target))
    };
    [
        compare("check/forward, 10,000 valid tokens, Zipf", "check", "bare check", Target::AtLeast(0.9)),
        compare("check/forward, garbage token, beside a valid one", "garbage", "check", Target::AtLeast(1.0)),
        compare("check/forward, forged signature, beside a valid one", "forged", "check", Target::None),
        compare(
            "gateway, decision made, beside nginx as a plain proxy",
            "gateway",
            "nginx proxy",
            Target::AtLeast(0.93),
        ),
        compare("gateway beside a bare hyper proxy", "gateway", "bare proxy", Target::None),
        compare("gateway beside nginx auth_request + proxy", "gateway", "nginx auth_request", Target::AtLeast(1.6)),
    ]
    .into_iter()
    .flatten()
    .collect()
}
