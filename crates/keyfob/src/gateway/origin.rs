//! Where the API is, and how to reach it: one `http://` or `https://` origin. TLS is verified against the system's
//! roots or one private authority, never skipped.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderValue;
use http::uri::Scheme;
use hyper_rustls::ConfigBuilderExt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why a gateway cannot be built. Each message says what to change.
#[derive(Debug, thiserror::Error)]
pub enum GatewayProblem {
    /// The upstream is not an `http://` or `https://` origin without a path.
    #[error("upstream must be an http:// or https:// origin without a path")]
    Origin,
    /// The private authority's file cannot be read or holds no certificate.
    #[error("cannot read certificates from {}: {reason}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system has no trusted certificates.
    #[error("no system certificates for an https:// upstream: {0}")]
    SystemRoots(#[source] std::io::Error),
    /// The TLS library refused its own configuration.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

pub(super) struct Origin {
    host: Box<str>,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Origin {
    /// The origin of `uri`, and the `Host` it goes by.
    pub(super) fn new(
        uri: &http::Uri,
        authority: Option<&Path>,
        http2: bool,
    ) -> Result<(Self, HeaderValue), GatewayProblem> {
        let named = uri.authority().ok_or(GatewayProblem::Origin)?;
        let bare = uri.path_and_query().is_none_or(|path| path.as_str() == "/" || path.as_str().is_empty());
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(GatewayProblem::Origin),
        };
        if !bare || named.as_str().contains('@') {
            return Err(GatewayProblem::Origin);
        }
        let host = named.host().trim_start_matches('[').trim_end_matches(']');
        let header = HeaderValue::from_str(named.as_str()).map_err(|_| GatewayProblem::Origin)?;
        let tls = if secure {
            let name = ServerName::try_from(host.to_owned()).map_err(|_| GatewayProblem::Origin)?;
            Some((TlsConnector::from(Arc::new(client_config(authority, http2)?)), name))
        } else {
            None
        };
        let port = named.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok((Self { host: host.into(), port, tls }, header))
    }

    pub(super) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) async fn connect(&self) -> std::io::Result<Stream> {
        let stream = TcpStream::connect((&*self.host, self.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Stream::Plain(stream)),
            Some((connector, name)) => Ok(Stream::Tls(Box::new(connector.connect(name.clone(), stream).await?))),
        }
    }
}

fn client_config(authority: Option<&Path>, http2: bool) -> Result<ClientConfig, GatewayProblem> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match authority {
        Some(path) => builder.with_root_certificates(private_roots(path)?),
        None => builder.with_native_roots().map_err(GatewayProblem::SystemRoots)?,
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    Ok(config)
}

fn private_roots(path: &Path) -> Result<RootCertStore, GatewayProblem> {
    let problem = |reason: String| GatewayProblem::Authority { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| problem(error.to_string()))? {
        let certificate = certificate.map_err(|error| problem(error.to_string()))?;
        roots.add(certificate).map_err(|error| problem(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(problem("it holds no certificate".to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(uri: &'static str) -> Result<(Origin, HeaderValue), GatewayProblem> {
        Origin::new(&http::Uri::from_static(uri), None, false)
    }

    #[test]
    fn an_upstream_is_an_origin_and_nothing_more() {
        let (plain, host) = origin("http://api.internal:9000").expect("an origin");
        assert_eq!((&*plain.host, plain.port, host.as_bytes()), ("api.internal", 9000, &b"api.internal:9000"[..]));
        let (v6, _) = origin("http://[::1]").expect("an origin");
        assert_eq!((&*v6.host, v6.port), ("::1", 80));
        for bad in ["/path", "ftp://a", "http://a/path", "http://a/?q", "http://u:p@a"] {
            assert!(matches!(origin(bad), Err(GatewayProblem::Origin)), "{bad}");
        }
    }

    #[test]
    fn a_private_authority_without_a_certificate_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let uri = http::Uri::from_static("https://api.internal");
        let problem = Origin::new(&uri, Some(file.path()), false).err().expect("a problem");
        assert!(problem.to_string().contains("it holds no certificate"), "{problem}");
    }
}
