//! `keyfob session …`.

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::{Common, say};
use crate::control::{Intention, Outcome, SessionChoice, SessionView, carry_out};

#[derive(Debug, Subcommand)]
pub(super) enum Session {
    /// List the live sessions of a user, newest first
    List {
        /// A username or user id
        user: String,
    },
    /// End one session, or all of a user; its tokens are refused from then on
    End(End),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct End {
    /// A session id
    id: Option<String>,
    /// End all sessions of this username or user id
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

impl Session {
    pub(super) async fn run(self, common: &Common) -> Result<(), Failure> {
        let (intention, whose) = match self {
            Self::List { user } => (Intention::SessionList { user }, String::new()),
            Self::End(End { id: Some(id), .. }) => {
                let said = format!("session {id} has ended");
                (Intention::SessionEnd { which: SessionChoice::Id(id) }, said)
            }
            Self::End(End { user, .. }) => {
                let user = user.unwrap_or_default();
                let said = format!("all sessions of {user} have ended");
                (Intention::SessionEnd { which: SessionChoice::AllOf(user) }, said)
            }
        };
        match carry_out(&common.settings(Vec::new())?, intention).await? {
            Outcome::Sessions(sessions) => list(common, &sessions),
            Outcome::Ended(changed) => {
                say::note(&format!("{whose}{}", if changed { "" } else { " (nothing was left to end)" }));
                if common.json { say::json(&serde_json::json!({ "ended": changed })) } else { Ok(()) }
            }
            _ => Err(Failure::unexpected()),
        }
    }
}

fn list(common: &Common, sessions: &[SessionView]) -> Result<(), Failure> {
    if common.json {
        return say::json(&sessions);
    }
    let row = |session: &SessionView| {
        let SessionView { id, created_at, expires_at, address, client_name, .. } = session.clone();
        [id, created_at, expires_at, address, client_name]
    };
    let rows: Vec<_> = sessions.iter().map(row).collect();
    say::data(&say::table(["session", "signed in", "expires", "from", "client"], &rows))
}
