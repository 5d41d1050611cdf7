//! PostgreSQL beside SQLite, in one run: checks a second of a node, the first sight of a token, and the time a refresh takes in
//! the store from one node and from two. The server is made by initdb, and runs on the load's core.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use keyfob::config::{Database, Settings};
use keyfob::{clock, control};
use keyfob_core::opaque::Opaque;
use keyfob_store::Store;

use crate::cluster::Cluster;
use crate::figure::{Figure, Target, micros, number};
use crate::group_commit;
use crate::house::{self, House};
use crate::place::{self, SERVERS};
use crate::process::Server;
use crate::statistics::median;
use crate::wire::{self, Line};
use crate::{Outcome, wrk};

/// Sessions, a token each, and the users they belong to.
const TOKENS: usize = 1_000;
const USERS: usize = 500;
/// Seconds before a row is counted, and seconds it is.
const WARM_UP: u32 = 1;
const SECONDS: u32 = 3;
/// Refreshes under way at once, from one node or shared between two.
const CALLERS: usize = 8;

const CHECK: &str = "/auth/check/forward";

/// A store with tokens of its sessions, and its server.
struct Node {
    server: Server,
    public: std::net::SocketAddr,
    tokens: Vec<String>,
    file: std::path::PathBuf,
}

/// Settings of a node on that database.
#[must_use]
pub fn on(url: &str, data: &Path) -> Settings {
    let database = Database { url: url.to_owned(), direct: None, password: None, connections: 16 };
    Settings { data: data.to_owned(), database: Some(database), ..Settings::default() }
}

/// Measure in `rounds` rounds.
///
/// # Errors
/// If a server does not start, or a token is refused.
pub fn run(folder: &Path, rounds: usize) -> Outcome<Vec<Figure>> {
    let cluster = Cluster::start(&[]);
    for name in ["checks", "refreshes"] {
        cluster.create(name);
    }
    let sqlite = Settings { data: folder.join("beside"), ..Settings::default() };
    let shared = on(&cluster.url("checks"), &folder.join("node"));
    let (few, many) = (Node::open(folder, &sqlite)?, Node::open(folder, &shared)?);
    let first = first_sights(&many, &few)?;
    let figures = vec![checks(&many, &few, rounds)?, first];
    drop((few, many));
    let refreshes = {
        let (folder, url) = (folder.to_owned(), cluster.url("refreshes"));
        // The nodes have the servers' core, as elsewhere.
        thread::spawn(move || refreshes(&folder, &url, rounds)).join().map_err(|_| "a node panicked")??
    };
    Ok(figures.into_iter().chain([refreshes]).collect())
}

impl Node {
    fn open(folder: &Path, settings: &Settings) -> Outcome<Self> {
        let runtime = tokio::runtime::Runtime::new()?;
        let tokens = runtime.block_on(async {
            let house = House::build_with(settings, USERS).await?;
            let claims = house.sessions(TOKENS).await?;
            claims.iter().map(|claims| house.token(claims)).collect::<Outcome<Vec<String>>>()
        })?;
        drop(runtime);
        let url = settings.database.as_ref().map_or("", |database| database.url.as_str());
        let more = [("KEYFOB_DATABASE", url)];
        let more = if url.is_empty() { &more[..0] } else { &more };
        let (server, public, internal) = Server::keyfob(&settings.data, &[], more)?;
        let mut ready = Line::connect(internal)?;
        // A node that has no lease yet asks the database each time.
        while ready.ask(b"GET /auth/health/ready HTTP/1.1\r\nHost: bench.test\r\n\r\n")? != 200 {
            thread::sleep(std::time::Duration::from_millis(20));
        }
        let name = settings.data.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = house::write_tokens(folder, &format!("{name}-tokens"), &tokens)?;
        Ok(Self { server, public, tokens, file })
    }

    /// Checks a second, and microseconds of processor time for each.
    fn rate(&self) -> Outcome<(f64, f64)> {
        wrk::run(self.public, CHECK, &self.file, WARM_UP)?;
        let before = self.server.cpu_micros()?;
        let count = wrk::run(self.public, CHECK, &self.file, SECONDS)?;
        if count.refused > 0.0 {
            return Err("a valid token was refused".into());
        }
        Ok((count.requests / count.seconds, (self.server.cpu_micros()? - before) / count.requests))
    }

    /// Microseconds of the first check of each token, one after the other.
    fn first(&self) -> Outcome<Vec<f64>> {
        let mut line = Line::connect(self.public)?;
        let first = |token: &String| {
            let start = clock::instant();
            match line.ask(&wire::check(token))? {
                200 => Ok(micros(start.elapsed())),
                status => Err(format!("a valid token was answered {status}").into()),
            }
        };
        self.tokens.iter().map(first).collect()
    }
}

fn first_sights(many: &Node, few: &Node) -> Outcome<Figure> {
    let (shared, own) = (median(&many.first()?), median(&few.first()?));
    let words = |micros: f64| format!("{} us", number(micros));
    let title = "first check of a token over HTTP, on PostgreSQL beside SQLite (median)";
    Ok(Figure::ratio(title, words(shared), words(own), shared / own, Target::None))
}

fn checks(many: &Node, few: &Node, rounds: usize) -> Outcome<Figure> {
    let (mut shared, mut own) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        shared.push(many.rate()?);
        own.push(few.rate()?);
    }
    let medians = |seen: &[(f64, f64)]| {
        let of = |which: fn(&(f64, f64)) -> f64| median(&seen.iter().map(which).collect::<Vec<_>>());
        (of(|it| it.0), of(|it| it.1))
    };
    let ((rate, cpu), (own_rate, own_cpu)) = (medians(&shared), medians(&own));
    let words = |rate: f64, cpu: f64| format!("{}/s, {cpu:.2} us CPU", number(rate));
    let measured = format!("{}; ratio of rates {:.3}", words(rate, cpu), rate / own_rate);
    let title = "check/forward, 1,000 tokens, a node on PostgreSQL beside SQLite";
    Ok(Figure::ratio(title, measured, words(own_rate, own_cpu), own_cpu / cpu, Target::AtLeast(0.95)))
}

/// As many refreshes at once from two nodes as from one: what a refresh takes is the database's time, not another node's.
fn refreshes(folder: &Path, url: &str, rounds: usize) -> Outcome<Figure> {
    place::pin(SERVERS)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut one, mut two) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        let settings = [on(url, &folder.join("refresh-a")), on(url, &folder.join("refresh-b"))];
        let house = House::build_with(&settings[0], CALLERS).await?;
        fs::create_dir_all(&settings[1].data)?;
        fs::copy(settings[0].data.join("root.key"), settings[1].data.join("root.key"))?;
        let other = control::open(&settings[1]).await?;
        let mut newest = house.families(CALLERS).await?;
        let (alone, shared) = ([&house.open.store; 2], [&house.open.store, &other.store]);
        lap(alone, &mut newest).await?;
        lap(shared, &mut newest).await?;
        for _ in 0..rounds {
            one.push(lap(alone, &mut newest).await?);
            two.push(lap(shared, &mut newest).await?);
        }
        Outcome::Ok(())
    })?;
    let (one, two) = (median(&one), median(&two));
    let words = |micros: f64| format!("{} us", number(micros));
    let title = format!("a refresh in the store, {CALLERS} at once, from two nodes beside one");
    Ok(Figure::ratio(&title, words(two), words(one), two / one, Target::AtMost(1.1)))
}

/// Microseconds that a refresh takes, half of the families at each of the two.
#[expect(clippy::cast_precision_loss, reason = "eight callers")]
async fn lap(stores: [&Arc<dyn Store>; 2], newest: &mut [Opaque]) -> Outcome<f64> {
    let callers = newest.len() as f64;
    let (left, right) = newest.split_at_mut(newest.len() / 2);
    let (left, right) = tokio::join!(group_commit::rate(stores[0], left), group_commit::rate(stores[1], right));
    Ok(callers * 1e6 / (left? + right?))
}
