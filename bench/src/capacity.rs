//! What rows weigh on disk, in SQLite and in PostgreSQL: users, sessions, refresh tokens, audit rows and changes, each with its
//! indexes. Written by the store as a server would, then measured. The constants of `docs/scale.md`.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use keyfob::clock;
use keyfob::config::Settings;
use keyfob_core::opaque::Opaque;
use keyfob_store::{Audit, Store};
use rusqlite::Connection;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::cluster::Cluster;
use crate::figure::{Figure, Target};
use crate::group_commit;
use crate::house::House;
use crate::postgres::on;

/// Users, each with one session; how often each session is refreshed, and how many of them end.
const USERS: usize = 4_000;
const REFRESHES: usize = 2;
const ENDED: usize = 2_000;
/// Writes under way at once.
const PARALLEL: usize = 16;

const TABLES: [(&str, &str); 5] = [
    ("users", "user"),
    ("sessions", "session"),
    ("refresh_tokens", "refresh token"),
    ("audit", "audit row"),
    ("changes", "change, in the feed"),
];

/// Pages of a table and of its indexes.
const ON_SQLITE: &str = "SELECT sum(pgsize) FROM dbstat JOIN sqlite_schema USING (name) WHERE tbl_name = ?1";

/// Measure both.
///
/// # Errors
/// Those of the stores.
pub fn run(folder: &Path) -> Outcome<Vec<Figure>> {
    let cluster = Cluster::start(&[]);
    cluster.create("capacity");
    let url = cluster.url("capacity");
    let data = folder.join("capacity");
    let runtime = tokio::runtime::Runtime::new()?;
    let own = runtime.block_on(fill(&Settings { data: data.clone(), ..Settings::default() }))?;
    let shared = runtime.block_on(fill(&on(&url, &folder.join("capacity-node"))))?;
    drop(runtime);
    let db = Connection::open(data.join("keyfob.db"))?;
    let raised = |engine: &str, rate: f64| {
        let title = format!("changes that raise the revision, a second, {PARALLEL} callers at one node, {engine}");
        Figure::absolute(&title, rate, "/s", Target::None)
    };
    let mut figures = vec![raised("SQLite", own), raised("PostgreSQL", shared)];
    for (table, words) in TABLES {
        let rows: f64 = db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        let bytes: f64 = db.query_row(ON_SQLITE, [table], |row| row.get(0))?;
        figures.push(figure(words, "SQLite", bytes, rows));
        let sizes = ask(&url, &format!("SELECT pg_total_relation_size('{table}'), count(*) FROM {table}"))?;
        let [bytes, rows] = sizes[..] else { return Err("psql answered something else".into()) };
        figures.push(figure(words, "PostgreSQL", bytes, rows));
    }
    Ok(figures)
}

fn figure(words: &str, engine: &str, bytes: f64, rows: f64) -> Figure {
    let title = format!("bytes on disk of a {words}, {engine}");
    Figure::absolute(&title, bytes / rows, "bytes", Target::None).with(&format!("indexes included; {rows} rows"))
}

/// The numbers of the one row that it answers.
fn ask(url: &str, sql: &str) -> Outcome<Vec<f64>> {
    let mut psql = Command::new("psql");
    psql.args(["--no-psqlrc", "--tuples-only", "--no-align", "--field-separator= ", "--command", sql, url]);
    let output = psql.current_dir("/").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

/// Fill a store; how many sessions a second ended.
#[expect(clippy::cast_precision_loss, reason = "two thousand")]
async fn fill(settings: &Settings) -> Outcome<f64> {
    let house = House::build_with(settings, USERS).await?;
    let store = &house.open.store;
    let started = house.started(USERS).await?;
    let (claims, mut tokens): (Vec<_>, Vec<_>) = started.into_iter().unzip();
    for _ in 0..REFRESHES {
        tokens = refreshed(store, tokens).await?;
    }
    let begun = clock::instant();
    let mut writes = JoinSet::new();
    for claims in claims.into_iter().take(ENDED) {
        let store = Arc::clone(store);
        writes.spawn(async move {
            let id = claims.session;
            let by = Audit {
                at: clock::now(),
                event: "session.ended",
                actor: claims.subject.to_string(),
                subject: id.to_string(),
                detail: String::new(),
            };
            store.end_session(id, None, &by).await.map(drop)
        });
        while writes.len() >= PARALLEL {
            writes.join_next().await.transpose()?.transpose()?;
        }
    }
    while let Some(done) = writes.join_next().await {
        done??;
    }
    Ok(ENDED as f64 / begun.elapsed().as_secs_f64())
}

/// Use each token once; their successors.
async fn refreshed(store: &Arc<dyn Store>, tokens: Vec<Opaque>) -> Outcome<Vec<Opaque>> {
    let (mut uses, mut newest) = (JoinSet::new(), Vec::with_capacity(tokens.len()));
    for token in tokens {
        let store = Arc::clone(store);
        uses.spawn(async move { group_commit::once(&*store, &token).await });
        while uses.len() >= PARALLEL {
            newest.extend(uses.join_next().await.transpose()?.transpose()?);
        }
    }
    while let Some(done) = uses.join_next().await {
        newest.push(done??);
    }
    Ok(newest)
}
