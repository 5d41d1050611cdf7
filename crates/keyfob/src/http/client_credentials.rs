//! The `client_credentials` grant (RFC 6749 §4.4): a client that authenticated gets an access token for itself. `sub` and
//! `client_id` are both its id (RFC 9068 §2.2), its scope is what the client may have now, narrowed by what it asked
//! for. No refresh token (§4.4.3), no session of a user, and nothing is written.

use keyfob_core::access_token::Carried;
use keyfob_core::change::Revision;
use keyfob_core::client::{Client, KnownClient};
use keyfob_core::id::UserId;
use keyfob_core::scope::Scope;

use super::issue::{self, Grant};
use super::oauth::{OAuthError, OAuthReply};
use crate::app::App;
use crate::clock;

/// Grant `known` a token; `asked` is the `scope` parameter, and `revision` was applied before the client was loaded.
pub(super) fn grant(app: &App, known: &KnownClient, asked: Option<&str>, revision: Revision) -> OAuthReply {
    let asked = asked.filter(|asked| !asked.is_empty()).map(Scope::parse).transpose();
    let asked = asked.map_err(|_| OAuthError::InvalidScope("the scope is not a list of scope-tokens"))?;
    let granted = &known.client.scope;
    let scope = asked.as_ref().map_or_else(|| granted.clone(), |asked| granted.intersection(asked));
    if asked.is_some() && scope.is_empty() {
        return Err(OAuthError::InvalidScope("the client has none of these scopes"));
    }
    let Client { id, session, .. } = known.client;
    let (subject, client_id) = (UserId::from_bytes(id.to_bytes()), id.to_string().into());
    let scope = Carried { scope, narrowed: asked.is_some() };
    let grant = Grant { subject, session, client_id, ends_at: None, scope, revision };
    Ok(issue::answer(app, grant, None, clock::now())?)
}
