//! `keyfob backup`: a verified copy of the database in a new file (DESIGN §6). The root key is not in it, and it says so.

use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::{Common, say};
use crate::control::{BackupView, Intention, Outcome, TableView, carry_out};

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to write; it must not be there yet
    file: PathBuf,
}

impl Backup {
    pub(super) async fn run(self, common: &Common) -> Result<(), Failure> {
        let unusable = |cause| Failure::failed(format!("cannot use the name {}: {cause}", self.file.display()));
        // The process that writes it may have another working directory.
        let file = std::path::absolute(&self.file).map_err(unusable)?;
        let settings = common.settings(Vec::new())?;
        let Outcome::Backup(made) = carry_out(&settings, Intention::Backup { file }).await? else {
            return Err(Failure::unexpected());
        };
        if common.json {
            say::json(&made)?;
        } else {
            let row = |table: &TableView| [table.name.clone(), table.rows.to_string()];
            say::data(&say::table(["table", "rows"], &made.tables.iter().map(row).collect::<Vec<_>>()))?;
        }
        say::note(&told(&made, &self.file));
        Ok(())
    }
}

fn told(made: &BackupView, file: &Path) -> String {
    let BackupView { bytes, revision, .. } = made;
    format!(
        "{} is written and verified: {bytes} bytes, at revision {revision}\n\
         the root key is not in it, and without that it cannot be restored: export it once with \
         `keyfob root-key export` and keep it somewhere else",
        file.display()
    )
}
