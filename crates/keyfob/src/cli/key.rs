//! `keyfob key …`: API keys, with or without a running server, at once.

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::{Common, say};
use crate::config;
use crate::control::{ApiKeyView, Intention, Outcome, ShownOnce, carry_out};

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Make an API key for a script of a user; it is shown once
    Create(Create),
    /// List the live API keys of a user, newest first
    List {
        /// A username or user id
        user: String,
    },
    /// Revoke an API key by its id; it is refused from then on
    Revoke {
        /// The id that `list` shows; never the key itself
        id: String,
    },
    /// Accept API keys again that a restore suspended
    #[command(group = clap::ArgGroup::new("which").required(true))]
    Resume {
        /// The ids that `list` shows
        #[arg(group = "which", value_name = "ID")]
        ids: Vec<String>,
        /// All that are suspended
        #[arg(long, group = "which")]
        all: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// A username or user id
    user: String,
    /// What to call it, such as the script that uses it
    name: String,
    /// A scope it is good for; may be given more than once. Default: all that the user has now
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// How long it lives, such as `30d`. Default, and most: the setting `api-key-life`
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    expires_in: Option<u64>,
}

fn seconds(text: &str) -> Result<u64, &'static str> {
    let length = config::duration(text).ok_or("give a length of time such as `12h` or `30d`")?;
    Ok(length.as_secs())
}

impl Key {
    pub(super) async fn run(self, common: &Common) -> Result<(), Failure> {
        let (intention, revoked) = match self {
            Self::Create(Create { user, name, scopes, expires_in: life }) => {
                let scope = (!scopes.is_empty()).then(|| scopes.join(" "));
                (Intention::KeyCreate { user, name, scope, life }, String::new())
            }
            Self::List { user } => (Intention::KeyList { user }, String::new()),
            // Which is empty with `--all`: they exclude each other.
            Self::Resume { ids, .. } => (Intention::KeyResume { ids }, String::new()),
            Self::Revoke { id } => {
                let said = format!("API key {id} is revoked");
                (Intention::KeyRevoke { id }, said)
            }
        };
        match carry_out(&common.settings(Vec::new())?, intention).await? {
            Outcome::ApiKey { key, secret } => show(common, &key, &secret),
            Outcome::ApiKeys(keys) => list(common, &keys),
            Outcome::Resumed(ids) => say::resumed(common.json, "API keys", &ids),
            Outcome::Ended(changed) => {
                say::note(&format!("{revoked}{}", if changed { "" } else { " (it was so already)" }));
                if common.json { say::json(&serde_json::json!({ "revoked": changed })) } else { Ok(()) }
            }
            _ => Err(Failure::unexpected()),
        }
    }
}

fn show(common: &Common, key: &ApiKeyView, secret: &ShownOnce) -> Result<(), Failure> {
    say::note("keep the key: it is shown this once");
    if common.json {
        let mut document = serde_json::to_value(key).map_err(|_| Failure::unexpected())?;
        if let Some(members) = document.as_object_mut() {
            members.insert("key".to_owned(), secret.expose().into());
        }
        return say::json(&document);
    }
    say::data(&say::fields(&[
        ("name", &key.name),
        ("id", &key.id),
        ("scopes", &key.scope),
        ("created", &key.created_at),
        ("expires", &key.expires_at),
        ("key", secret.expose()),
    ]))
}

fn list(common: &Common, keys: &[ApiKeyView]) -> Result<(), Failure> {
    if common.json {
        return say::json(&keys);
    }
    say::data(&table(keys))
}

/// The keys as a table, for people.
pub(super) fn table(keys: &[ApiKeyView]) -> String {
    let row = |key: &ApiKeyView| {
        let ApiKeyView { id, name, scope, expires_at, last_used_at, suspended, .. } = key.clone();
        let used = last_used_at.unwrap_or_else(|| "never".to_owned());
        [name, id, scope, if suspended { "suspended".to_owned() } else { expires_at }, used]
    };
    say::table(["name", "id", "scopes", "expires", "last used"], &keys.iter().map(row).collect::<Vec<_>>())
}
