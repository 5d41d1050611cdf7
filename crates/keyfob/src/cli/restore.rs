//! `keyfob restore`: a backup in place of the database, or a rollback accepted (DESIGN §6, guarantee G6). Never with a server
//! running on an SQLite store; says what it means for everybody who was signed in.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::{Common, say};
use crate::control::{self, RestoredView};

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Restore {
    /// What `keyfob backup` wrote
    file: Option<PathBuf>,
    /// Go on with a database that was put back by hand, although it lacks what was acknowledged since
    #[arg(long)]
    accept_rollback: bool,
}

impl Restore {
    pub(super) async fn run(self, common: &Common) -> Result<(), Failure> {
        let settings = common.settings(Vec::new())?;
        let restored = match (&settings.database, &self.file) {
            (None, file) => control::restore(&settings.data, file.as_deref())?,
            (Some(database), None) => control::accept_shared(&settings.data, database).await?,
            (Some(_), Some(_)) => {
                return Err(Failure::failed("this store is in PostgreSQL, which keyfob does not restore").hint(
                    "restore the database with PostgreSQL's own tools, then `keyfob restore --accept-rollback`; \
                    see docs/postgresql.md",
                ));
            }
        };
        if common.json {
            say::json(&restored)?;
        } else {
            let row = |table: &control::TableView| [table.name.clone(), table.rows.to_string()];
            say::data(&say::table(["table", "rows"], &restored.tables.iter().map(row).collect::<Vec<_>>()))?;
        }
        say::note(&told(&restored));
        Ok(())
    }
}

fn told(restored: &RestoredView) -> String {
    let RestoredView { from, sessions_ended, keys_suspended, clients_suspended, .. } = restored;
    let mut text = format!(
        "restored as it was at revision {from}: whoever was disabled, deleted or given fewer roles since then is back as before\n\
         a new life begins: every token from before is refused, {sessions_ended} sessions have ended, everybody signs in again"
    );
    if *keys_suspended > 0 {
        let _ = write!(
            text,
            "\n{keys_suspended} API keys are suspended: look at them with `keyfob key list USER`, because one that was revoked \
             since is not so any more, then accept them again with `keyfob key resume --all` or `keyfob key resume ID`"
        );
    }
    if *clients_suspended > 0 {
        let _ = write!(
            text,
            "\n{clients_suspended} clients are suspended: look at them with `keyfob client list`, then accept them again with \
             `keyfob client resume --all` or `keyfob client resume NAME`"
        );
    }
    if let Some(kept) = &restored.kept {
        let _ = write!(
            text,
            "\nthe database it replaced is kept as {}: delete it when you need it no more",
            kept.display()
        );
    }
    text
}
