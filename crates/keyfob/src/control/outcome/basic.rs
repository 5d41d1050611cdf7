//! Who is not done with HTTP Basic, as commands tell of it.

use keyfob_core::password::LegacyForm;
use keyfob_core::user::Status;
use keyfob_store::BasicUser;
use serde::{Deserialize, Serialize};

use crate::clock::rfc3339;

/// A user who came with HTTP Basic, or has not signed in since its hash was imported, for people and scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasicUserView {
    /// Its id.
    pub id: String,
    /// Its canonical name.
    pub username: String,
    /// `active` or `disabled`.
    pub status: Status,
    /// When it last came with HTTP Basic (RFC 3339), if it ever did.
    pub last_used_at: Option<String>,
    /// When it first did (RFC 3339).
    pub first_used_at: Option<String>,
    /// From which network it last did, coarse.
    pub network: Option<String>,
    /// What kind of imported hash is still there, because it has not signed in since.
    pub imported_hash: Option<String>,
}

impl From<&BasicUser> for BasicUserView {
    fn from(user: &BasicUser) -> Self {
        let uses = user.uses.as_ref();
        Self {
            id: user.id.to_string(),
            username: user.username.to_string(),
            status: user.status,
            last_used_at: uses.map(|uses| rfc3339(uses.last_at)),
            first_used_at: uses.map(|uses| rfc3339(uses.first_at)),
            network: uses.map(|uses| uses.network.clone()),
            imported_hash: user.legacy.map(LegacyForm::words),
        }
    }
}
