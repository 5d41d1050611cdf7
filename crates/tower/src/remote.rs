//! Requests to the issuer: small forms, small answers, each within its time. Authenticates as a client by HTTP Basic (RFC 6749
//! §2.3.1). Never follows a redirect: what it sends is for the issuer alone.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use keyfob_core::secret::Secret;
use rustls::{ClientConfig, RootCertStore};

use crate::issuer::SetupProblem;

/// Why there is no answer. Holds nothing of what was sent.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The connection cannot be made, or broke.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("it did not answer in time")]
    Late,
    /// The answer is longer than any should be.
    #[error("its answer is too long")]
    TooLong,
    /// The answer has another status than it should.
    #[error("it answered {0}")]
    Status(u16),
    /// The answer cannot be read.
    #[error("its answer cannot be read")]
    Unreadable,
}

/// The issuer, as it is reached.
pub(crate) struct Remote {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: Box<str>,
    authorization: Option<HeaderValue>,
    patience: Duration,
}

impl Remote {
    pub(crate) fn new(
        origin: &str,
        prefix: &str,
        client: Option<(&str, &Secret)>,
        patience: Duration,
    ) -> Result<Self, SetupProblem> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(patience));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(origin.starts_with("https:"))?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            base: format!("{origin}{prefix}").into(),
            authorization: client.map(basic).transpose()?,
            patience,
        })
    }

    /// What a `GET` of `path` gives, at most `max` bytes.
    pub(crate) async fn read(&self, path: &str, max: usize) -> Result<(StatusCode, Bytes), Trouble> {
        self.send(Method::GET, path, None, max).await
    }

    /// What posting a form to `path` gives, at most `max` bytes.
    pub(crate) async fn post(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        max: usize,
    ) -> Result<(StatusCode, Bytes), Trouble> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(Method::POST, path, Some(form), max).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        form: Option<String>,
        max: usize,
    ) -> Result<(StatusCode, Bytes), Trouble> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        request = request.header(ACCEPT, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if form.is_some() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let body = Full::new(Bytes::from(form.unwrap_or_default()));
        let request = request.body(body).map_err(|error| Trouble::Unreachable(error.to_string()))?;
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| Trouble::Unreachable(causes(&error)))?;
            let status = answer.status();
            match Limited::new(answer.into_body(), max).collect().await {
                Ok(body) => Ok((status, body.to_bytes())),
                Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Trouble::TooLong),
                Err(error) => Err(Trouble::Unreachable(error.to_string())),
            }
        };
        tokio::time::timeout(self.patience, exchange).await.map_err(|_| Trouble::Late)?
    }
}

/// An error with what caused it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// RFC 6749 §2.3.1: both halves form-encoded.
fn basic((id, secret): (&str, &Secret)) -> Result<HeaderValue, SetupProblem> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Secret::new(format!("{}:{}", encoded(id), encoded(secret.expose())));
    let field = Secret::new(format!("Basic {}", STANDARD.encode(pair.expose())));
    let mut value = HeaderValue::from_str(field.expose()).map_err(|_| SetupProblem::Client)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The system's roots, read only where TLS is spoken.
fn tls(needed: bool) -> Result<ClientConfig, SetupProblem> {
    let problem = |error: String| SetupProblem::Tls(error);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| problem(error.to_string()))?;
    let builder = if needed {
        builder.with_native_roots().map_err(|error| problem(error.to_string()))?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}
