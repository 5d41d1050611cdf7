//! Introspection (RFC 7662) beside npm oidc-provider, both on the servers' core: a client that authenticates with Basic
//! asks for live access tokens in turn. The peer is installed below `target/` from its lock file; where that cannot be
//! done the row says so.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyfob_core::signing_key::Algorithm;

use crate::Outcome;
use crate::figure::{Figure, Target, number};
use crate::house::{self, House};
use crate::place::{self, asset, sibling};
use crate::process::{Server, wait_for};
use crate::statistics::median;
use crate::{wire, wrk};

/// Live tokens that are asked for in turn, of both: the peer's store in memory keeps 1,000 things.
const TOKENS: usize = 100;
/// Seconds before a row is counted, and seconds it is.
const WARM_UP: u32 = 2;
const SECONDS: u32 = 4;

const TITLE: &str = "introspection, beside npm oidc-provider";
const LOCKS: &[&str] = &["package.json", "package-lock.json", "server.mjs"];
const PEER: &str = "peers/oidc-provider";

/// Who is asked.
struct Door {
    server: Server,
    address: SocketAddr,
    path: &'static str,
    authorization: String,
    tokens: PathBuf,
    rates: Vec<f64>,
    cpu: Vec<f64>,
}

/// Measure in `rounds` rounds.
///
/// # Errors
/// If keyfob does not start, or either answers with an error.
pub fn run(folder: &Path, rounds: usize) -> Outcome<Vec<Figure>> {
    let peer = match install() {
        Ok(peer) => peer,
        Err(why) => return Ok(vec![Figure::skipped(TITLE, &format!("oidc-provider cannot be installed: {why}"))]),
    };
    let mut doors = [keyfob(folder)?, oidc_provider(folder, &peer)?];
    for door in &mut doors {
        door.run(WARM_UP)?;
    }
    for _ in 0..rounds {
        for door in &mut doors {
            let before = door.server.cpu_micros()?;
            let count = door.run(SECONDS)?;
            door.cpu.push((door.server.cpu_micros()? - before) / count.requests);
            door.rates.push(count.requests / count.seconds);
        }
    }
    let words = |door: &Door| format!("{}/s, {:.2} us CPU", number(median(&door.rates)), median(&door.cpu));
    let [ours, theirs] = &doors;
    let ratio = median(&ours.rates) / median(&theirs.rates);
    Ok(vec![Figure::ratio(TITLE, words(ours), words(theirs), ratio, Target::AtLeast(10.0))])
}

impl Door {
    fn run(&self, seconds: u32) -> Outcome<wrk::Count> {
        let count = wrk::post(self.address, self.path, &self.tokens, &self.authorization, seconds)?;
        if count.refused > 0.0 { Err("an introspection was refused".into()) } else { Ok(count) }
    }

    /// A door whose tokens are seen to be live, so that no row measures `{"active":false}`.
    fn open(
        server: Server,
        address: SocketAddr,
        path: &'static str,
        authorization: String,
        tokens: PathBuf,
    ) -> Outcome<Self> {
        let first = fs::read_to_string(&tokens)?;
        let body = first.lines().next().ok_or("no tokens")?;
        let answer = wire::Line::connect(address)?.tell(&wire::form(path, &authorization, body))?;
        if !answer.contains("\"active\":true") {
            return Err(format!("a live token is not active at {path}: {answer}").into());
        }
        Ok(Self { server, address, path, authorization, tokens, rates: Vec::new(), cpu: Vec::new() })
    }
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn keyfob(folder: &Path) -> Outcome<Door> {
    let data = folder.join("introspect");
    let runtime = tokio::runtime::Runtime::new()?;
    let tokens = runtime.block_on(async {
        let house = House::build(&data, TOKENS, Algorithm::Es256).await?;
        let claims = house.sessions(TOKENS).await?;
        claims.iter().map(|claims| Ok(format!("token={}", house.token(claims)?))).collect::<Outcome<Vec<String>>>()
    })?;
    drop(runtime);
    let mut add = Command::new(sibling("keyfob")?);
    let added = add.arg("--data").arg(&data).args(["--json", "client", "add", "asks"]).output()?;
    let text = String::from_utf8(added.stdout)?;
    let member = |name| wire::member(&text, name).ok_or_else(|| format!("no {name} of a new client: {text}"));
    let authorization = basic(member("id")?, member("secret")?);
    let tokens = house::write_tokens(folder, "introspect-tokens", &tokens)?;
    let (server, address, _) = Server::keyfob(&data, &[], &[])?;
    Door::open(server, address, "/auth/introspect", authorization, tokens)
}

fn oidc_provider(folder: &Path, peer: &Path) -> Outcome<Door> {
    let address = place::free_address()?;
    let (id, secret) = ("asks", "s".repeat(32));
    let (script, port) = (peer.join("server.mjs"), address.port().to_string());
    let arguments = [&*script.to_string_lossy(), &port, id, &secret];
    let production = [("NODE_ENV", "production")];
    let server = Server::start(Path::new("node"), &arguments, &production, &folder.join("oidc-provider.log"))?;
    wait_for(address)?;
    let authorization = basic(id, &secret);
    let mut line = wire::Line::connect(address)?;
    let request = wire::form("/token", &authorization, "grant_type=client_credentials");
    let mut tokens = Vec::with_capacity(TOKENS);
    for _ in 0..TOKENS {
        let answer = line.tell(&request)?;
        let token = wire::member(&answer, "access_token").ok_or_else(|| format!("the peer gave no token: {answer}"))?;
        tokens.push(format!("token={token}"));
    }
    let tokens = house::write_tokens(folder, "oidc-provider-tokens", &tokens)?;
    Door::open(server, address, "/token/introspection", authorization, tokens)
}

/// Where the peer is, installed if it is not there at the version of the lock file.
fn install() -> Outcome<PathBuf> {
    let target = std::env::current_exe()?.ancestors().nth(2).ok_or("no target folder")?.join("peers/oidc-provider");
    fs::create_dir_all(&target)?;
    let mut current = target.join("node_modules/oidc-provider").exists();
    for name in LOCKS {
        let (from, to) = (asset(PEER).join(name), target.join(name));
        current &= fs::read(&to).is_ok_and(|there| fs::read(&from).is_ok_and(|wanted| there == wanted));
        fs::copy(from, to)?;
    }
    if current {
        return Ok(target);
    }
    let npm = Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(&target).output()?;
    if npm.status.success() { Ok(target) } else { Err(format!("npm ci: {}", npm.status).into()) }
}
