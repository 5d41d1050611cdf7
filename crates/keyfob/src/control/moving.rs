//! Moving the store (see `keyfob_store::moving`): this finds both sides and the root key, and sees that nobody answers from the
//! old store any more before the new one is opened. A server of the data directory goes on serving while its store is copied,
//! and is told to close by the control socket; nodes that share a database see the mark in it, or their leases run out. A server
//! that does not answer is waited for, and never taken for gone while it holds its lock.

use std::path::Path;
use std::time::Duration;

use keyfob_core::lease::Terms;
use keyfob_store::moving::{Begun, MovedTable, Plan, ToPostgres, ToSqlite, Told};
use keyfob_store::root_key::RootKey;
use keyfob_store::{Audit, StoreError};

use super::hold::{Hold, Taken, owned};
use super::listener::actor;
use super::outcome::{MovedTableView, MovedView};
use super::{Intention, Outcome, Problem, client, root_key_file};
use crate::clock;
use crate::config::{Database, Settings};
use crate::following;

/// How long a server is waited for that is told to close, starts or stops.
const PATIENCE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(20);

const AGAIN: &str = "run the same `keyfob move` again; until then there is no store that can be served";

/// Move the store of the data directory into the database that `settings` name.
///
/// # Errors
/// [`Problem`]. The store is as it was, or marked as moved: then the same move finishes.
pub async fn to_postgres(settings: &Settings, told: Told<'_>) -> Result<MovedView, Problem> {
    let (dir, database) = (&settings.data, target(settings)?);
    let path = dir.join("keyfob.db");
    if !path.exists() {
        return Err(Problem::refused(format!("there is no SQLite store in {}", dir.display()))
            .hint("name its data directory with `--data`"));
    }
    let _moves = Hold::of_moves(dir)?;
    let began = clock::boot();
    let mut hold = served_by(dir).await?;
    let root_key = root_key_of(dir)?;
    let (url, by, from) = (direct(database)?, by(&database.url), place_of(dir)?);
    let high_water = root_key_file(dir).mark(dir);
    let plan =
        Plan { id: clock::random(), to: database.url.clone(), from: from.clone(), high_water: &high_water, by: &by };
    let begun = ToPostgres::begin((&path, hold.is_some()), url.expose(), &root_key, plan).await;
    let (mut moving, begun) = begun.map_err(|error| refusal(&error))?;
    let (mut tables, mut held) = (Vec::new(), Duration::ZERO);
    if begun == Begun::Fresh {
        moving.copy(told).await.map_err(|error| refusal(&error))?;
        let since = clock::boot();
        tables = moving.hand_over().await.map_err(|error| refusal(&error))?;
        held = clock::boot().since(since).unwrap_or_default();
    }
    if begun != Begun::Done {
        close(dir, &mut hold).await?;
        // Those who followed the server that closed may go by what it told them for as long.
        if following::left_behind(dir, Terms::DEFAULT).is_some() {
            tokio::time::sleep(Terms::DEFAULT.wait()).await;
            following::outlived(dir);
        }
        moving.complete().await.map_err(|error| unfinished(&error))?;
    }
    let took = clock::boot().since(began).unwrap_or_default();
    Ok(view((from, database.url.clone()), begun, tables, (held, took)))
}

/// Move the store of the database that `settings` name into the data directory.
///
/// # Errors
/// [`Problem`]. The store is as it was, or marked as moved: then the same move finishes.
pub async fn to_sqlite(settings: &Settings, told: Told<'_>) -> Result<MovedView, Problem> {
    let (dir, database) = (&settings.data, target(settings)?);
    let path = dir.join("keyfob.db");
    let root_key = root_key_of(dir)?;
    let _moves = Hold::of_moves(dir)?;
    let began = clock::boot();
    // Nobody begins another store in it meanwhile. If a server has it, that is a node of the database, which ends with the mark.
    let free = match Hold::attempt(dir)? {
        Taken::Ours(hold) => Some(hold),
        Taken::Theirs(_) => None,
    };
    let (url, to) = (direct(database)?, place_of(dir)?);
    let by = by(&to);
    let high_water = root_key_file(dir).mark(dir);
    let plan =
        Plan { id: clock::random(), to: to.clone(), from: database.url.clone(), high_water: &high_water, by: &by };
    let begun = ToSqlite::begin(url.expose(), &path, &root_key, plan).await;
    let (moving, begun) = begun.map_err(|error| refusal(&error))?;
    let (mut tables, mut held) = (Vec::new(), Duration::ZERO);
    if begun == Begun::Fresh {
        let since = clock::boot();
        tables = moving.hand_over(told).await.map_err(|error| refusal(&error))?;
        held = clock::boot().since(since).unwrap_or_default();
    }
    if begun != Begun::Done {
        wait_for_leases(&moving).await;
        let _hold = match free {
            Some(hold) => hold,
            None => take(dir).await?,
        };
        let date = clock::rfc3339(by.at).replace(['-', ':'], "");
        moving.complete(&root_key, &high_water, &date).map_err(|error| unfinished(&error))?;
    }
    let took = clock::boot().since(began).unwrap_or_default();
    Ok(view((database.url.clone(), to), begun, tables, (held, took)))
}

fn target(settings: &Settings) -> Result<&Database, Problem> {
    settings.database.as_ref().ok_or_else(|| {
        Problem::refused("no PostgreSQL database is named")
            .hint("give its URL as `--to postgres://…`, or set `database` in the configuration; see docs/move.md")
    })
}

/// The database past a pooler: a move needs a connection of its own.
fn direct(database: &Database) -> Result<keyfob_core::secret::Secret, Problem> {
    let (url, direct) = database.urls().map_err(|text| Problem::refused(text).hint("see docs/postgresql.md"))?;
    Ok(direct.unwrap_or(url))
}

fn place_of(dir: &Path) -> Result<String, Problem> {
    let place = std::path::absolute(dir);
    Ok(place.map_err(|cause| Problem::refused(format!("cannot use {}: {cause}", dir.display())))?.display().to_string())
}

fn by(to: &str) -> Audit {
    let (event, actor) = ("store.moved", actor(rustix::process::geteuid().as_raw()));
    Audit { at: clock::now(), event, actor, subject: to.to_owned(), detail: String::new() }
}

/// The root key that is there; none is made.
fn root_key_of(dir: &Path) -> Result<RootKey, Problem> {
    let place = root_key_file(dir);
    if !place.path().exists() {
        return Err(Problem::refused(format!("there is no root key {}", place.path().display()))
            .hint("the store moves under its own root key: bring it here with `keyfob root-key import`"));
    }
    place.load(dir)
}

/// Ownership of a directory that nobody serves; `None` if a server of its SQLite store answers.
async fn served_by(dir: &Path) -> Result<Option<Hold>, Problem> {
    let mut left = PATIENCE;
    loop {
        if let Some(stream) = client::connect(dir).await {
            return match client::send(stream, Intention::StandDown).await? {
                Outcome::StoodDown { shared: false, .. } => Ok(None),
                _ => Err(Problem::refused(format!("the keyfob that runs on {} serves another store", dir.display()))
                    .hint("stop it first: it is on PostgreSQL already")),
            };
        }
        match Hold::attempt(dir)? {
            Taken::Ours(hold) => return Ok(Some(hold)),
            Taken::Theirs(holder) if left.is_zero() => return Err(owned(dir, holder)),
            Taken::Theirs(_) => {
                tokio::time::sleep(STEP).await;
                left = left.saturating_sub(STEP);
            }
        }
    }
}

/// See that nobody answers from the marked store any more: the server has closed, or there is none.
async fn close(dir: &Path, hold: &mut Option<Hold>) -> Result<(), Problem> {
    let mut left = PATIENCE;
    while hold.is_none() {
        if let Some(stream) = client::connect(dir).await
            && let Ok(Outcome::StoodDown { moved: true, .. }) = client::send(stream, Intention::StandDown).await
        {
            return Ok(());
        }
        match Hold::attempt(dir)? {
            Taken::Ours(ours) => *hold = Some(ours),
            Taken::Theirs(holder) if left.is_zero() => {
                let who = holder.map_or_else(String::new, |id| format!(" (process {id})"));
                return Err(Problem::could_not_tell(format!(
                    "the store is marked as moved, but the keyfob that serves it{who} does not say that it has closed"
                ))
                .hint(format!("stop that one, then {AGAIN}")));
            }
            Taken::Theirs(_) => {
                tokio::time::sleep(STEP).await;
                left = left.saturating_sub(STEP);
            }
        }
    }
    Ok(())
}

/// Wait until no node can hold a lease from before the mark: all have left, or that long has passed.
async fn wait_for_leases(moving: &ToSqlite) {
    let marked = clock::boot();
    while clock::boot().since(marked).unwrap_or_default() < Terms::DEFAULT.wait() {
        match moving.all_left().await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the nodes' rows cannot be read"),
        }
        tokio::time::sleep(STEP).await;
    }
}

/// Own the directory, as soon as whoever has it lets go.
async fn take(dir: &Path) -> Result<Hold, Problem> {
    let mut left = PATIENCE;
    loop {
        match Hold::attempt(dir)? {
            Taken::Ours(hold) => return Ok(hold),
            Taken::Theirs(holder) if left.is_zero() => {
                return Err(Problem { hint: Some(format!("stop that one, then {AGAIN}")), ..owned(dir, holder) });
            }
            Taken::Theirs(_) => {
                tokio::time::sleep(STEP).await;
                left = left.saturating_sub(STEP);
            }
        }
    }
}

fn view(
    (from, to): (String, String),
    begun: Begun,
    tables: Vec<MovedTable>,
    (held, took): (Duration, Duration),
) -> MovedView {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let table =
        |moved: MovedTable| MovedTableView { name: moved.name.to_owned(), rows: moved.rows, digest: moved.digest };
    let finished = begun == Begun::Marked;
    MovedView {
        from,
        to,
        already: begun == Begun::Done,
        finished,
        tables: tables.into_iter().map(table).collect(),
        held_ms: millis(held),
        took_ms: millis(took),
    }
}

fn refusal(error: &StoreError) -> Problem {
    let hint = match error {
        StoreError::Move(_) => {
            "nothing was changed; a store moves into a database, or a directory, of its own; see docs/move.md"
        }
        StoreError::Moved(place) if place.starts_with("postgres") => {
            "it is served from there, and nothing was changed; if that database is lost, `keyfob restore --accept-rollback` \
            goes on with what was left here, as a new life"
        }
        StoreError::Moved(_) => {
            "it is served from there, and nothing was changed; if that directory is lost, `keyfob restore` puts a backup in \
            place, as a new life"
        }
        StoreError::WrongRootKey => "both sides have one root key: bring it here with `keyfob root-key import`",
        StoreError::Schema(_) => "give keyfob a database of its own, and use one version of keyfob on both sides",
        _ => "run the same `keyfob move` again: it begins anew, or finishes",
    };
    Problem::refused(error.to_string()).hint(hint)
}

fn unfinished(error: &StoreError) -> Problem {
    Problem::could_not_tell(format!("the store is marked as moved, but the last step failed: {error}")).hint(AGAIN)
}
