//! A million live sessions in the store beside a thousand: checks a second with 1,000 tokens of sessions drawn from
//! each, and one read of a session, which is what a token seen for the first time costs the store.

use std::path::{Path, PathBuf};

use keyfob::{clock, control};
use keyfob_core::id::{SessionId, UserId};
use keyfob_core::signing_key::Algorithm;
use keyfob_store::Store;
use rusqlite::Connection;

use crate::Outcome;
use crate::figure::{Figure, Target, number};
use crate::house::{self, House};
use crate::process::Server;
use crate::statistics::median;
use crate::wrk;

/// Live sessions in the two stores.
const FEW: usize = 1_000;
const MANY: usize = 1_000_000;
/// Users they belong to, in both.
const USERS: usize = 1_000;
/// Sessions drawn from each, with a token each.
const TOKENS: usize = 1_000;
/// Seconds before a row is counted, and seconds it is.
const WARM_UP: u32 = 1;
const SECONDS: u32 = 3;

/// Half before now, half after: sessions that began one a millisecond, with a UUID of version 7 (RFC 9562 §5.7).
const SESSIONS: &str = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1) \
    INSERT INTO sessions (id, user, created_at, expires_at, client_name, address) \
    SELECT unhex(printf('%012x7%03x8%015x', ?2 / 1000 - i, abs(random() % 4096), abs(random() % (1 << 60)))), \
    people.id, ?2 - i * 1000, ?2 + 86400000000, 'bench', '127.0.0.0/24' \
    FROM n JOIN people ON people.rowid = n.i % (SELECT count(*) FROM people) + 1";
const PEOPLE: &str = "CREATE TEMP TABLE people AS SELECT id FROM users";
const REFRESH_TOKENS: &str = "INSERT INTO refresh_tokens (digest, session) SELECT randomblob(32), id FROM sessions";
const FIRST_TOKENS: &str = "UPDATE sessions SET first_token = token.number FROM refresh_tokens AS token \
    WHERE token.session = sessions.id";
const DRAW: &str = "SELECT id, user FROM sessions ORDER BY random() LIMIT ?1";

/// One of the two stores.
struct Population {
    data: PathBuf,
    drawn: Vec<SessionId>,
    tokens: PathBuf,
}

/// Measure in `rounds` rounds.
///
/// # Errors
/// If a store cannot be made, or a token of it is refused.
pub fn run(folder: &Path, rounds: usize) -> Outcome<Vec<Figure>> {
    let few = Population::make(folder, "few", FEW)?;
    let many = Population::make(folder, "many", MANY)?;
    Ok(vec![checks(&few, &many, rounds)?, reads(&few, &many)?])
}

impl Population {
    fn make(folder: &Path, name: &str, count: usize) -> Outcome<Self> {
        let data = folder.join(format!("sessions-{name}"));
        let runtime = tokio::runtime::Runtime::new()?;
        let House { open, profile, keys, users } = runtime.block_on(House::build(&data, USERS, Algorithm::Es256))?;
        drop(open);
        let drawn = fill(&data.join("keyfob.db"), count)?;
        let house = House { open: control::open_store(&data)?, profile, keys, users };
        let mut tokens = Vec::with_capacity(TOKENS);
        for (session, user) in &drawn {
            let user = house.users.iter().find(|known| known.id == *user).ok_or("a session of nobody")?;
            let mut claims = house.claims(user)?;
            claims.session = *session;
            tokens.push(house.token(&claims)?);
        }
        let tokens = house::write_tokens(folder, &format!("sessions-{name}-tokens"), &tokens)?;
        Ok(Self { data, drawn: drawn.into_iter().map(|(session, _)| session).collect(), tokens })
    }
}

/// Put `count` live sessions, each with its refresh token, into a store that nobody has open, and draw some.
fn fill(file: &Path, count: usize) -> Outcome<Vec<(SessionId, UserId)>> {
    let mut db = Connection::open(file)?;
    let transaction = db.transaction()?;
    transaction.execute(PEOPLE, [])?;
    transaction.execute(SESSIONS, (i64::try_from(count)?, clock::now().micros()))?;
    transaction.execute(REFRESH_TOKENS, [])?;
    transaction.execute(FIRST_TOKENS, [])?;
    transaction.commit()?;
    let mut draw = db.prepare(DRAW)?;
    let ids = draw.query_map([i64::try_from(TOKENS)?], |row| {
        Ok((SessionId::from_bytes(row.get(0)?), UserId::from_bytes(row.get(1)?)))
    })?;
    Ok(ids.collect::<Result<Vec<_>, _>>()?)
}

fn checks(few: &Population, many: &Population, rounds: usize) -> Outcome<Figure> {
    let servers = [few, many].map(|population| Server::keyfob(&population.data, &[], &[]).map(|up| (population, up)));
    let mut seen = [Vec::new(), Vec::new()];
    let mut cpu = [Vec::new(), Vec::new()];
    let [few, many] = servers;
    let servers = [few?, many?];
    for _ in 0..rounds {
        for (index, (population, (server, public, _))) in servers.iter().enumerate() {
            wrk::run(*public, "/auth/check/forward", &population.tokens, WARM_UP)?;
            let before = server.cpu_micros()?;
            let count = wrk::run(*public, "/auth/check/forward", &population.tokens, SECONDS)?;
            if count.refused > 0.0 {
                return Err("a valid token was refused".into());
            }
            seen[index].push(count.requests / count.seconds);
            cpu[index].push((server.cpu_micros()? - before) / count.requests);
        }
    }
    let [few, many] = seen.map(|rates| median(&rates));
    let [few_cpu, many_cpu] = cpu.map(|micros| median(&micros));
    let words = |rate: f64, cpu: f64| format!("{}/s, {cpu:.2} us CPU", number(rate));
    let title = "checks with 1,000 tokens, of 1,000,000 live sessions, beside of 1,000";
    Ok(Figure::ratio(title, words(many, many_cpu), words(few, few_cpu), many / few, Target::AtLeast(0.9)))
}

/// One read of a session each, in turn, median.
fn reads(few: &Population, many: &Population) -> Outcome<Figure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (small, large) = (control::open_store(&few.data)?, control::open_store(&many.data)?);
    let mut times = [Vec::new(), Vec::new()];
    for (a, b) in few.drawn.iter().zip(&many.drawn) {
        for ((store, id), times) in [(&small.store, a), (&large.store, b)].into_iter().zip(&mut times) {
            times.push(runtime.block_on(read(&**store, *id))?);
        }
    }
    let [few, many] = times.map(|micros| median(&micros));
    let words = |micros: f64| format!("{} us", number(micros));
    let title = "a session read from the store at first sight, of 1,000,000, beside of 1,000";
    Ok(Figure::ratio(title, words(many), words(few), many / few, Target::None))
}

async fn read(store: &dyn Store, id: SessionId) -> Outcome<f64> {
    let start = clock::instant();
    store.session(id).await?.ok_or("a session is missing")?;
    Ok(crate::figure::micros(start.elapsed()))
}
