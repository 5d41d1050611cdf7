//! Restoring (DESIGN §6): only where no process owns the data directory, and only under the root key that the backup was made
//! with. A database that nodes share is accepted whether they run or not. All the work is the store's; this finds its place,
//! its key and its date.

use std::path::Path;

use keyfob_core::lease::Terms;
use keyfob_store::{Audit, Restored, StoreError, postgres, sqlite};

use super::apply::hex;
use super::hold::Taken;
use super::listener::actor;
use super::store::{explain, explain_shared};
use super::{Hold, Problem, RestoredView, TableView, root_key_file};
use crate::clock;
use crate::config::Database;
use crate::following;

/// Begin a new life of the store in `dir`: from a backup, or, without one, from the database that is there although the
/// high-water mark says that it is not the one that was served last.
///
/// # Errors
/// [`Problem`]; the store is then as it was.
pub fn restore(dir: &Path, backup: Option<&Path>) -> Result<RestoredView, Problem> {
    let place = root_key_file(dir);
    if !place.path().exists() {
        return Err(Problem::refused(format!("there is no root key {}", place.path().display())).hint(
            "a backup opens only under the root key it was made with: bring that back first with `keyfob root-key import`",
        ));
    }
    let database = dir.join("keyfob.db");
    if backup.is_none() && !database.exists() {
        return Err(Problem::refused(format!("there is no keyfob in {}", dir.display()))
            .hint("name its data directory with `--data`"));
    }
    let hold = Hold::take(dir)?;
    // A move that began beside a server may go on without it: it must not mark what is put in place here.
    let _moves = Hold::of_moves(dir)?;
    let root_key = place.load(hold.dir())?;
    let now = clock::now();
    let by = Audit { at: now, ..by(backup) };
    let date = clock::rfc3339(now).replace(['-', ':'], "");
    let mark = place.mark(dir);
    let incarnation = clock::random();
    let life = sqlite::NewLife { root_key: &root_key, incarnation, mark: &mark, date: &date, by: &by };
    let restored = match backup {
        Some(file) => sqlite::restore(file, &database, &life),
        None => sqlite::accept_rollback(&database, &life),
    };
    let restored = restored.map(view).map_err(|error| refusal(&database, error))?;
    if following::left_behind(dir, Terms::DEFAULT).is_some() {
        // Followers of the server that was here may go by what it told them for as long.
        std::thread::sleep(Terms::DEFAULT.wait());
        following::outlived(dir);
    }
    Ok(restored)
}

/// Begin a new life of the database that nodes share, although this node's mark, or a node that is running, says that it is
/// not the one that was served last. Returns when no lease from before is left.
///
/// # Errors
/// [`Problem`]; the database is then as it was.
pub async fn accept_shared(dir: &Path, database: &Database) -> Result<RestoredView, Problem> {
    let place = root_key_file(dir);
    if !place.path().exists() {
        return Err(Problem::refused(format!("there is no root key {}", place.path().display()))
            .hint("run this on a node of the installation"));
    }
    let root_key = place.load(dir)?;
    // A server that runs keeps its mark by itself.
    let taken = Hold::attempt(dir)?;
    let (url, direct) = database.urls().map_err(|text| Problem::refused(text).hint("see docs/postgresql.md"))?;
    let acceptance = postgres::Acceptance {
        root_key: &root_key,
        incarnation: clock::random(),
        mark: &place.mark(dir),
        write_mark: matches!(taken, Taken::Ours(_)),
        by: &by(None),
    };
    let url = direct.as_ref().unwrap_or(&url);
    let restored =
        postgres::accept_rollback(url.expose(), &acceptance).await.map_err(|error| explain_shared(&error))?;
    tokio::time::sleep(Terms::DEFAULT.wait()).await;
    Ok(view(restored))
}

/// The audit row.
fn by(backup: Option<&Path>) -> Audit {
    Audit {
        at: clock::now(),
        event: "store.restored",
        actor: actor(rustix::process::geteuid().as_raw()),
        subject: backup.map_or_else(|| "an accepted rollback".to_owned(), |file| file.display().to_string()),
        detail: String::new(),
    }
}

fn view(restored: Restored) -> RestoredView {
    RestoredView {
        incarnation: hex(restored.incarnation),
        from: restored.from.0,
        revision: restored.revision.0,
        sessions_ended: restored.sessions_ended,
        keys_suspended: restored.keys_suspended,
        clients_suspended: restored.clients_suspended,
        kept: restored.kept,
        tables: restored.tables.into_iter().map(|(name, rows)| TableView { name, rows }).collect(),
    }
}

fn refusal(database: &Path, error: StoreError) -> Problem {
    match error {
        StoreError::Backup(why) => {
            Problem::refused(why).hint("nothing was changed; restore what `keyfob backup` wrote")
        }
        StoreError::WrongRootKey => Problem::refused("the backup was made with another root key")
            .hint("nothing was changed; move root.key away and bring the right one back with `keyfob root-key import`"),
        other => explain(database, &other),
    }
}
