//! `keyfob signing-key …`: never shows a private half.

use clap::Subcommand;
use keyfob_core::signing_key::Algorithm;

use super::failure::Failure;
use super::{Common, say};
use crate::control::{Intention, KeyView, Outcome, carry_out};

#[derive(Debug, Subcommand)]
pub(super) enum SigningKey {
    /// List the signing keys, newest first
    List,
}

impl SigningKey {
    pub(super) async fn run(self, common: &Common) -> Result<(), Failure> {
        let Self::List = self;
        let outcome = carry_out(&common.settings(Vec::new())?, Intention::SigningKeyList).await?;
        let Outcome::SigningKeys(keys) = outcome else { return Err(Failure::unexpected()) };
        if keys.is_empty() {
            say::note("there is no signing key yet: the first `keyfob serve` makes one");
        }
        if common.json {
            return say::json(&keys);
        }
        let row = |key: &KeyView| [key.kid.clone(), name(key.algorithm).to_owned(), key.created_at.clone()];
        say::data(&say::table(["key", "algorithm", "made"], &keys.iter().map(row).collect::<Vec<_>>()))
    }
}

fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Es256 => "ES256",
        Algorithm::EdDsa => "EdDSA",
        Algorithm::Rs256 => "RS256",
    }
}
