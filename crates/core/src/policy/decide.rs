//! The policy decision point (DESIGN §4). Pure; "no" is a value of it, and the only way to a [`Permit`] is through it.
//! Judges what a token proves at `now`; what a route needs is judged by `judge`. Never trusts a grant of another policy.

mod testimony;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::access_token::Claims;
use crate::api_key::ApiKey;
use crate::client::{ClientStatus, KnownClient};
use crate::id::Incarnation;
use crate::refusal::{Reason, Refusal};
use crate::scope::Scope;
use crate::session::Session;
use crate::time::Timestamp;
use crate::user::{KnownUser, Status};

use super::basic::{BasicCaller, BasicEvidence, BasicProof};
use super::judge::{Place, Who};
use super::{Ask, Policy, RouteOptions};
pub use testimony::Testimony;

/// What a request proves about its caller.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// No credentials.
    Nothing,
    /// Another scheme than Bearer.
    OtherScheme,
    /// Credentials that break RFC 6750's form.
    Malformed,
    /// A token that is flawed on its face, or whose session or user does not exist.
    Invalid,
    /// A genuine token, and the facts it names.
    Token(Proof),
    /// A genuine token of a service account, and the client it names.
    Client(ClientProof),
    /// A genuine API key, and the user it acts for.
    Key(KeyProof),
    /// What an issuer says of the caller; there are no facts beside it.
    Testimony(Arc<Testimony>),
    /// An HTTP Basic credential, and what it is worth. On a route that takes none it is another scheme.
    Basic(BasicEvidence),
}

/// A genuine token and the facts it names, as they are now.
#[derive(Clone, Debug)]
pub struct Proof {
    /// What the token says.
    pub claims: Arc<Claims>,
    /// Its session.
    pub session: Session,
    /// Its user.
    pub user: Arc<KnownUser>,
    /// The store's incarnation.
    pub incarnation: Incarnation,
    /// Allowed clock difference.
    pub leeway: Duration,
}

/// A genuine token that a client got for itself (RFC 6749 §4.4), and the client as it is now. There is no user.
#[derive(Clone, Debug)]
pub struct ClientProof {
    /// What the token says.
    pub claims: Arc<Claims>,
    /// Its client.
    pub client: Arc<KnownClient>,
    /// The store's incarnation.
    pub incarnation: Incarnation,
    /// Allowed clock difference.
    pub leeway: Duration,
}

/// A genuine API key and its user, as they are now. There is no session.
#[derive(Clone, Debug)]
pub struct KeyProof {
    /// The key.
    pub key: Arc<ApiKey>,
    /// Its user.
    pub user: Arc<KnownUser>,
    /// The store's incarnation.
    pub incarnation: Incarnation,
}

/// What a caller showed.
#[derive(Clone, Debug)]
pub enum Credential {
    /// An access token: what it says.
    Token(Arc<Claims>),
    /// An API key.
    Key(Arc<ApiKey>),
    /// Whatever it was, this is what its issuer said of it.
    Testimony(Arc<Testimony>),
    /// A username and a password, on a route that still takes them.
    Basic(BasicCaller),
}

impl Credential {
    /// What it may be used for at most, if that may be less than what its user may do.
    fn scope(&self) -> Option<&Scope> {
        match self {
            Self::Token(claims) => Some(&claims.scope),
            Self::Key(key) => Some(&key.scope),
            Self::Testimony(testimony) => Some(testimony.scope()),
            Self::Basic(_) => None,
        }
    }
}

/// Whom a token or key stands for.
#[derive(Clone, Debug)]
enum Principal {
    User(Arc<KnownUser>),
    Client(Arc<KnownClient>),
    Testimony(Arc<Testimony>),
}

/// Who is let through, with which permissions.
#[derive(Clone, Debug)]
pub struct Caller {
    credential: Credential,
    principal: Principal,
    scope: Bytes,
}

impl Caller {
    /// What was shown.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The token's claims; none if the caller showed something else, or only the issuer's word for it is known.
    #[must_use]
    pub fn claims(&self) -> Option<&Arc<Claims>> {
        match &self.credential {
            Credential::Token(claims) => Some(claims),
            Credential::Key(_) | Credential::Testimony(_) | Credential::Basic(_) => None,
        }
    }

    /// The API key, if the caller showed one.
    #[must_use]
    pub fn key(&self) -> Option<&Arc<ApiKey>> {
        match &self.credential {
            Credential::Token(_) | Credential::Testimony(_) | Credential::Basic(_) => None,
            Credential::Key(key) => Some(key),
        }
    }

    /// The user; none if the caller is a service account, or only its issuer's word for it is known.
    #[must_use]
    pub fn user(&self) -> Option<&Arc<KnownUser>> {
        match &self.principal {
            Principal::User(user) => Some(user),
            Principal::Client(_) | Principal::Testimony(_) => None,
        }
    }

    /// The client, if the caller is a service account that is known here.
    #[must_use]
    pub fn client(&self) -> Option<&Arc<KnownClient>> {
        match &self.principal {
            Principal::Client(client) => Some(client),
            Principal::User(_) | Principal::Testimony(_) => None,
        }
    }

    /// The scopes in force for this request, space separated: the user's or the client's, narrowed by the token's or the
    /// key's.
    #[must_use]
    pub fn scope(&self) -> &Bytes {
        &self.scope
    }
}

/// Leave to do exactly one thing. Owns what was judged; made by [`decide`] and nothing else.
#[derive(Debug)]
pub struct Permit {
    ask: Ask,
    caller: Option<Caller>,
    options: Arc<RouteOptions>,
}

impl Permit {
    /// What was judged.
    #[must_use]
    pub fn ask(&self) -> &Ask {
        &self.ask
    }

    /// Who asked; none on a public route without a token.
    #[must_use]
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// What the route wants of the gateway.
    #[must_use]
    pub fn options(&self) -> &RouteOptions {
        &self.options
    }
}

/// The answer.
#[derive(Debug)]
pub enum Decision {
    /// Let it through.
    Allow(Permit),
    /// Do not, and say why.
    Refuse(Refusal),
}

/// Judge one request.
///
/// ```
/// use keyfob_core::policy::{Ask, Decision, Evidence, Policy, decide};
/// use keyfob_core::refusal::Profile;
/// use keyfob_core::time::Timestamp;
///
/// let policy = Policy::parse("[[routes]]\npath = \"/news\"\nmethods = [\"GET\"]\npublic = true", 1)?;
/// let now = Timestamp::from_seconds(1_800_000_000);
///
/// let ask = Ask::parse("GET", "api.example.com", b"/news?page=2")?;
/// let Decision::Allow(permit) = decide(&policy, ask, &Evidence::Nothing, now) else { panic!("it is public") };
/// assert_eq!(permit.ask().target(), "/news?page=2");
///
/// let ask = Ask::parse("POST", "api.example.com", b"/news")?;
/// let Decision::Refuse(refusal) = decide(&policy, ask, &Evidence::Nothing, now) else { panic!("only GET is") };
/// assert_eq!(refusal.status(Profile::Uniform), 401);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn decide(policy: &Policy, ask: Ask, evidence: &Evidence, now: Timestamp) -> Decision {
    match admit(policy, &ask, evidence, now) {
        Ok((caller, options)) => Decision::Allow(Permit { ask, caller, options }),
        Err(refusal) => Decision::Refuse(refusal),
    }
}

/// Judge a request to one of keyfob's own self-service endpoints: any signed-in user, whatever the routes say.
/// The same checks of token, session and user as [`decide`], and the same refusals.
#[must_use]
pub fn decide_signed_in(policy: &Policy, ask: Ask, evidence: &Evidence, now: Timestamp) -> Decision {
    if ask.keeps_escapes() {
        return refuse(Reason::AmbiguousTarget);
    }
    match identify(policy, evidence, now) {
        // It is nobody's account that a service account could look after.
        Ok(Some(caller)) if caller.user().is_none() => refuse(Reason::Insufficient { scope: None }),
        Ok(Some(caller)) => Decision::Allow(Permit { ask, caller: Some(caller), options: Arc::clone(&policy.plain) }),
        Ok(None) => refuse(Reason::NoCredentials),
        Err(reason) => refuse(reason),
    }
}

/// Judge a request to one of keyfob's own endpoints that needs the scope `needed`, of a user or a service account.
#[must_use]
pub fn decide_scoped(policy: &Policy, ask: Ask, evidence: &Evidence, needed: &str, now: Timestamp) -> Decision {
    if ask.keeps_escapes() {
        return refuse(Reason::AmbiguousTarget);
    }
    match identify(policy, evidence, now) {
        Ok(Some(caller)) if caller.who().holds(needed) => {
            Decision::Allow(Permit { ask, caller: Some(caller), options: Arc::clone(&policy.plain) })
        }
        Ok(Some(_)) => refuse(Reason::Insufficient { scope: Some(needed.into()) }),
        Ok(None) => refuse(Reason::NoCredentials),
        Err(reason) => refuse(reason),
    }
}

/// Whom the evidence shows, if anybody, at any door: for introspection and revocation, which ask about a token and not
/// about a request. The same checks as [`decide`].
///
/// ```
/// use keyfob_core::policy::{Evidence, Policy, caller_of};
/// use keyfob_core::time::Timestamp;
///
/// let now = Timestamp::from_seconds(1_800_000_000);
/// assert!(caller_of(&Policy::signed_in(1), &Evidence::Invalid, now).is_none());
/// ```
#[must_use]
pub fn caller_of(policy: &Policy, evidence: &Evidence, now: Timestamp) -> Option<Caller> {
    identify(policy, evidence, now).ok().flatten()
}

/// Who is let in, if anybody has to be named, and what the route wants of the gateway.
fn admit(
    policy: &Policy,
    ask: &Ask,
    evidence: &Evidence,
    now: Timestamp,
) -> Result<(Option<Caller>, Arc<RouteOptions>), Refusal> {
    let place = policy.place(ask);
    // A path with two readings is judged by nobody's permissions; only a route that opts in has one reading for it.
    if ask.keeps_escapes() && !place.takes_escapes() {
        return Err(Refusal::of(Reason::AmbiguousTarget));
    }
    let refusal = |reason| Refusal { reason, deny: place.deny() };
    let caller = match evidence {
        Evidence::Basic(worth) => identify_basic(policy, &place, worth, now),
        other => identify(policy, other, now),
    };
    let caller = caller.map_err(refusal)?;
    policy.judge(&place, caller.as_ref().map(Caller::who)).map_err(|lack| match lack.reason() {
        Reason::NoCredentials => refusal(no_credentials(&place, evidence, now)),
        reason => refusal(reason),
    })?;
    let options = place.rule.map_or(&policy.plain, |rule| &rule.options);
    Ok((caller, Arc::clone(options)))
}

fn refuse(reason: Reason) -> Decision {
    Decision::Refuse(Refusal::of(reason))
}

/// Who comes with HTTP Basic: nobody, where the route takes none at `now`.
fn identify_basic(
    policy: &Policy,
    place: &Place<'_, '_>,
    worth: &BasicEvidence,
    now: Timestamp,
) -> Result<Option<Caller>, Reason> {
    let Some(until) = place.rule.and_then(|rule| rule.takes_basic(now)) else { return Ok(None) };
    match worth {
        BasicEvidence::Right(proof) if proof.holds() => Ok(Some(Caller::of_basic(policy, proof, until))),
        BasicEvidence::TooMany(wait) => Err(Reason::TooManyAttempts { retry_after: *wait }),
        // Unchecked: the window opened after the credential was read. The next request is checked.
        BasicEvidence::Right(_) | BasicEvidence::Wrong | BasicEvidence::Unchecked => Err(Reason::BasicFailed),
    }
}

/// How to say that credentials are missing: where Basic is taken it is offered, and where it was, that is said to who sends it.
fn no_credentials(place: &Place<'_, '_>, evidence: &Evidence, now: Timestamp) -> Reason {
    let Some(rule) = place.rule.filter(|rule| rule.basic.is_some()) else { return Reason::NoCredentials };
    match (rule.takes_basic(now), evidence) {
        (Some(_), _) => Reason::NoCredentialsYet,
        (None, Evidence::Basic(_)) => Reason::BasicEnded,
        (None, _) => Reason::NoCredentials,
    }
}

/// Who the evidence shows, if anybody. Bad credentials are refused even where none are needed.
fn identify(policy: &Policy, evidence: &Evidence, now: Timestamp) -> Result<Option<Caller>, Reason> {
    match evidence {
        Evidence::Nothing | Evidence::OtherScheme | Evidence::Basic(_) => Ok(None),
        Evidence::Malformed => Err(Reason::Malformed),
        Evidence::Token(proof) if proof.holds(now) => Ok(Some(Caller::new(policy, proof))),
        Evidence::Client(proof) if proof.holds(now) => Ok(Some(Caller::of_client(proof))),
        Evidence::Key(proof) if proof.holds(now) => Ok(Some(Caller::of_key(policy, proof))),
        Evidence::Testimony(testimony) if testimony.holds(now) => Ok(Some(Caller::of_testimony(testimony))),
        Evidence::Invalid | Evidence::Token(_) | Evidence::Client(_) | Evidence::Key(_) | Evidence::Testimony(_) => {
            Err(Reason::InvalidToken)
        }
    }
}

impl Proof {
    /// Whether token, session and user belong together and are all good at `now`.
    fn holds(&self, now: Timestamp) -> bool {
        let Self { claims, session, user, incarnation, leeway } = self;
        claims.incarnation == *incarnation
            && now < claims.expires_at + *leeway
            && session.id == claims.session
            && session.user == claims.subject
            && session.is_live(now, *leeway)
            && user.user.id == claims.subject
            && may_act(user)
    }
}

impl ClientProof {
    /// Whether token and client belong together and are both good at `now`.
    fn holds(&self, now: Timestamp) -> bool {
        let Self { claims, client, incarnation, leeway } = self;
        let client = &client.client;
        claims.incarnation == *incarnation
            && now < claims.expires_at + *leeway
            && claims.service_account() == Some(client.id)
            && claims.session == client.session
            && client.status == ClientStatus::Active
    }
}

impl KeyProof {
    /// Whether key and user belong together and are both good at `now`. No leeway: one clock set the date and reads it.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        let Self { key, user, incarnation } = self;
        key.is_live(now, *incarnation) && key.user == user.user.id && may_act(user)
    }
}

/// Whether a user may be let through anywhere.
pub(super) fn may_act(user: &KnownUser) -> bool {
    user.user.status == Status::Active
}

impl Caller {
    fn new(policy: &Policy, proof: &Proof) -> Self {
        let user = under(policy, &proof.user);
        let scope = narrowed(&user.grant.scope, &user.grant.text, &proof.claims.scope);
        let credential = Credential::Token(Arc::clone(&proof.claims));
        Self { credential, principal: Principal::User(user), scope }
    }

    fn of_client(proof: &ClientProof) -> Self {
        let ClientProof { claims, client, .. } = proof;
        let scope = narrowed(&client.client.scope, &client.scope_text, &claims.scope);
        let credential = Credential::Token(Arc::clone(claims));
        Self { credential, principal: Principal::Client(Arc::clone(client)), scope }
    }

    fn of_key(policy: &Policy, proof: &KeyProof) -> Self {
        let user = under(policy, &proof.user);
        let scope = narrowed(&user.grant.scope, &user.grant.text, &proof.key.scope);
        Self { credential: Credential::Key(Arc::clone(&proof.key)), principal: Principal::User(user), scope }
    }

    fn of_basic(policy: &Policy, proof: &BasicProof, until: Timestamp) -> Self {
        let user = under(policy, &proof.user);
        let (scope, auth_version) = (user.grant.text.clone(), proof.auth_version);
        let credential = Credential::Basic(BasicCaller { user: user.user.id, auth_version, until });
        Self { credential, principal: Principal::User(user), scope }
    }

    fn who(&self) -> Who<'_> {
        let carried = self.credential.scope();
        match &self.principal {
            Principal::User(user) => Who::user(user, carried),
            Principal::Client(client) => Who::client(client, carried),
            Principal::Testimony(testimony) => testimony.who(),
        }
    }
}

/// The user with what the policy in force grants it.
fn under(policy: &Policy, user: &Arc<KnownUser>) -> Arc<KnownUser> {
    if user.grant.policy_version == policy.version() {
        return Arc::clone(user);
    }
    // Cached under another policy: what it grants may be more than the policy in force does.
    Arc::new(policy.know(user.user.clone()))
}

/// What is granted, narrowed by what the token carries, as text. Equal is the common case and costs one comparison; a
/// token of wider scope gives no more than the grant.
fn narrowed(granted: &Scope, text: &Bytes, carried: &Scope) -> Bytes {
    if granted == carried || granted.is_subset_of(carried) {
        return text.clone();
    }
    Bytes::from(granted.intersection(carried).to_string())
}
