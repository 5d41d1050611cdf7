//! `keyfob client …`: service accounts and resource servers, with or without a running server, at once.

use clap::{Args, Subcommand};
use keyfob_core::client::ClientStatus;

use super::failure::Failure;
use super::{Common, say};
use crate::control::{ClientView, Intention, Outcome, carry_out};

#[derive(Debug, Subcommand)]
pub(super) enum Client {
    /// Register a client; its secret is shown once
    Add {
        /// What to call it
        name: String,
        #[command(flatten)]
        scopes: Scopes,
    },
    /// List all clients
    List,
    /// Change what a client may have for itself; its live tokens follow at once
    Scope {
        /// A client name or id
        client: String,
        #[command(flatten)]
        scopes: Scopes,
    },
    /// Give a client another secret, shown once; the old one and all its tokens are refused from then on
    RotateSecret {
        /// A client name or id
        client: String,
    },
    /// Suspend a client; its secret and all its tokens are refused from then on
    Suspend {
        /// A client name or id
        client: String,
    },
    /// Take the secrets of suspended clients again, such as after a restore
    #[command(group = clap::ArgGroup::new("which").required(true))]
    Resume {
        /// Client names or ids
        #[arg(group = "which", value_name = "CLIENT")]
        clients: Vec<String>,
        /// All that a restore suspended, and none that an operator did
        #[arg(long, group = "which")]
        all: bool,
    },
    /// Delete a client; a new one of the same name is another client
    Delete {
        /// A client name or id
        client: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Scopes {
    /// A scope it may have; may be given more than once
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
}

impl Client {
    pub(super) async fn run(self, common: &Common) -> Result<(), Failure> {
        let (intention, done) = match self {
            Self::List => return list(common).await,
            Self::Add { name, scopes } => (Intention::ClientAdd { name, scope: scopes.text() }, ""),
            Self::Scope { client, scopes } => {
                (Intention::ClientScope { client, scope: scopes.text() }, "has these scopes")
            }
            Self::RotateSecret { client } => (
                Intention::ClientRotateSecret { client },
                "has another secret; the old one and all its tokens are refused from now on",
            ),
            Self::Suspend { client } => (
                Intention::ClientStatus { client, status: ClientStatus::Suspended },
                "is suspended; its secret and all its tokens are refused",
            ),
            // One is shown as it is now; `--all` names none.
            Self::Resume { mut clients, .. } => match (clients.pop(), clients.is_empty()) {
                (Some(client), true) => (
                    Intention::ClientStatus { client, status: ClientStatus::Active },
                    "is active; its secret is taken again",
                ),
                (last, _) => {
                    clients.extend(last);
                    (Intention::ClientResume { clients }, "")
                }
            },
            Self::Delete { client } => (Intention::ClientDelete { client }, ""),
        };
        show(common, carry_out(&common.settings(Vec::new())?, intention).await?, done)
    }
}

impl Scopes {
    fn text(&self) -> String {
        self.scopes.join(" ")
    }
}

fn show(common: &Common, outcome: Outcome, done: &str) -> Result<(), Failure> {
    let (client, secret) = match outcome {
        Outcome::Client { client, changed, secret } => {
            if !done.is_empty() {
                say::note(&format!("{} {done}{}", client.name, if changed { "" } else { " (it was so already)" }));
            }
            (client, secret)
        }
        Outcome::ClientDeleted(client) => {
            say::note(&format!("{} is deleted; its secret and all its tokens are refused", client.name));
            (client, None)
        }
        Outcome::Resumed(names) => return say::resumed(common.json, "clients", &names),
        _ => return Err(Failure::unexpected()),
    };
    if secret.is_some() {
        say::note("keep the secret: it is shown this once");
    }
    if common.json {
        let mut document = serde_json::to_value(&client).map_err(|_| Failure::unexpected())?;
        if let (Some(secret), Some(members)) = (&secret, document.as_object_mut()) {
            members.insert("secret".to_owned(), secret.expose().into());
        }
        return say::json(&document);
    }
    let mut fields = vec![
        ("client", client.name.as_str()),
        ("id", &client.id),
        ("status", status(&client)),
        ("scopes", &client.scope),
        ("created", &client.created_at),
    ];
    fields.extend(secret.as_ref().map(|secret| ("secret", secret.expose())));
    say::data(&say::fields(&fields))
}

async fn list(common: &Common) -> Result<(), Failure> {
    let settings = common.settings(Vec::new())?;
    let mut all: Vec<ClientView> = Vec::new();
    loop {
        let after = all.last().map(|client| client.name.clone());
        let Outcome::Clients(page) = carry_out(&settings, Intention::ClientList { after }).await? else {
            return Err(Failure::unexpected());
        };
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    if common.json {
        return say::json(&all);
    }
    let row =
        |client: &ClientView| [client.name.clone(), status(client).to_owned(), client.id.clone(), client.scope.clone()];
    say::data(&say::table(["client", "status", "id", "scopes"], &all.iter().map(row).collect::<Vec<_>>()))
}

fn status(client: &ClientView) -> &'static str {
    match client.status {
        ClientStatus::Active => "active",
        ClientStatus::Suspended => "suspended",
    }
}
