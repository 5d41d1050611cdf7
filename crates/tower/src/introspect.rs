//! A verifier that asks the issuer about every token (RFC 7662). Remembers nothing, so nothing that was revoked lives on here.
//! Never takes a refresh token for a bearer token, though the issuer calls it active too.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use keyfob_core::access_token::ResourceServer;
use keyfob_core::id::SessionId;
use keyfob_core::opaque::Kind;
use keyfob_core::policy::{Evidence, Policy, Testimony};
use keyfob_core::scope::Scope;
use keyfob_core::time::Timestamp;
use keyfob_core::user::Username;
use serde::Deserialize;

use crate::clock;
use crate::guard::{CannotTell, Verify};
use crate::remote::{Remote, Trouble};

/// Longest answer, in bytes: the longest scope, and room.
const ANSWER_MAX: usize = 64 * 1024;

/// Asks the issuer.
pub struct Introspect {
    remote: Remote,
    server: ResourceServer,
    policy: Arc<Policy>,
}

/// RFC 7662 §2.2, as far as it is needed. What is not there is not taken for anything.
#[derive(Deserialize)]
struct Introspection {
    active: bool,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    aud: Option<Audience>,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    exp: Option<i64>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    sid: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Introspect {
    pub(crate) fn new(remote: Remote, server: ResourceServer, policy: Arc<Policy>) -> Self {
        Self { remote, server, policy }
    }

    async fn ask(&self, token: &str) -> Result<Bytes, Trouble> {
        match self.remote.post("/introspect", &[("token", token)], ANSWER_MAX).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, _) => Err(Trouble::Status(status.as_u16())),
        }
    }

    /// What the answer says of the caller; `None` if the token is no bearer token that is good here.
    fn read(&self, answer: &[u8]) -> Result<Option<Testimony>, Trouble> {
        let said: Introspection = serde_json::from_slice(answer).map_err(|_| Trouble::Unreadable)?;
        let bearer = said.token_type.is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
        let ours = said.iss.is_some_and(|issuer| *issuer == *self.server.issuer);
        let for_us = match said.aud {
            Some(Audience::One(audience)) => *audience == *self.server.audience,
            Some(Audience::Several(all)) => all.iter().any(|audience| **audience == *self.server.audience),
            None => false,
        };
        // A refresh token is active as well, and has no type: it opens nothing here.
        if !(said.active && bearer && ours && for_us) {
            return Ok(None);
        }
        let subject = said.sub.and_then(|text| text.parse().ok()).ok_or(Trouble::Unreadable)?;
        let scope = Scope::parse(&said.scope.unwrap_or_default()).map_err(|_| Trouble::Unreadable)?;
        let expires_at = Timestamp::from_seconds(said.exp.ok_or(Trouble::Unreadable)?);
        let mut testimony = Testimony::new(subject, scope, expires_at).with_leeway(self.server.leeway);
        if let Some(name) = said.username {
            testimony = testimony.named(Username::parse(&name).map_err(|_| Trouble::Unreadable)?);
        }
        if let Some(client) = said.client_id {
            testimony = testimony.issued_to(&client);
        }
        if let Some(session) = said.sid.and_then(|text| text.parse::<SessionId>().ok()) {
            testimony = testimony.of_session(session);
        }
        Ok(Some(testimony))
    }
}

impl Verify for Introspect {
    async fn verify(&self, token: &str, _: Timestamp) -> Result<Evidence, CannotTell> {
        if token.starts_with(Kind::Refresh.prefix()) {
            return Ok(Evidence::Invalid);
        }
        let told = self.ask(token).await.and_then(|answer| self.read(&answer));
        match told {
            Ok(Some(testimony)) => Ok(Evidence::Testimony(Arc::new(testimony))),
            Ok(None) => Ok(Evidence::Invalid),
            Err(trouble) => {
                tracing::warn!(%trouble, "the issuer cannot be asked about a token");
                Err(CannotTell)
            }
        }
    }

    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy)
    }

    fn now(&self) -> Timestamp {
        clock::now()
    }
}
