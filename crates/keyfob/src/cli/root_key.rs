//! `keyfob root-key …`: the key that is kept outside the database, for safe keeping and for moving house.

use std::io::{self, IsTerminal as _};

use clap::Subcommand;
use keyfob_store::root_key::RootKey as Key;

use super::failure::Failure;
use super::{Common, password, say};
use crate::config::Settings;
use crate::control::{Hold, RootKeyFile, open_for, root_key_file};

/// Bytes of a line with a root key: 57, and room for slips.
const LINE_BYTES_MAX: u64 = 256;

#[derive(Debug, Subcommand)]
pub(super) enum RootKey {
    /// Print the root key; whoever has it and the database can sign tokens
    Export,
    /// Read a root key from standard input and keep it in the data directory
    Import,
}

impl RootKey {
    pub(super) async fn run(self, common: &Common) -> Result<(), Failure> {
        let settings = common.settings(Vec::new())?;
        let dir = settings.data.as_path();
        let place = root_key_file(dir);
        match self {
            Self::Export => {
                if !place.path().exists() {
                    return Err(Failure::failed(format!("there is no root key {}", place.path().display()))
                        .hint("the first `keyfob serve` or `keyfob user add` makes one"));
                }
                if io::stdout().is_terminal() {
                    say::warning("this is a secret: keep it where the database is not");
                }
                let text = place.load(dir)?.to_text();
                if common.json {
                    return say::json(&serde_json::json!({ "root_key": text.expose() }));
                }
                say::data(&format!("{}\n", text.expose()))
            }
            Self::Import => import(&settings, &place).await,
        }
    }
}

async fn import(settings: &Settings, place: &RootKeyFile) -> Result<(), Failure> {
    if let RootKeyFile::Credential(path) = place {
        return Err(Failure::failed(format!("the root key is the credential {}", path.display()))
            .hint("change it where the service manager takes it from"));
    }
    let text = password::secret_line("root key", LINE_BYTES_MAX)?;
    let key = Key::from_text(text.expose()).map_err(|error| Failure::failed(error.to_string()))?;
    let hold = Hold::take(&settings.data)?;
    if place.path().exists() {
        return Err(Failure::failed(format!("there is a root key {} already", place.path().display()))
            .hint("move it away first if it is the wrong one; never delete it before the new one works"));
    }
    key.save_new(place.path()).map_err(|error| Failure::failed(error.to_string()))?;
    if (settings.database.is_some() || settings.data.join("keyfob.db").exists())
        && let Err(problem) = open_for(settings, hold).await
    {
        // Put back what was: a wrong key beside the database would only hide that the right one is missing.
        let _ = std::fs::remove_file(place.path());
        return Err(problem.into());
    }
    say::note(&format!("the root key is kept in {}", place.path().display()));
    Ok(())
}
