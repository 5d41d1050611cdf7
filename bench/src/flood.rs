//! A flood of sign-ins at ten times what the hashing threads can do, while checks come open-loop at 40 % of the quiet
//! maximum. What is told: what it does to the checks, who was turned away, and the memory it took.

use std::path::Path;
use std::time::Duration;

use keyfob_core::signing_key::Algorithm;

use crate::Outcome;
use crate::figure::{Figure, Target, number};
use crate::house::{self, House, PASSWORD};
use crate::latencies::{self, Latencies};
use crate::load::{self, Heard, Load};
use crate::process::Server;
use crate::{wire, wrk};

/// Users that sign in, in turn.
const USERS: usize = 500;
/// Sessions whose tokens are checked.
const SESSIONS: usize = 2_000;
/// Share of the quiet maximum at which checks come.
const SHARE: f64 = 0.4;
/// How many times the hashing capacity sign-ins come at.
const TIMES: f64 = 10.0;
/// How long each phase lasts.
const LENGTH: Duration = Duration::from_secs(6);
/// Memory of one hashing thread, MiB.
const HASH_MIB: f64 = 19.0;

/// Measure in `rounds` rounds of quiet and flood.
///
/// # Errors
/// If a server does not start or a connection breaks.
pub fn run(folder: &Path, rounds: usize) -> Outcome<Vec<Figure>> {
    let data = folder.join("flood");
    let runtime = tokio::runtime::Runtime::new()?;
    let tokens = runtime.block_on(async {
        let house = House::build(&data, USERS, Algorithm::Es256).await?;
        let claims = house.sessions(SESSIONS).await?;
        claims.iter().map(|claims| house.token(claims)).collect::<Outcome<Vec<String>>>()
    })?;
    drop(runtime);
    let file = house::write_tokens(folder, "flood-tokens", &tokens)?;
    let (server, public, _) = Server::keyfob(&data, &[], &[])?;
    wrk::run(public, "/auth/check/forward", &file, 1)?;
    let most = wrk::run(public, "/auth/check/forward", &file, 3)?;
    let idle = server.resident_mib()?;

    let checks: Vec<Vec<u8>> = tokens.iter().map(|token| wire::check(token)).collect();
    let logins: Vec<Vec<u8>> = (0..USERS).map(|index| wire::login(&format!("user{index}"), PASSWORD)).collect();
    let checks = Load {
        address: public,
        requests: &checks,
        rate: most.requests / most.seconds * SHARE,
        length: LENGTH,
        connections: 32,
        pipelined: true,
        nap: Duration::ZERO,
    };
    let logins = Load {
        address: public,
        requests: &logins,
        rate: TIMES * capacity(public, &logins)?,
        length: LENGTH,
        connections: 256,
        pipelined: false,
        nap: Duration::from_millis(20),
    };
    let mut seen = Seen::default();
    for _ in 0..rounds {
        let [quiet] = load::run([&checks])?;
        seen.quiet.add(&quiet, checks.rate)?;
        let [checked, signed] = load::run([&checks, &logins])?;
        seen.flood.add(&checked, checks.rate)?;
        seen.count(&signed);
    }
    Ok(seen.figures(&checks, &logins, idle, server.resident_mib()?, server.peak_mib()?))
}

/// Sign-ins a second, one after the other.
fn capacity(address: std::net::SocketAddr, logins: &[Vec<u8>]) -> Outcome<f64> {
    let mut line = wire::Line::connect(address)?;
    let start = keyfob::clock::instant();
    let some = &logins[..20];
    for request in some {
        line.ask(request)?;
    }
    Ok(20.0 / start.elapsed().as_secs_f64())
}

#[derive(Default)]
struct Seen {
    quiet: Latencies,
    flood: Latencies,
    signed_in: usize,
    turned_away: usize,
    other: usize,
    missed: usize,
}

impl Seen {
    fn count(&mut self, heard: &Heard) {
        for (status, _) in &heard.answers {
            match status {
                200 => self.signed_in += 1,
                429 => self.turned_away += 1,
                _ => self.other += 1,
            }
        }
        self.missed += heard.missed;
    }

    #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 sign-ins")]
    fn figures(&self, checks: &Load<'_>, logins: &Load<'_>, idle: f64, after: f64, peak: f64) -> Vec<Figure> {
        let all = (self.signed_in + self.turned_away + self.other) as f64;
        let share = self.turned_away as f64 / all.max(1.0) * 100.0;
        let words = format!(
            "{} logins/s came, {} were let in, {} got 429, {} something else, {} had no connection",
            number(logins.rate),
            self.signed_in,
            self.turned_away,
            self.other,
            self.missed
        );
        // One hashing thread: the server has one core.
        let most = (idle + HASH_MIB) * 1.2;
        vec![
            latencies::figure(
                &format!("p99 of checks at {}/s in a login flood, beside quiet", number(checks.rate)),
                &self.flood,
                &self.quiet,
                Target::AtMost(2.0),
            ),
            Figure::absolute("logins of the flood that got 429", share, "%", Target::None).with(&words),
            Figure::absolute("memory after the login storm", after, "MiB", Target::AtMost(most))
                .with(&format!("before: {idle:.1}, peak: {peak:.1}; one hashing thread")),
        ]
    }
}
