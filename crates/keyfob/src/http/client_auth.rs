//! Client authentication (RFC 6749 §2.3.1): HTTP Basic, id and secret form-decoded, or `client_id` and `client_secret` in
//! the form. One method a request (§2.3). Secrets are compared as digests, in constant time, and an unknown client takes
//! the same steps as a wrong secret. Guessing needs no throttle: a secret has 192 random bits. Never logs what was sent.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use keyfob_core::client::KnownClient;
use keyfob_core::id::ClientId;
use keyfob_core::opaque::{Digest, Kind, Opaque};
use keyfob_core::secret::Secret;
use keyfob_tower::guard::CannotTell;
use zeroize::Zeroizing;

use super::login;
use super::oauth::OAuthError;
use crate::app::App;
use crate::verify::StoreVerifier;

/// How a request says which client sends it.
#[derive(Debug)]
pub(super) enum Credentials {
    /// It does not.
    Nothing,
    /// `client_id` alone: a public client (RFC 6749 §2.1), which proves nothing.
    Public(String),
    /// An id and a secret.
    Confidential(Presented),
    /// An `Authorization` field of another scheme than Basic.
    OtherScheme,
}

/// An id and a secret as presented.
#[derive(Debug)]
pub(super) struct Presented {
    id: String,
    secret: Secret,
    /// Whether HTTP Basic was used: then the refusal has a challenge (RFC 6749 §5.2).
    pub(super) basic: bool,
}

/// Why the credentials cannot be read (`invalid_request`). One fixed sentence; nothing of the request is echoed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl Credentials {
    /// Read them from the header fields and the two form parameters.
    pub(super) fn read(
        headers: &HeaderMap,
        form_id: Option<String>,
        form_secret: Option<Secret>,
    ) -> Result<Self, Malformed> {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let field = fields.next();
        if fields.next().is_some() {
            return Err(Malformed("Authorization is there twice"));
        }
        let Some(basic) = field.map(basic_of).transpose()? else { return of_form(form_id, form_secret) };
        if form_secret.is_some() {
            return Err(Malformed("authenticate in one way: Authorization, or client_secret"));
        }
        let Some(presented) = basic else { return Ok(Self::OtherScheme) };
        if form_id.is_some_and(|id| id != presented.id) {
            return Err(Malformed("client_id is another one than in Authorization"));
        }
        Ok(Self::Confidential(presented))
    }
}

fn of_form(id: Option<String>, secret: Option<Secret>) -> Result<Credentials, Malformed> {
    match (id, secret) {
        (None, None) => Ok(Credentials::Nothing),
        (Some(id), None) => Ok(Credentials::Public(id)),
        (Some(id), Some(secret)) => Ok(Credentials::Confidential(Presented { id, secret, basic: false })),
        (None, Some(_)) => Err(Malformed("client_secret needs client_id")),
    }
}

/// `Basic` (RFC 7617) with both halves form-encoded; `None` if the scheme is another one.
fn basic_of(field: &HeaderValue) -> Result<Option<Presented>, Malformed> {
    const BROKEN: Malformed = Malformed("the Basic credentials cannot be read");
    let field = field.to_str().map_err(|_| Malformed("Authorization cannot be read"))?;
    let (scheme, encoded) = field.split_once(' ').unwrap_or((field, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let pair = Zeroizing::new(STANDARD.decode(encoded.trim_matches(' ')).map_err(|_| BROKEN)?);
    let pair = std::str::from_utf8(&pair).map_err(|_| BROKEN)?;
    let (id, secret) = pair.split_once(':').ok_or(BROKEN)?;
    let id = form_decoded(id).ok_or(BROKEN)?;
    let secret = Secret::new(form_decoded(secret).ok_or(BROKEN)?);
    Ok(Some(Presented { id, secret, basic: true }))
}

/// `application/x-www-form-urlencoded` (RFC 6749 appendix B), one value: `+` is a space, `%` begins an escape.
fn form_decoded(text: &str) -> Option<String> {
    let spaced = Zeroizing::new(text.replace('+', " "));
    percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// The registered client that asks, or `None` for the built-in public one, which proves nothing but what it has.
///
/// # Errors
/// `invalid_client` for anybody else, and "could not tell".
pub(super) async fn registered_or_public(
    app: &App,
    credentials: Credentials,
) -> Result<Option<Arc<KnownClient>>, OAuthError> {
    match credentials {
        Credentials::Confidential(presented) => required(app, &presented).await.map(Some),
        Credentials::Nothing => Ok(None),
        Credentials::Public(id) if id == login::CLIENT_ID => Ok(None),
        Credentials::Public(_) => Err(OAuthError::invalid_client(app, false)),
        Credentials::OtherScheme => Err(OAuthError::invalid_client(app, true)),
    }
}

/// The client that `presented` proves.
///
/// # Errors
/// `invalid_client` if it proves none, and "could not tell".
pub(super) async fn required(app: &App, presented: &Presented) -> Result<Arc<KnownClient>, OAuthError> {
    let client = authenticate(&app.verifier, presented).await?;
    client.ok_or_else(|| OAuthError::invalid_client(app, presented.basic))
}

/// The client that `presented` proves; `None` if it proves none.
async fn authenticate(verifier: &StoreVerifier, presented: &Presented) -> Result<Option<Arc<KnownClient>>, CannotTell> {
    // Neither an id nor a secret of ours costs a look anywhere, whoever is meant.
    let Ok(id) = presented.id.parse::<ClientId>() else { return Ok(None) };
    let Some(secret) = Opaque::parse_as(Kind::Client, presented.secret.expose()) else { return Ok(None) };
    let digest = secret.digest();
    if let Some(client) = verifier.facts.client_hit(id).filter(|client| client.is_proven_by(&digest)) {
        return Ok(Some(client));
    }
    // Not from memory: every failure costs one read of the store and one comparison, whether there is such a client or
    // not. One that succeeds is remembered by this.
    let found = verifier.client_from_store(id).await?;
    let compared = found.as_ref().map_or_else(|| nobody(&digest), |client| client.is_proven_by(&digest));
    if found.is_none() || !compared {
        return Ok(None);
    }
    verifier.client(id).await.map(|client| client.filter(|client| client.is_proven_by(&digest)))
}

/// The comparison for a client that is not there.
fn nobody(presented: &Digest) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(&[0; 32], &presented.0).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap())).collect()
    }

    fn basic(pair: &str) -> HeaderMap {
        headers(&[&format!("Basic {}", STANDARD.encode(pair))])
    }

    fn presented(credentials: Result<Credentials, Malformed>) -> (String, String, bool) {
        match credentials {
            Ok(Credentials::Confidential(Presented { id, secret, basic })) => (id, secret.expose().to_owned(), basic),
            other => panic!("{other:?}"),
        }
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn basic_credentials_are_form_decoded() {
        let read = |pair: &str| presented(Credentials::read(&basic(pair), None, None));
        assert_eq!(
            read("s6BhdRkqt3:7Fjfp0ZBr1KtDRbnfVdmIw"),
            ("s6BhdRkqt3".into(), "7Fjfp0ZBr1KtDRbnfVdmIw".into(), true)
        );
        assert_eq!(read("a%3Ab+c:p%25+%3a%C3%A9"), ("a:b c".into(), "p% :é".into(), true));
        assert_eq!(read("a:b:c"), ("a".into(), "b:c".into(), true));
        let lower = headers(&[&format!("bAsIc  {}", STANDARD.encode("a:b"))]);
        assert_eq!(presented(Credentials::read(&lower, None, None)), ("a".into(), "b".into(), true));
    }

    #[test]
    fn form_credentials_are_taken_and_an_id_alone_is_a_public_client() {
        let none = HeaderMap::new();
        let both = Credentials::read(&none, Some("a".to_owned()), Some(secret("b")));
        assert_eq!(presented(both), ("a".into(), "b".into(), false));
        assert!(
            matches!(Credentials::read(&none, Some("keyfob".to_owned()), None), Ok(Credentials::Public(id)) if id == "keyfob")
        );
        assert!(matches!(Credentials::read(&none, None, None), Ok(Credentials::Nothing)));
        assert!(matches!(Credentials::read(&headers(&["Bearer t"]), None, None), Ok(Credentials::OtherScheme)));
        assert_eq!(
            presented(Credentials::read(&basic("a:b"), Some("a".to_owned()), None)).0,
            "a",
            "said twice, the same"
        );
    }

    #[test]
    fn two_ways_at_once_or_a_broken_one_are_malformed() {
        for (headers, id, secret) in [
            (basic("a:b"), None, Some(secret("b"))),
            (basic("a:b"), Some("a".to_owned()), Some(secret("b"))),
            (basic("a:b"), Some("other".to_owned()), None),
            (headers(&["Bearer t"]), Some("a".to_owned()), Some(secret("b"))),
            (headers(&["Basic YTpi", "Basic YTpi"]), None, None),
            (HeaderMap::new(), None, Some(secret("b"))),
            (headers(&["Basic"]), None, None),
            (headers(&["Basic YTpi YTpi"]), None, None),
            (headers(&["Basic !"]), None, None),
            (basic("no colon"), None, None),
            (basic("a:%ff"), None, None),
            (headers(&["Basic /zo6"]), None, None),
        ] {
            assert!(Credentials::read(&headers, id, secret).is_err(), "{headers:?}");
        }
    }
}
