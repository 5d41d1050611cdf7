//! RFC 9068 access tokens: a JWT that carries its user. Strict on purpose (RFC 8725): the algorithm is pinned to the
//! key, `typ` must be `at+jwt`, any `crit` is refused, every claim has one JSON type, base64url is canonical, and the
//! size is capped before anything is split. Cheap checks first, the signature last. Never fetches a key, never
//! reads a clock.

mod carried;
mod claims;
mod jws;
mod resource_server;
mod session_tag;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SecureRandom;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use self::carried::Carried;
use self::claims::{NumericDate, Read, Written};
use self::jws::{Compact, Header};
pub use self::resource_server::ResourceServer;
pub use self::session_tag::SessionTagger;
use crate::change::Revision;
use crate::id::{ClientId, Incarnation, SessionId, TokenId, UserId};
use crate::scope::Scope;
use crate::signing_key::{KeyError, KeySet, SigningKey, VerifyingKey};
use crate::time::Timestamp;

/// Largest leeway that is honoured: more would be a longer life by another name (RFC 7519 §4.1.4: "no
/// more than a few minutes").
const LEEWAY_MAX: Duration = Duration::from_mins(1);

/// Characters of a UUID in its hyphenated form (RFC 9562 §4). The other forms that libraries read are refused.
const UUID_CHARS: usize = 36;

/// What an accepted token says. Issuer and audience are checked and not kept. The two texts are shared, because a
/// guard remembers a million of these and nearly all name the same client and scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `sub`: the user; in a token of a service account its client id, see [`Claims::service_account`].
    pub subject: UserId,
    /// `sid`: the session it was minted from; of a service account its one session.
    pub session: SessionId,
    /// `jti`: its own id.
    pub token_id: TokenId,
    /// `client_id`: the program it was issued to.
    pub client_id: Arc<str>,
    /// `scope`: at most what the user's roles grant; and `narrowed`.
    pub scope: Arc<Carried>,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `inc`: the store's incarnation.
    pub incarnation: Incarnation,
}

impl Claims {
    /// The client that the token was issued to for itself: `sub` and `client_id` are the same (RFC 9068 §2.2, RFC 6749
    /// §4.4). `None` in the token of a user.
    ///
    /// ```
    /// # use keyfob_core::access_token::Claims;
    /// # use keyfob_core::id::{ClientId, Incarnation, SessionId, TokenId, UserId};
    /// # use keyfob_core::scope::Scope;
    /// # use keyfob_core::time::Timestamp;
    /// # let now = Timestamp::from_seconds(1_700_000_000);
    /// let client = ClientId::new(now, &[1; 10]);
    /// let mut claims = Claims {
    ///     subject: UserId::from_bytes(client.to_bytes()),
    ///     client_id: client.to_string().into(),
    /// #   session: SessionId::new(now, &[2; 10]),
    /// #   token_id: TokenId::new(now, &[3; 10]),
    /// #   scope: Scope::default().into(),
    /// #   issued_at: now,
    /// #   expires_at: now,
    /// #   incarnation: Incarnation([4; 16]),
    ///     // ...
    /// };
    /// assert_eq!(claims.service_account(), Some(client));
    /// claims.client_id = "keyfob".into();
    /// assert_eq!(claims.service_account(), None);
    /// ```
    #[must_use]
    pub fn service_account(&self) -> Option<ClientId> {
        uuid(&self.client_id).filter(|client: &ClientId| client.to_bytes() == self.subject.to_bytes())
    }
}

/// Why a token is refused. For logs and `token inspect`; a client is never told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Longer than [`crate::bearer::TOKEN_BYTES_MAX`], not three parts, or base64url that is not canonical.
    #[error("it is not a compact JWS")]
    Shape,
    /// A header that is not a JSON object of the expected members, or carries `crit`, `b64`, `zip`.
    #[error("its header is not that of an access token")]
    Header,
    /// No key of that id, or one of another algorithm.
    #[error("it names an unknown key, or another algorithm than that key's")]
    Key,
    /// A claim is missing, doubled or of the wrong JSON type.
    #[error("a claim is missing or of the wrong type")]
    Claims,
    /// Another issuer.
    #[error("it was issued by another issuer")]
    Issuer,
    /// Another audience.
    #[error("it is for another audience")]
    Audience,
    /// Past `exp` and leeway.
    #[error("it has expired")]
    Expired,
    /// Before `nbf` or `iat`, leeway considered.
    #[error("it is not valid yet")]
    NotYetValid,
    /// The session id does not carry this installation's tag.
    #[error("its session was not made here")]
    SessionTag,
    /// The signature is wrong.
    #[error("its signature is wrong")]
    Signature,
}

/// What issuer and guards agree on.
///
/// ```
/// use std::time::Duration;
///
/// use aws_lc_rs::rand::SystemRandom;
/// use keyfob_core::access_token::{Claims, Flaw, Profile, SessionTagger};
/// use keyfob_core::id::{Incarnation, SessionId, TokenId, UserId};
/// use keyfob_core::scope::Scope;
/// use keyfob_core::signing_key::{Algorithm, KeySet, SigningKey};
/// use keyfob_core::time::Timestamp;
///
/// let rng = SystemRandom::new();
/// let key = SigningKey::generate(Algorithm::Es256, &rng)?;
/// let keys = KeySet::new(vec![key.verifying_key().clone()]);
/// let profile = Profile {
///     issuer: "https://api.example".into(),
///     audience: "https://api.example".into(),
///     leeway: Duration::from_secs(30),
///     tagger: SessionTagger::new(&[7; 32]),
/// };
///
/// let now = Timestamp::from_seconds(1_700_000_000);
/// let claims = Claims {
///     subject: UserId::new(now, &[1; 10]),
///     session: SessionId::new(now, &[2; 10]),
///     token_id: TokenId::new(now, &[3; 10]),
///     client_id: "keyfob".into(),
///     scope: Scope::parse("reports:read")?.into(),
///     issued_at: now,
///     expires_at: now + Duration::from_secs(900),
///     incarnation: Incarnation([4; 16]),
/// };
/// let token = profile.sign(&claims, &key, &rng)?;
///
/// assert_eq!(profile.verify(&token, &keys, now), Ok(claims));
/// let late = now + Duration::from_secs(930);
/// assert_eq!(profile.verify(&token, &keys, late), Err(Flaw::Expired));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Profile {
    /// `iss`, exact.
    pub issuer: Box<str>,
    /// `aud`, exact (a token may list several; this one must be among them).
    pub audience: Box<str>,
    /// Allowed clock difference: 30 s by default, at most 60 s (more counts as 60 s).
    pub leeway: Duration,
    /// The keyed tag on `sid`.
    pub tagger: SessionTagger,
}

impl Profile {
    /// Sign `claims`. Times are written as whole seconds, rounded down, so a token never lives longer than asked.
    ///
    /// # Errors
    /// [`KeyError`] if the library refuses.
    pub fn sign(&self, claims: &Claims, key: &SigningKey, rng: &dyn SecureRandom) -> Result<String, KeyError> {
        self.written(claims, None, key, rng)
    }

    /// The same with `rev`: what the token says of its holder was so at `revision` or later. A follower takes it for worth
    /// nothing once it knows of a later change of that holder ([`crate::follow`]).
    ///
    /// # Errors
    /// As [`Profile::sign`].
    pub fn sign_at(
        &self,
        revision: Revision,
        claims: &Claims,
        key: &SigningKey,
        rng: &dyn SecureRandom,
    ) -> Result<String, KeyError> {
        self.written(claims, Some(revision.0), key, rng)
    }

    fn written(
        &self,
        claims: &Claims,
        rev: Option<u64>,
        key: &SigningKey,
        rng: &dyn SecureRandom,
    ) -> Result<String, KeyError> {
        let written = Written {
            iss: &self.issuer,
            aud: &self.audience,
            sub: claims.subject,
            client_id: &claims.client_id,
            exp: claims.expires_at.seconds(),
            iat: claims.issued_at.seconds(),
            jti: claims.token_id,
            sid: &self.tagger.seal(claims.session),
            scope: &claims.scope.scope,
            narrowed: claims.scope.narrowed,
            inc: &URL_SAFE_NO_PAD.encode(claims.incarnation.0),
            rev,
        };
        let payload = serde_json::to_vec(&written).map_err(|_| KeyError)?;
        let mut token = URL_SAFE_NO_PAD.encode(Header::json(key.verifying_key()));
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = key.sign(token.as_bytes(), rng)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Every check but the signature.
    ///
    /// # Errors
    /// The first [`Flaw`] found.
    pub fn screen<'t, 'k>(&self, token: &'t str, keys: &'k KeySet, now: Timestamp) -> Result<Screened<'t, 'k>, Flaw> {
        let expected = Expected { issuer: &self.issuer, audience: &self.audience, leeway: self.leeway };
        screen(&expected, |sid| self.tagger.open(sid), token, keys, now)
    }

    /// Every check.
    ///
    /// # Errors
    /// The first [`Flaw`] found.
    pub fn verify(&self, token: &str, keys: &KeySet, now: Timestamp) -> Result<Claims, Flaw> {
        self.screen(token, keys, now)?.verify()
    }
}

/// Whom a token must be from and for, and how wrong a clock may be.
struct Expected<'e> {
    issuer: &'e str,
    audience: &'e str,
    leeway: Duration,
}

/// Every check but the signature. `open` reads the session of a `sid`.
fn screen<'t, 'k>(
    expected: &Expected<'_>,
    open: impl FnOnce(&str) -> Option<SessionId>,
    token: &'t str,
    keys: &'k KeySet,
    now: Timestamp,
) -> Result<Screened<'t, 'k>, Flaw> {
    let compact = Compact::split(token)?;
    let header = Header::read(&compact.header)?;
    let key = keys.key(&header.kid.0).filter(|key| header.is_for(key)).ok_or(Flaw::Key)?;
    let read: Read<'_> = jws::object(&compact.payload).ok_or(Flaw::Claims)?;
    if *read.iss.0 != *expected.issuer {
        return Err(Flaw::Issuer);
    }
    if !read.aud.contains(expected.audience) {
        return Err(Flaw::Audience);
    }
    judge_times(&read, expected.leeway, now)?;
    let session = open(&read.sid.0).ok_or(Flaw::SessionTag)?;
    let claims = believe(&read, session).ok_or(Flaw::Claims)?;
    let revision = Revision(read.rev.map_or(0, |rev| u64::try_from(rev.0).unwrap_or(0)));
    Ok(Screened { signing_input: compact.signing_input, signature: compact.signature, key, claims, revision })
}

/// RFC 7519 §4.1.4 to §4.1.6, each clock being wrong by at most the leeway.
fn judge_times(read: &Read<'_>, leeway: Duration, now: Timestamp) -> Result<(), Flaw> {
    let leeway = leeway.min(LEEWAY_MAX);
    let live = now < instant(read.exp) + leeway;
    if !live {
        return Err(Flaw::Expired);
    }
    let begun = |from: NumericDate| instant(from) <= now + leeway;
    if begun(read.iat) && read.nbf.is_none_or(begun) { Ok(()) } else { Err(Flaw::NotYetValid) }
}

/// A token that passed every cheap check. What it says is not to be believed before [`Screened::verify`].
pub struct Screened<'t, 'k> {
    signing_input: &'t str,
    signature: Vec<u8>,
    key: &'k VerifyingKey,
    claims: Claims,
    revision: Revision,
}

impl Screened<'_, '_> {
    /// `rev`: the revision that it was made at; zero if it does not say, which is before every change.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The session it claims, for limiting failed signatures per session.
    #[must_use]
    pub fn claimed_session(&self) -> SessionId {
        self.claims.session
    }

    /// Check the signature, and believe it.
    ///
    /// # Errors
    /// [`Flaw::Signature`].
    pub fn verify(self) -> Result<Claims, Flaw> {
        if self.key.verifies(self.signing_input.as_bytes(), &self.signature) {
            Ok(self.claims)
        } else {
            Err(Flaw::Signature)
        }
    }
}

impl fmt::Debug for Screened<'_, '_> {
    /// The token's id only: a token is a secret as long as it lives.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Screened({})", self.claims.token_id)
    }
}

/// The claims in their own types, or nothing if one of the texts is not what it stands for.
fn believe(read: &Read<'_>, session: SessionId) -> Option<Claims> {
    Some(Claims {
        subject: uuid(&read.sub.0)?,
        session,
        token_id: uuid(&read.jti.0)?,
        client_id: Arc::from(&*read.client_id.0),
        scope: Arc::new(Carried { scope: Scope::parse(&read.scope.0).ok()?, narrowed: read.narrowed.unwrap_or(false) }),
        issued_at: instant(read.iat),
        expires_at: instant(read.exp),
        incarnation: Incarnation(URL_SAFE_NO_PAD.decode(&*read.inc.0).ok()?.try_into().ok()?),
    })
}

fn uuid<T: FromStr>(text: &str) -> Option<T> {
    if text.len() == UUID_CHARS { text.parse().ok() } else { None }
}

fn instant(date: NumericDate) -> Timestamp {
    Timestamp::from_seconds(date.0)
}
