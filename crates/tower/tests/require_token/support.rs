//! An issuer, a table of facts and a guard over both, for the tests of this crate.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use keyfob_core::access_token::{Claims, Profile, SessionTagger};
use keyfob_core::id::{Incarnation, SessionId, TokenId, UserId};
use keyfob_core::policy::Policy;
use keyfob_core::session::Session;
use keyfob_core::signing_key::{Algorithm, KeySet, SigningKey};
use keyfob_core::time::Timestamp;
use keyfob_core::user::{RoleName, Status, User, Username};
use keyfob_tower::guard::CannotTell;
use keyfob_tower::local::{Facts, LocalVerifier, Trust};

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(crate) const LIFE: Duration = Duration::from_mins(15);

pub(crate) const POLICY: &str = r#"
default = "deny"

[roles]
analyst = ["reports:read"]

[[routes]]
path = "/reports/{*rest}"
methods = ["GET"]
require = ["reports:read"]

[[routes]]
path = "/reports/{*rest}"
methods = ["DELETE"]
require = ["reports:write"]

[[routes]]
path = "/calls/{*rest}"
signed-in = true
forward-authorization = true

[[routes]]
path = "/users"
public = true
"#;

/// Sessions and users by id, and whether the table can be read at all.
#[derive(Clone, Default)]
pub(crate) struct Table {
    pub(crate) sessions: Arc<Mutex<HashMap<SessionId, Session>>>,
    pub(crate) users: Arc<Mutex<HashMap<UserId, User>>>,
    pub(crate) away: Arc<AtomicBool>,
}

impl Facts for Table {
    async fn session(&self, id: SessionId) -> Result<Option<Session>, CannotTell> {
        let found = self.sessions.lock().unwrap().get(&id).copied();
        if self.away.load(Ordering::SeqCst) { Err(CannotTell) } else { Ok(found) }
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, CannotTell> {
        Ok(self.users.lock().unwrap().get(&id).cloned())
    }
}

/// Whoever signs tokens, and what the guard is told.
pub(crate) struct Issuer {
    pub(crate) key: SigningKey,
    pub(crate) profile: Profile,
    pub(crate) table: Table,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let profile = Profile {
            issuer: "https://api.example".into(),
            audience: "https://api.example".into(),
            leeway: Duration::from_secs(30),
            tagger: SessionTagger::new(&[7; 32]),
        };
        let key = SigningKey::generate(Algorithm::Es256, &rng()).unwrap();
        Self { key, profile, table: Table::default() }
    }

    /// A user with these roles, one session, and a token of it with everything the roles grant.
    pub(crate) fn sign_in(&self, name: &str, roles: &[&str]) -> String {
        let number = u8::try_from(self.table.users.lock().unwrap().len()).unwrap();
        let user = User {
            id: UserId::from_bytes([number; 16]),
            username: Username::parse(name).unwrap(),
            status: Status::Active,
            roles: roles.iter().map(|role| RoleName::parse(role).unwrap()).collect(),
            auth_version: 1,
            created_at: NOW,
        };
        let id = SessionId::from_bytes([number; 16]);
        let session = Session { id, user: user.id, created_at: NOW, expires_at: NOW + LIFE + LIFE, ended_at: None };
        let claims = Claims {
            subject: user.id,
            session: id,
            token_id: TokenId::from_bytes([number; 16]),
            client_id: "keyfob".into(),
            scope: Policy::parse(POLICY, 1).unwrap().grant(&user.roles).scope.into(),
            issued_at: NOW,
            expires_at: NOW + LIFE,
            incarnation: Incarnation([9; 16]),
        };
        self.table.users.lock().unwrap().insert(user.id, user);
        self.table.sessions.lock().unwrap().insert(id, session);
        self.profile.sign(&claims, &self.key, &rng()).unwrap()
    }

    pub(crate) fn keys(&self) -> KeySet {
        KeySet::new(vec![self.key.verifying_key().clone()])
    }

    pub(crate) fn verifier(&self) -> Arc<LocalVerifier<Table>> {
        let trust = Trust { profile: self.profile.clone(), keys: self.keys(), incarnation: Incarnation([9; 16]) };
        let policy = Policy::parse(POLICY, 1).unwrap();
        Arc::new(LocalVerifier::new(trust, policy, self.table.clone(), || NOW, 1_000))
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is its own source of randomness")]
fn rng() -> SystemRandom {
    SystemRandom::new()
}
