//! `keyfob signing-key …`: never shows a private half.

use clap::Subcommand;

use super::failure::Failure;
use super::{Common, say};
use crate::control::{Intention, KeyView, Outcome, carry_out};

#[derive(Debug, Subcommand)]
pub(super) enum SigningKey {
    /// List the signing keys: next, active, old, retired
    List,
    /// Let the next key sign from now on; what the key before signed stays valid
    Rotate {
        /// Although the next key was not published for long enough
        #[arg(long)]
        now: bool,
    },
    /// Emergency: refuse a key and everything it signed, at once
    Retire {
        /// The id of the key
        // An id may begin with a hyphen.
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
}

impl SigningKey {
    pub(super) async fn run(self, common: &Common) -> Result<(), Failure> {
        let (intention, done, nothing) = match self {
            Self::List => (Intention::SigningKeyList, String::new(), String::new()),
            Self::Rotate { now } => (
                Intention::SigningKeyRotate { early: now },
                "the next key signs from now on; what the old one signed stays valid".to_owned(),
                "nothing was left to do".to_owned(),
            ),
            Self::Retire { kid } => {
                let done = format!("{kid} and everything it signed is refused");
                (Intention::SigningKeyRetire { kid }, done.clone(), format!("{done} (it was already)"))
            }
        };
        match carry_out(&common.settings(Vec::new())?, intention).await? {
            Outcome::SigningKeys(keys) => {
                if keys.is_empty() {
                    say::note("there is no signing key yet: the first `keyfob serve` makes one");
                }
                list(common, &keys)
            }
            Outcome::KeysTurned { keys, changed, early } => {
                say::note(if changed { &done } else { &nothing });
                if early {
                    say::warning(
                        "the key that signs now was not published for long enough: those who verify tokens by a copy of \
                         the JWK Set may refuse new tokens until they fetch it again",
                    );
                }
                list(common, &keys)
            }
            _ => Err(Failure::unexpected()),
        }
    }
}

fn list(common: &Common, keys: &[KeyView]) -> Result<(), Failure> {
    if common.json {
        return say::json(&keys);
    }
    let row = |key: &KeyView| {
        let KeyView { kid, algorithm, state, since, dropped_at, .. } = key.clone();
        [kid, algorithm.name().to_owned(), state, since, dropped_at.unwrap_or_default()]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    say::data(&say::table(["key", "algorithm", "state", "since", "dropped"], &rows))
}
