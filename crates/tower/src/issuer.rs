//! Where the issuer is and how its tokens are judged: three ways, from "ask about each" to "take its word". One builder for
//! all. Never sends a secret in the clear, unless told so or over the loopback interface.
//!
//! | verifier | a revoked token is refused | for each request | without the issuer |
//! |---|---|---|---|
//! | [`Issuer::introspect`] | at once | one remote call | 503 |
//! | [`Issuer::jwks`] | when it expires | nothing | goes on |
//! | [`Issuer::follow`] | at once, before the revocation is acknowledged | nothing | goes on for two seconds, then 503 |

use std::sync::Arc;
use std::time::Duration;

use keyfob_core::access_token::ResourceServer;
use keyfob_core::policy::Policy;
use keyfob_core::refusal::Profile;
use keyfob_core::secret::Secret;

use crate::follow::Follow;
use crate::introspect::Introspect;
use crate::jwks::Jwks;
use crate::layer::RequireToken;
use crate::refusal::Style;
use crate::remote::{Remote, Trouble};

/// Tokens whose contents are remembered: a quarter of a kilobyte each.
const TOKENS: usize = 100_000;

/// Why a guard cannot be set up. Each message says what to change.
#[derive(Debug, thiserror::Error)]
pub enum SetupProblem {
    /// The address is not an `https://` or `http://` origin.
    #[error("the issuer must be an https:// or http:// origin without a path: {0:?}")]
    Origin(String),
    /// A secret would cross a network in the clear.
    #[error("the issuer's address is http:// and not on this machine: use https://, or say allow_plaintext()")]
    Plaintext,
    /// Introspection and following need a client.
    #[error("say which client asks: client(id, secret), as `keyfob client add` gave them")]
    NoClient,
    /// The client's id or secret cannot be sent.
    #[error("the client's id or secret has characters that none has")]
    Client,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The issuer does not answer as it should.
    #[error("the issuer does not answer as it should: {0}")]
    Issuer(#[from] Trouble),
    /// The issuer refuses the client.
    #[error("the issuer refuses this client ({0}): see its id, its secret, and that it has the scope keyfob:follow")]
    Refused(u16),
}

/// A keyfob that issues tokens.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use keyfob_tower::{extract::Caller, issuer::Issuer, scope::RequireScope};
///
/// # async fn run(id: &str, secret: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let guard = Issuer::at("https://auth.example")?.client(id, secret).follow().await?;
/// let reports = get(async |_: Caller| "sunny").layer(RequireScope::new("reports:read")?);
/// let app = guard.around(Router::new().route("/reports", reports));
/// # axum::serve(tokio::net::TcpListener::bind("127.0.0.1:0").await?, app).await?;
/// # Ok(())
/// # }
/// ```
pub struct Issuer {
    origin: Box<str>,
    plain: bool,
    allow_plaintext: bool,
    prefix: Box<str>,
    name: Box<str>,
    audience: Option<Box<str>>,
    client: Option<(Box<str>, Secret)>,
    leeway: Duration,
    patience: Duration,
    style: Style,
    policy: Arc<Policy>,
}

impl Issuer {
    /// The keyfob that is reached at `origin`, such as `https://auth.example`. Its name, which its tokens carry as `iss` and
    /// `aud`, is taken to be the same: else say [`Issuer::named`].
    ///
    /// # Errors
    /// [`SetupProblem::Origin`].
    pub fn at(origin: &str) -> Result<Self, SetupProblem> {
        let trimmed = origin.strip_suffix('/').unwrap_or(origin);
        let problem = || SetupProblem::Origin(origin.to_owned());
        let uri: http::Uri = trimmed.parse().map_err(|_| problem())?;
        let host = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(problem)?;
        let bare = uri.path_and_query().is_none_or(|path| path.as_str() == "/");
        let plain = match uri.scheme_str() {
            Some("https") => false,
            Some("http") => true,
            _ => return Err(problem()),
        };
        if !bare {
            return Err(problem());
        }
        let style = Style { profile: Profile::default(), realm: host.as_str().into(), resource_metadata: None };
        Ok(Self {
            origin: trimmed.into(),
            plain: plain && !is_loopback(host.host()),
            allow_plaintext: false,
            prefix: "/auth".into(),
            name: trimmed.into(),
            audience: None,
            client: None,
            leeway: Duration::from_secs(30),
            patience: Duration::from_secs(5),
            style,
            policy: Arc::new(Policy::signed_in(1)),
        })
    }

    /// `iss` of its tokens, where that is not the address it is reached at: the `public-url` of its settings.
    #[must_use]
    pub fn named(self, issuer: &str) -> Self {
        Self { name: issuer.into(), ..self }
    }

    /// `aud` of the tokens that are taken; the issuer's own name by default.
    #[must_use]
    pub fn audience(self, audience: &str) -> Self {
        Self { audience: Some(audience.into()), ..self }
    }

    /// Where its endpoints are; `/auth` by default.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// The client that this service is to the issuer, as `keyfob client add` gave it.
    #[must_use]
    pub fn client(self, id: &str, secret: &str) -> Self {
        Self { client: Some((id.into(), Secret::new(secret.to_owned()))), ..self }
    }

    /// How far its clock and this one may be apart: 30 s by default, at most a minute.
    #[must_use]
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { leeway: leeway.min(crate::cache::LEEWAY_MAX), ..self }
    }

    /// How long one answer may take: 5 s by default.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// How refusals look: realm and status profile.
    #[must_use]
    pub fn refusals(mut self, profile: Profile, realm: &str) -> Self {
        self.style.profile = profile;
        self.style.realm = realm.into();
        self
    }

    /// Routes and what they need; any caller may go anywhere by default. Its roles mean nothing here: scopes come from the issuer.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy: Arc::new(policy), ..self }
    }

    /// Speak to an `http://` issuer across a network, where something else keeps strangers from listening.
    #[must_use]
    pub fn allow_plaintext(self) -> Self {
        Self { allow_plaintext: true, ..self }
    }

    /// Ask about every token (RFC 7662). Whatever changes, changes here at once.
    ///
    /// # Errors
    /// [`SetupProblem`].
    pub fn introspect(self) -> Result<RequireToken<Introspect>, SetupProblem> {
        let verifier = Introspect::new(self.remote(true)?, self.server(), self.policy);
        Ok(RequireToken::new(Arc::new(verifier), self.style))
    }

    /// Take its word for as long as a token lives (RFC 9068 §4): what is revoked is accepted until it expires. API keys are
    /// refused. The keys are read now and every five minutes.
    ///
    /// # Errors
    /// [`SetupProblem`].
    pub async fn jwks(self) -> Result<RequireToken<Jwks>, SetupProblem> {
        let remote = self.remote(false)?;
        let verifier = Jwks::fetch(remote, self.server(), self.policy, TOKENS).await?;
        Ok(RequireToken::new(Arc::new(verifier), self.style))
    }

    /// Follow it: the denials come here, and a revocation is acknowledged only when this service refuses what was revoked. API
    /// keys are asked about. Returns when the first answer is there.
    ///
    /// # Errors
    /// [`SetupProblem`].
    pub async fn follow(self) -> Result<RequireToken<Follow>, SetupProblem> {
        let ask = Introspect::new(self.remote(true)?, self.server(), self.policy.clone());
        let verifier = Follow::start(self.remote(true)?, self.server(), ask, TOKENS, self.patience).await?;
        Ok(RequireToken::new(verifier, self.style))
    }

    fn server(&self) -> ResourceServer {
        let audience = self.audience.clone().unwrap_or_else(|| self.name.clone());
        ResourceServer { issuer: self.name.clone(), audience, leeway: self.leeway }
    }

    fn remote(&self, authenticates: bool) -> Result<Remote, SetupProblem> {
        if self.plain && !self.allow_plaintext {
            return Err(SetupProblem::Plaintext);
        }
        let client = match (&self.client, authenticates) {
            (_, false) => None,
            (Some((id, secret)), true) => Some((&**id, secret)),
            (None, true) => return Err(SetupProblem::NoClient),
        };
        Remote::new(&self.origin, &self.prefix, client, self.patience)
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}
