//! What an issuer says of a caller, to a guard that has no facts of its own: the claims of a token whose signature was
//! checked (RFC 9068 §4), or the answer of introspection (RFC 7662 §2.2). Whether the issuer is to be believed was judged
//! before. Also what every [`Caller`] can be asked, whatever is known of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Caller, Principal, Who};
use crate::access_token::Claims;
use crate::id::{SessionId, UserId};
use crate::policy::grant;
use crate::scope::Scope;
use crate::time::Timestamp;
use crate::user::Username;

/// What an issuer says of a caller.
///
/// ```
/// use keyfob_core::id::UserId;
/// use keyfob_core::policy::{Evidence, Policy, Testimony, caller_of};
/// use keyfob_core::scope::Scope;
/// use keyfob_core::time::Timestamp;
/// use keyfob_core::user::Username;
/// use std::time::Duration;
///
/// let now = Timestamp::from_seconds(1_800_000_000);
/// let testimony = Testimony::new(UserId::from_bytes([1; 16]), Scope::parse("reports:read")?, now)
///     .named(Username::parse("alice")?)
///     .with_leeway(Duration::from_secs(30));
/// let evidence = Evidence::Testimony(testimony.into());
/// let caller = caller_of(&Policy::signed_in(1), &evidence, now).expect("within the leeway");
/// assert_eq!(caller.username(), Some("alice"));
/// assert!(caller.holds("reports:read") && !caller.holds("reports:write"));
///
/// assert!(caller_of(&Policy::signed_in(1), &evidence, now + Duration::from_secs(30)).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Testimony {
    subject: UserId,
    username: Option<Username>,
    client_id: Option<Box<str>>,
    session: Option<SessionId>,
    service_account: bool,
    scope: Scope,
    expires_at: Timestamp,
    leeway: Duration,
    subject_header: Bytes,
    name_header: Option<Bytes>,
    scope_text: Bytes,
}

impl Testimony {
    /// The caller is `subject` and holds `scope`, until `expires_at`.
    #[must_use]
    pub fn new(subject: UserId, scope: Scope, expires_at: Timestamp) -> Self {
        Self {
            subject,
            username: None,
            client_id: None,
            session: None,
            service_account: false,
            subject_header: subject.to_string().into(),
            name_header: None,
            scope_text: scope.to_string().into(),
            scope,
            expires_at,
            leeway: Duration::ZERO,
        }
    }

    /// What a token says whose signature is the issuer's.
    #[must_use]
    pub fn of_claims(claims: &Claims, leeway: Duration) -> Self {
        let mut testimony = Self::new(claims.subject, claims.scope.scope.clone(), claims.expires_at)
            .issued_to(&claims.client_id)
            .of_session(claims.session)
            .with_leeway(leeway);
        testimony.service_account = claims.service_account().is_some();
        testimony
    }

    /// The user's name.
    #[must_use]
    pub fn named(self, username: Username) -> Self {
        Self { name_header: Some(grant::name_header(&username)), username: Some(username), ..self }
    }

    /// The client that the token was issued to. A service account is its own client (RFC 9068 §2.2).
    #[must_use]
    pub fn issued_to(self, client_id: &str) -> Self {
        let service_account = client_id.as_bytes() == &*self.subject_header;
        Self { client_id: Some(client_id.into()), service_account, ..self }
    }

    /// The session that the token was minted from.
    #[must_use]
    pub fn of_session(self, session: SessionId) -> Self {
        Self { session: Some(session), ..self }
    }

    /// How wrong a clock may be; more than a minute counts as a minute.
    #[must_use]
    pub fn with_leeway(self, leeway: Duration) -> Self {
        Self { leeway: leeway.min(Duration::from_mins(1)), ..self }
    }

    /// `sub`.
    #[must_use]
    pub fn subject(&self) -> UserId {
        self.subject
    }

    /// `client_id`, if the issuer said one.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// `sid`, if the issuer said one.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// `exp`.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// What the caller may do.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether it is to be believed at `now`.
    pub(super) fn holds(&self, now: Timestamp) -> bool {
        now < self.expires_at + self.leeway
    }

    pub(super) fn who(&self) -> Who<'_> {
        let username = self.username.as_ref().map(Username::as_str);
        Who { subject: &self.subject_header, username, granted: &self.scope, carried: None }
    }
}

impl Caller {
    pub(super) fn of_testimony(testimony: &Arc<Testimony>) -> Self {
        Self {
            credential: super::Credential::Testimony(Arc::clone(testimony)),
            principal: Principal::Testimony(Arc::clone(testimony)),
            scope: testimony.scope_text.clone(),
        }
    }

    /// What its issuer said of the caller, if that is all that is known.
    #[must_use]
    pub fn testimony(&self) -> Option<&Arc<Testimony>> {
        match &self.principal {
            Principal::Testimony(testimony) => Some(testimony),
            Principal::User(_) | Principal::Client(_) => None,
        }
    }

    /// `sub` as text: the user's id, or the client's of a service account. `X-Auth-Subject`.
    #[must_use]
    pub fn subject(&self) -> &Bytes {
        match &self.principal {
            Principal::User(user) => &user.subject_header,
            Principal::Client(client) => &client.subject_header,
            Principal::Testimony(testimony) => &testimony.subject_header,
        }
    }

    /// The canonical username; none for a service account, and where its issuer did not say it: tokens do not.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.who().username
    }

    /// The username as percent-encoded UTF-8: `X-Auth-User`.
    #[must_use]
    pub fn name_header(&self) -> Option<&Bytes> {
        match &self.principal {
            Principal::User(user) => Some(&user.name_header),
            Principal::Client(_) => None,
            Principal::Testimony(testimony) => testimony.name_header.as_ref(),
        }
    }

    /// Whether the caller is a program that acts for itself (RFC 6749 §4.4), not for a user.
    #[must_use]
    pub fn is_service_account(&self) -> bool {
        match &self.principal {
            Principal::User(_) => false,
            Principal::Client(_) => true,
            Principal::Testimony(testimony) => testimony.service_account,
        }
    }

    /// Whether the caller may use the scope `name` for this request.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        self.who().holds(name)
    }
}
