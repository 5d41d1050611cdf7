//! The facts a guard remembers: verified claims by token hash, sessions, users and clients by id. Never verdicts, never that
//! something does not exist. Bounded; an entry never outlives `exp`; a slow fill never overwrites a newer
//! invalidation; a look-up that hits takes one short lock and allocates nothing.

mod api_keys;
mod clock;
mod intern;
#[cfg(test)]
mod model;
mod sync;
#[cfg(feature = "issuer")]
mod testimonies;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use keyfob_core::access_token::Claims;
use keyfob_core::change::Fact;
use keyfob_core::client::KnownClient;
use keyfob_core::id::{ClientId, SessionId, UserId};
use keyfob_core::session::Session;
use keyfob_core::time::Timestamp;
use keyfob_core::user::KnownUser;

use api_keys::ApiKeys;
use clock::{ClockMap, Generation, Key};
use intern::Interner;
use sync::{AtomicU64, Ordering};
#[cfg(feature = "issuer")]
pub(crate) use testimonies::{Heard, Testimonies};

/// Claims this long past their `exp` are forgotten when seen: the largest leeway a profile may have. Within it the
/// policy decides, with the leeway it was given.
pub const LEEWAY_MAX: Duration = Duration::from_mins(1);

/// Names a token without revealing it: the first 128 bits of its SHA-256.
///
/// Another token with the name of a remembered one would be taken for it. To find one is a second-preimage search:
/// 2^108 hashes even against a million remembered tokens at once. The cut saves 16 bytes for every session.
///
/// ```
/// use keyfob_tower::cache::TokenHash;
///
/// assert!(TokenHash::of("a.b.c") == TokenHash::of("a.b.c"));
/// assert!(TokenHash::of("a.b.c") != TokenHash::of("a.b.d"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 16]);

impl TokenHash {
    /// Hash a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        let mut name = [0; 16];
        name.copy_from_slice(&digest.as_ref()[..16]);
        Self(name)
    }
}

/// The facts of one guard.
///
/// ```
/// use keyfob_core::change::Fact;
/// use keyfob_core::id::{SessionId, UserId};
/// use keyfob_core::session::Session;
/// use keyfob_core::time::Timestamp;
/// use keyfob_tower::cache::FactCache;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let cache = FactCache::new(100_000);
/// let now = Timestamp::from_seconds(1_800_000_000);
/// let session = Session {
///     id: SessionId::from_bytes([1; 16]),
///     user: UserId::from_bytes([2; 16]),
///     created_at: now,
///     expires_at: Timestamp::from_seconds(1_800_600_000),
///     ended_at: None,
/// };
///
/// // A miss asks `load`, which stands for the store; after that the cache answers.
/// let found = cache.session(session.id, now, async { Ok::<_, ()>(Some(session)) }).await;
/// assert_eq!(found, Ok(Some(session)));
/// assert_eq!(cache.session_hit(session.id, now), Some(session));
///
/// // The session ended: from here on nobody sees what was remembered.
/// cache.forget(Fact::Session(session.id));
/// assert_eq!(cache.session_hit(session.id, now), None);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct FactCache {
    tokens: ClockMap<TokenHash, Arc<Claims>>,
    sessions: ClockMap<SessionId, RememberedSession>,
    users: ClockMap<UserId, Arc<KnownUser>>,
    clients: ClockMap<ClientId, Arc<KnownClient>>,
    api_keys: ApiKeys,
    shared: Interner,
    // How often signing keys were retired. Raised before the tokens go, read under the lock of a token's shard.
    retirements: AtomicU64,
}

impl FactCache {
    /// A cache for at most `sessions` sessions (and as many tokens, users and clients). Memory grows with use: a session with
    /// its token takes about 220 bytes, a user what its names take.
    #[must_use]
    pub fn new(sessions: usize) -> Self {
        Self {
            tokens: ClockMap::new(sessions),
            sessions: ClockMap::new(sessions),
            users: ClockMap::new(sessions),
            clients: ClockMap::new(sessions),
            api_keys: ApiKeys::new(sessions),
            shared: Interner::default(),
            retirements: AtomicU64::new(0),
        }
    }

    /// The verified claims of a token, unless they are past `exp` by more than [`LEEWAY_MAX`] at `now`.
    #[must_use]
    pub fn claims(&self, token: &TokenHash, now: Timestamp) -> Option<Arc<Claims>> {
        let claims = self.tokens.look(token, |_| true).ok()?;
        if now < claims.expires_at + LEEWAY_MAX {
            return Some(claims);
        }
        self.tokens.discard(token, |held| Arc::ptr_eq(held, &claims));
        None
    }

    /// Remember verified claims. A retirement of signing keys ([`FactCache::forget`]) that began after `verify` began
    /// wins: take the [`FactCache::ticket`] before the keys are read.
    pub fn remember_claims(&self, token: TokenHash, claims: Arc<Claims>, ticket: Ticket) {
        let claims = self.shared.share(claims);
        self.tokens.remember(token, claims, |_| self.ticket() == ticket);
    }

    /// A session from memory. One whose time has run out at `now` is a miss, because a refresh may have prolonged it;
    /// one that ended is not.
    #[must_use]
    pub fn session_hit(&self, id: SessionId, now: Timestamp) -> Option<Session> {
        self.look_session(id, now).ok()
    }

    /// A session, from memory or else by `load`. `None` (no such session) is not remembered. `load` must not have
    /// begun before this call; a fill that is cancelled leaves nothing behind.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn session<E>(
        &self,
        id: SessionId,
        now: Timestamp,
        load: impl Future<Output = Result<Option<Session>, E>>,
    ) -> Result<Option<Session>, E> {
        let generation = match self.look_session(id, now) {
            Ok(session) => return Ok(Some(session)),
            Err(generation) => generation,
        };
        let loaded = load.await?;
        if let Some(session) = loaded.filter(|session| session.id == id && answers_at(session, now)) {
            self.sessions.remember(id, RememberedSession::of(&session), |current| current == generation);
        }
        Ok(loaded)
    }

    /// A user from memory.
    #[must_use]
    pub fn user_hit(&self, id: UserId) -> Option<Arc<KnownUser>> {
        self.users.look(&id, |_| true).ok()
    }

    /// A user, from memory or else by `load`. `None` is not remembered. `load` must not have begun before this call,
    /// and reads the policy in force within it: its grant is a fact of both.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn user<E>(
        &self,
        id: UserId,
        load: impl Future<Output = Result<Option<Arc<KnownUser>>, E>>,
    ) -> Result<Option<Arc<KnownUser>>, E> {
        let generation = match self.users.look(&id, |_| true) {
            Ok(user) => return Ok(Some(user)),
            Err(generation) => generation,
        };
        let loaded = load.await?;
        if let Some(user) = loaded.as_ref().filter(|known| known.user.id == id) {
            self.users.remember(id, Arc::clone(user), |current| current == generation);
        }
        Ok(loaded)
    }

    /// A session and its user by one `load`, for a token that is seen for the first time; what is in memory stays as it is.
    /// What does not exist is not remembered. `load` must not have begun before this call, and reads the policy as for a user.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn session_and_user<E>(
        &self,
        (id, user): (SessionId, UserId),
        now: Timestamp,
        load: impl Future<Output = Result<(Option<Session>, Option<Arc<KnownUser>>), E>>,
    ) -> Result<(Option<Session>, Option<Arc<KnownUser>>), E> {
        // Both before the load begins: whatever is forgotten from here on is not filled by it.
        let (session_at, user_at) = (self.look_session(id, now), self.users.look(&user, |_| true));
        let (session, known) = load.await?;
        if let (Err(generation), Some(session)) = (session_at, session.filter(|it| it.id == id && answers_at(it, now)))
        {
            self.sessions.remember(id, RememberedSession::of(&session), |current| current == generation);
        }
        if let (Err(generation), Some(known)) = (user_at, known.as_ref().filter(|known| known.user.id == user)) {
            self.users.remember(user, Arc::clone(known), |current| current == generation);
        }
        Ok((session, known))
    }

    /// A client from memory.
    #[must_use]
    pub fn client_hit(&self, id: ClientId) -> Option<Arc<KnownClient>> {
        self.clients.look(&id, |_| true).ok()
    }

    /// A client, from memory or else by `load`. `None` is not remembered. `load` must not have begun before this call.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn client<E>(
        &self,
        id: ClientId,
        load: impl Future<Output = Result<Option<Arc<KnownClient>>, E>>,
    ) -> Result<Option<Arc<KnownClient>>, E> {
        let generation = match self.clients.look(&id, |_| true) {
            Ok(client) => return Ok(Some(client)),
            Err(generation) => generation,
        };
        let loaded = load.await?;
        if let Some(client) = loaded.as_ref().filter(|known| known.client.id == id) {
            self.clients.remember(id, Arc::clone(client), |current| current == generation);
        }
        Ok(loaded)
    }

    /// What was so when a verification began.
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        Ticket(self.retirements.load(Ordering::SeqCst))
    }

    /// Forget a fact. When this returns no later look-up sees what was remembered, or what a fill that began before
    /// would bring. Whoever swaps the policy or the keys does so before calling this.
    pub fn forget(&self, fact: Fact) {
        match fact {
            Fact::User(id) => self.users.forget(&id),
            Fact::Session(id) => self.sessions.forget(&id),
            Fact::Client(id) => self.clients.forget(&id),
            Fact::Key(id) => self.api_keys.forget(id),
            // What a user's roles grant was computed under the old policy.
            Fact::Policy => self.users.forget_all(),
            Fact::SigningKeys => self.forget_tokens(),
        }
    }

    /// Forget everything, with the same promise.
    pub fn forget_all(&self) {
        self.forget_tokens();
        self.sessions.forget_all();
        self.users.forget_all();
        self.clients.forget_all();
        self.api_keys.forget_all();
    }

    fn forget_tokens(&self) {
        // In this order: a fill that still finds the old count under its shard's lock is cleared right after.
        self.retirements.fetch_add(1, Ordering::SeqCst);
        self.tokens.forget_all();
    }

    fn look_session(&self, id: SessionId, now: Timestamp) -> Result<Session, Generation> {
        self.sessions.look(&id, |held| answers_at(&held.session(id), now)).map(|held| held.session(id))
    }
}

/// Taken before a fill; refused by the cache if an invalidation came between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// Whether a session's answer can be kept: it ended, or its time has not run out.
fn answers_at(session: &Session, now: Timestamp) -> bool {
    session.ended_at.is_some() || now < session.expires_at
}

/// A session in 40 bytes: its id is the key.
#[derive(Clone, Copy)]
struct RememberedSession {
    user: UserId,
    created_at: Timestamp,
    expires_at: Timestamp,
    // `NEVER`, or when it ended.
    ended_at: Timestamp,
}

/// Stands for "has not ended"; no real end lies here.
const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);
const LAST_END: Timestamp = Timestamp::from_micros(i64::MAX - 1);

impl RememberedSession {
    fn of(session: &Session) -> Self {
        Self {
            user: session.user,
            created_at: session.created_at,
            expires_at: session.expires_at,
            ended_at: session.ended_at.map_or(NEVER, |end| end.min(LAST_END)),
        }
    }

    fn session(self, id: SessionId) -> Session {
        let ended_at = (self.ended_at != NEVER).then_some(self.ended_at);
        Session { id, user: self.user, created_at: self.created_at, expires_at: self.expires_at, ended_at }
    }
}

impl Key for TokenHash {
    fn bits(&self) -> u64 {
        last_eight(self.0)
    }
}

impl Key for SessionId {
    fn bits(&self) -> u64 {
        last_eight(self.to_bytes())
    }
}

impl Key for UserId {
    fn bits(&self) -> u64 {
        last_eight(self.to_bytes())
    }
}

impl Key for ClientId {
    fn bits(&self) -> u64 {
        last_eight(self.to_bytes())
    }
}

/// All random in a hash; 62 random bits in a `UUIDv7` (RFC 9562 §5.7).
fn last_eight(bytes: [u8; 16]) -> u64 {
    let [_, last] = bytes.as_chunks().0 else { return 0 };
    u64::from_be_bytes(*last)
}
