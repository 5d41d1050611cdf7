//! A data directory with users and sessions in it, made through the library in seconds: signing in for real would
//! take one password hash each. Every session is reserved and recorded like a login's, so the store is what it would be.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyfob::config::Settings;
use keyfob::keys::Keys;
use keyfob::{clock, control};
use keyfob_core::access_token::{Claims, Profile};
use keyfob_core::id::{SessionId, TokenId, UserId};
use keyfob_core::opaque::{Digest, Kind, Opaque};
use keyfob_core::password::{Cost, Hasher, Password, PasswordHash};
use keyfob_core::scope::Scope;
use keyfob_core::session::Session;
use keyfob_core::signing_key::Algorithm;
use keyfob_core::throttle::Limits;
use keyfob_core::user::{RoleName, Status, User, Username};
use keyfob_store::{Attempt, Audit, Login, NewUser, Reservation, Store};
use tokio::task::JoinSet;

use crate::Outcome;

/// The password of every user.
pub const PASSWORD: &str = "cobalt teapot fjord";
/// The origin that tokens are issued by and for.
pub const ORIGIN: &str = "http://bench.test";
/// The policy of the measurements: one route that asks for one scope.
pub const POLICY: &str = "[roles]\nanalyst = [\"reports:read\"]\n\n\
    [[routes]]\npath = \"/reports/{*rest}\"\nmethods = [\"GET\"]\nrequire = [\"reports:read\"]\n";
/// Writes that are under way at once, so that they share commits.
const PARALLEL: usize = 64;
/// How long tokens and sessions live: longer than any run.
const LIFE: Duration = Duration::from_hours(24);

/// A store with users, and the means to make tokens for them.
pub struct House {
    /// The store, and the ownership of its directory.
    pub open: control::OpenStore,
    /// Issuer and audience.
    pub profile: Profile,
    /// The signing keys.
    pub keys: Keys,
    /// The users, in the order they were made.
    pub users: Vec<User>,
}

impl House {
    /// Make a data directory with `users` active users, `user0` and on.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub async fn build(data: &Path, users: usize, algorithm: Algorithm) -> Outcome<Self> {
        let settings = Settings { data: data.to_owned(), signing_algorithm: algorithm, ..Settings::default() };
        Self::build_with(&settings, users).await
    }

    /// The same in the store that the settings name.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn build_with(settings: &Settings, users: usize) -> Outcome<Self> {
        let open = control::open(settings).await?;
        let by = audit("bench.prepared");
        open.store.set_public_url(None, ORIGIN, &by).await?;
        open.store.set_policy(POLICY, &by).await?;
        let keys = Keys::load_or_make(&*open.store, settings.schedule()).await?;
        let (issuer, audience) = (ORIGIN.into(), ORIGIN.into());
        let profile = Profile { issuer, audience, leeway: Duration::from_secs(30), tagger: open.tagger.clone() };
        let password = Hasher::new(Cost::default()).hash(&Password::parse(PASSWORD)?, &clock::random())?;
        let mut house = Self { open, profile, keys, users: Vec::new() };
        house.add_users(users, "user", Status::Active, &password).await?;
        Ok(house)
    }

    /// Add `count` users whose names begin with `name`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn add_users(&mut self, count: usize, name: &str, status: Status, password: &PasswordHash) -> Outcome {
        let mut writes = JoinSet::new();
        for index in 0..count {
            let now = clock::now();
            let user = User {
                id: UserId::new(now, &clock::random()),
                username: Username::parse(&format!("{name}{index}"))?,
                status,
                roles: vec![RoleName::parse("analyst")?],
                auth_version: 1,
                created_at: now,
            };
            self.users.push(user.clone());
            let (store, new) = (Arc::clone(&self.open.store), NewUser { user, password: password.clone() });
            writes.spawn(async move { store.create_user(&new, &audit("user.added")).await.map(drop) });
            join_beyond(&mut writes, PARALLEL).await?;
        }
        join_beyond(&mut writes, 1).await
    }

    /// Start `count` sessions, spread over the users, and give the claims of a token for each.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sessions(&self, count: usize) -> Outcome<Vec<Claims>> {
        let started = self.start(count).await?;
        Ok(started.into_iter().map(|(claims, _)| claims).collect())
    }

    /// The same, with the refresh token of each.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn started(&self, count: usize) -> Outcome<Vec<(Claims, Opaque)>> {
        self.start(count).await
    }

    /// The same, for the refresh token of each.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn families(&self, count: usize) -> Outcome<Vec<Opaque>> {
        let started = self.start(count).await?;
        Ok(started.into_iter().map(|(_, refresh)| refresh).collect())
    }

    async fn start(&self, count: usize) -> Outcome<Vec<(Claims, Opaque)>> {
        let mut writes = JoinSet::new();
        let mut all = Vec::with_capacity(count);
        for index in 0..count {
            let user = self.users[index % self.users.len()].clone();
            let claims = self.claims(&user)?;
            let refresh = Opaque::new(Kind::Refresh, &clock::random());
            let digest = refresh.digest();
            all.push((claims.clone(), refresh));
            let store = Arc::clone(&self.open.store);
            writes.spawn(async move { sign_in(&*store, &user, &claims, digest).await });
            join_beyond(&mut writes, PARALLEL).await?;
        }
        join_beyond(&mut writes, 1).await?;
        Ok(all)
    }

    /// The claims of a token of a new session.
    ///
    /// # Errors
    /// None that can happen: the scope is a constant.
    pub fn claims(&self, user: &User) -> Outcome<Claims> {
        let now = clock::now();
        Ok(Claims {
            subject: user.id,
            session: SessionId::new(now, &clock::random()),
            token_id: TokenId::new(now, &clock::random()),
            client_id: "keyfob".into(),
            scope: Scope::parse("reports:read")?.into(),
            issued_at: now,
            expires_at: now + LIFE,
            incarnation: self.open.store.incarnation(),
        })
    }

    /// Sign a token.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn token(&self, claims: &Claims) -> Outcome<String> {
        Ok(self.profile.sign(claims, self.keys.signing(), clock::rng())?)
    }
}

/// Write `tokens` one a line.
///
/// # Errors
/// If the file cannot be written.
pub fn write_tokens(folder: &Path, name: &str, tokens: &[String]) -> Outcome<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, tokens.join("\n") + "\n")?;
    Ok(path)
}

/// The same token with one bit of its signature changed, base64url still canonical.
#[must_use]
pub fn forged(token: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = token.rfind('.').map_or(0, |dot| dot + 1);
    let mut bytes = token.as_bytes().to_vec();
    if let Some(letter) = LETTERS.iter().position(|letter| Some(letter) == bytes.get(at)) {
        bytes[at] = LETTERS[letter ^ 1];
    }
    String::from_utf8(bytes).unwrap_or_default()
}

async fn sign_in(
    store: &dyn Store,
    user: &User,
    claims: &Claims,
    refresh: Digest,
) -> Result<(), keyfob_store::StoreError> {
    let now = clock::now();
    let mut attempt = Attempt {
        id: clock::random(),
        account: claims.subject.to_bytes().repeat(2).try_into().unwrap_or_default(),
        address: [1; 32],
        username: Some(user.username.clone()),
        at: now,
        limits: Limits { account_failures: 1_000_000, address_failures: 1_000_000, ..Limits::default() },
    };
    while !matches!(store.reserve_attempt(&attempt).await?, Reservation::Reserved(_)) {
        tokio::task::yield_now().await;
        attempt.at = clock::now();
    }
    let Claims { session: id, subject: user_id, expires_at, .. } = *claims;
    let session = Session { id, user: user_id, created_at: now, expires_at, ended_at: None };
    let login = Login {
        attempt: attempt.id,
        account: attempt.account,
        address: attempt.address,
        session,
        client_name: "bench".to_owned(),
        coarse_address: "127.0.0.0/24".to_owned(),
        refresh,
        scope: None,
        sessions_max: u32::MAX,
        auth_version: user.auth_version,
        rehash: None,
        audit: Audit { actor: user_id.to_string(), subject: id.to_string(), ..audit("session.started") },
    };
    store.record_login(&login).await.map(drop)
}

async fn join_beyond(writes: &mut JoinSet<Result<(), keyfob_store::StoreError>>, most: usize) -> Outcome {
    while writes.len() >= most {
        match writes.join_next().await {
            Some(done) => done??,
            None => return Ok(()),
        }
    }
    Ok(())
}

fn audit(event: &'static str) -> Audit {
    Audit { at: clock::now(), event, actor: "bench".to_owned(), subject: String::new(), detail: String::new() }
}

#[cfg(test)]
mod tests {
    use super::forged;

    #[test]
    fn a_forged_token_differs_in_its_signature_only() {
        assert_eq!(forged("a.b.Acd"), "a.b.Bcd");
        assert_eq!(forged("a.b.xcd"), "a.b.wcd");
    }
}
