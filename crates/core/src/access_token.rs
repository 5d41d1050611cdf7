//! RFC 9068 access tokens: a JWT that carries its user. Strict on purpose (RFC 8725): the algorithm is pinned to the
//! key, `typ` must be `at+jwt`, any `crit` is refused, every claim has one JSON type, base64url is canonical, and the
//! size is capped before anything is split. Cheap checks first, the signature last. Never fetches a key, never
//! reads a clock.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SecureRandom;

use crate::id::{Incarnation, SessionId, TokenId, UserId};
use crate::scope::Scope;
use crate::signing_key::{KeyError, KeySet, SigningKey};
use crate::time::Timestamp;

/// What an accepted token says. Issuer and audience are checked and not kept. The two texts are shared, because a
/// guard remembers a million of these and nearly all name the same client and scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `sub`: the user.
    pub subject: UserId,
    /// `sid`: the session it was minted from.
    pub session: SessionId,
    /// `jti`: its own id.
    pub token_id: TokenId,
    /// `client_id`: the program it was issued to.
    pub client_id: Arc<str>,
    /// `scope`: at most what the user's roles grant.
    pub scope: Arc<Scope>,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `inc`: the store's incarnation.
    pub incarnation: Incarnation,
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

/// Keyed tag on session ids, so that an invented session costs no signature check and no store read.
#[derive(Clone)]
pub struct SessionTagger {
    _todo: (),
}

impl SessionTagger {
    /// A tagger with a 32-byte key derived from the root key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let _ = key;
        todo!()
    }

    /// The `sid` text for a session: base64url of its 16 bytes and an 8-byte HMAC-SHA-256 tag, 32 characters.
    #[must_use]
    pub fn seal(&self, session: SessionId) -> String {
        let _ = session;
        todo!()
    }

    /// The session that `sid` names, if this installation made it. Constant time in the tag.
    #[must_use]
    pub fn open(&self, sid: &str) -> Option<SessionId> {
        let _ = sid;
        todo!()
    }
}

/// What issuer and guards agree on.
#[derive(Clone)]
pub struct Profile {
    /// `iss`, exact.
    pub issuer: Box<str>,
    /// `aud`, exact (a token may list several; this one must be among them).
    pub audience: Box<str>,
    /// Allowed clock difference: 30 s by default, at most 60 s.
    pub leeway: Duration,
    /// The keyed tag on `sid`.
    pub tagger: SessionTagger,
}

impl Profile {
    /// Sign `claims`.
    ///
    /// # Errors
    /// [`KeyError`] if the library refuses.
    pub fn sign(&self, claims: &Claims, key: &SigningKey, rng: &dyn SecureRandom) -> Result<String, KeyError> {
        let _ = (claims, key, rng);
        todo!()
    }

    /// Every check but the signature.
    ///
    /// # Errors
    /// The first [`Flaw`] found.
    pub fn screen<'t, 'k>(&self, token: &'t str, keys: &'k KeySet, now: Timestamp) -> Result<Screened<'t, 'k>, Flaw> {
        let _ = (token, keys, now);
        todo!()
    }

    /// Every check.
    ///
    /// # Errors
    /// The first [`Flaw`] found.
    pub fn verify(&self, token: &str, keys: &KeySet, now: Timestamp) -> Result<Claims, Flaw> {
        self.screen(token, keys, now)?.verify()
    }
}

/// A token that passed every cheap check. What it says is not to be believed before [`Screened::verify`].
pub struct Screened<'t, 'k> {
    _token: &'t str,
    _keys: &'k KeySet,
    claims: Claims,
}

impl Screened<'_, '_> {
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
        todo!()
    }
}
