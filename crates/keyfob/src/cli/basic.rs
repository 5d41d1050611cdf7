//! `keyfob basic …`: who still comes with HTTP Basic, and which routes still take it.

use std::time::Duration;

use clap::Subcommand;

use super::failure::Failure;
use super::{Common, say};
use crate::clock;
use crate::control::{BasicUserView, Intention, Outcome, carry_out};

#[derive(Debug, Subcommand)]
pub(super) enum Basic {
    /// Name those who still come with HTTP Basic, and when they last did
    Report,
}

impl Basic {
    pub(super) async fn run(self, common: &Common) -> Result<(), Failure> {
        match self {
            Self::Report => report(common).await,
        }
    }
}

async fn report(common: &Common) -> Result<(), Failure> {
    let settings = common.settings(Vec::new())?;
    let mut all: Vec<BasicUserView> = Vec::new();
    loop {
        let after = all.last().map(|user| user.username.clone());
        let Outcome::BasicUsers(page) = carry_out(&settings, Intention::BasicReport { after }).await? else {
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
    say::note(&summary(&all));
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let row = |user: &BasicUserView| {
        [user.username.clone(), text(&user.last_used_at), text(&user.network), text(&user.imported_hash)]
    };
    let heading = ["user", "last used Basic", "from", "imported hash"];
    say::data(&say::table(heading, &all.iter().map(row).collect::<Vec<_>>()))
}

/// How far away the end is.
fn summary(all: &[BasicUserView]) -> String {
    let week_ago = clock::rfc3339(clock::now() - Duration::from_hours(7 * 24));
    // RFC 3339 in UTC and whole seconds sorts as time does.
    let recent = all.iter().filter(|user| user.last_used_at.as_ref().is_some_and(|last| *last >= week_ago)).count();
    let used = all.iter().filter(|user| user.last_used_at.is_some()).count();
    let imported = all.iter().filter(|user| user.imported_hash.is_some()).count();
    format!(
        "{used} users came with HTTP Basic, {recent} in the last 7 days; {imported} have not signed in since the import"
    )
}
