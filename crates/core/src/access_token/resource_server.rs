//! RFC 9068 §4 as others check it: a resource server that has the issuer's JWK Set and nothing else of it. The same checks
//! as the issuer's own, but for the keyed tag on session ids, to which it has no key: an invented session costs it a
//! signature check. Never fetches a key, never says that a session lives.

use std::time::Duration;

use super::{Claims, Expected, Flaw, Screened, screen, session_tag};
use crate::signing_key::KeySet;
use crate::time::Timestamp;

/// Whose tokens a resource server takes, and meant for whom.
///
/// ```
/// # use aws_lc_rs::rand::SystemRandom;
/// # use keyfob_core::access_token::{Claims, Profile, SessionTagger};
/// # use keyfob_core::change::Revision;
/// # use keyfob_core::id::{Incarnation, SessionId, TokenId, UserId};
/// # use keyfob_core::scope::Scope;
/// # use keyfob_core::signing_key::{Algorithm, SigningKey};
/// use std::time::Duration;
///
/// use keyfob_core::access_token::{Flaw, ResourceServer};
/// use keyfob_core::signing_key::KeySet;
/// use keyfob_core::time::Timestamp;
///
/// # let rng = SystemRandom::new();
/// # let key = SigningKey::generate(Algorithm::Es256, &rng)?;
/// # let now = Timestamp::from_seconds(1_700_000_000);
/// # let issuer = "https://auth.example";
/// # let leeway = Duration::from_secs(30);
/// # let profile = Profile { issuer: issuer.into(), audience: issuer.into(), leeway, tagger: SessionTagger::new(&[7; 32]) };
/// # let claims = Claims {
/// #     subject: UserId::new(now, &[1; 10]),
/// #     session: SessionId::new(now, &[2; 10]),
/// #     token_id: TokenId::new(now, &[3; 10]),
/// #     client_id: "keyfob".into(),
/// #     scope: Scope::parse("reports:read")?.into(),
/// #     issued_at: now,
/// #     expires_at: now + Duration::from_secs(900),
/// #     incarnation: Incarnation([4; 16]),
/// # };
/// # let token = profile.sign_at(Revision(41), &claims, &key, &rng)?;
/// # let keys = KeySet::new(vec![key.verifying_key().clone()]);
/// // `keys` are those of the issuer's JWK Set, and `token` was signed by one of them.
/// let mine = ResourceServer {
///     issuer: "https://auth.example".into(),
///     audience: "https://auth.example".into(),
///     leeway: Duration::from_secs(30),
/// };
/// let screened = mine.screen(&token, &keys, now)?;
/// assert_eq!(screened.revision(), Revision(41));
/// assert_eq!(screened.verify()?.subject, claims.subject);
///
/// let another = ResourceServer { audience: "https://other.example".into(), ..mine };
/// assert!(matches!(another.screen(&token, &keys, now), Err(Flaw::Audience)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ResourceServer {
    /// `iss`, exact.
    pub issuer: Box<str>,
    /// `aud`, exact (a token may list several; this one must be among them).
    pub audience: Box<str>,
    /// Allowed clock difference, at most 60 s (more counts as 60 s).
    pub leeway: Duration,
}

impl ResourceServer {
    /// Every check but the signature.
    ///
    /// # Errors
    /// The first [`Flaw`] found.
    pub fn screen<'t, 'k>(&self, token: &'t str, keys: &'k KeySet, now: Timestamp) -> Result<Screened<'t, 'k>, Flaw> {
        let expected = Expected { issuer: &self.issuer, audience: &self.audience, leeway: self.leeway };
        screen(&expected, session_tag::unopened, token, keys, now)
    }

    /// Every check.
    ///
    /// # Errors
    /// The first [`Flaw`] found.
    pub fn verify(&self, token: &str, keys: &KeySet, now: Timestamp) -> Result<Claims, Flaw> {
        self.screen(token, keys, now)?.verify()
    }
}
