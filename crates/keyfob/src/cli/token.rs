//! `keyfob token …`: reads a token, never prints it or its signature.

use clap::Subcommand;

use super::failure::Failure;
use super::{Common, password, say};
use crate::control::{Intention, Outcome, TokenView, carry_out};
use keyfob_core::secret::Secret;

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Show what a token says, whether it would be accepted now, and why not; exit code 1 if not
    Inspect {
        /// The token, or - to read it from standard input, where no other process sees it
        #[arg(default_value = "-", hide_default_value = true)]
        token: String,
    },
}

impl Token {
    pub(super) async fn run(self, common: &Common) -> Result<(), Failure> {
        let Self::Inspect { token } = self;
        let token = if token == "-" { password::token_line()? } else { Secret::new(token) };
        let outcome = carry_out(&common.settings(Vec::new())?, Intention::TokenInspect { token }).await?;
        let Outcome::Token(view) = outcome else { return Err(Failure::unexpected()) };
        if common.json {
            say::json(&view)?;
        } else {
            say::data(&text(&view))?;
        }
        if view.accepted { Ok(()) } else { Err(Failure::answered_no()) }
    }
}

fn text(view: &TokenView) -> String {
    let json = |part: &Option<serde_json::Value>| {
        part.as_ref()
            .map_or_else(|| "not readable".to_owned(), |value| format!("{value:#}").replace('\n', "\n          "))
    };
    let (header, claims) = (json(&view.header), json(&view.claims));
    let user = view.user.as_ref().map_or("unknown", |user| user.username.as_str());
    let accepted = if view.accepted { "yes" } else { "no" };
    let mut fields = vec![
        ("header", header.as_str()),
        ("claims", claims.as_str()),
        ("session", view.session.as_str()),
        ("user", user),
        ("accepted", accepted),
    ];
    fields.extend(view.reasons.iter().map(|reason| ("because", reason.as_str())));
    say::fields(&fields)
}
