//! TLS for clients: rustls with a certificate that can be replaced while connections stay open. TLS 1.2 and 1.3,
//! HTTP/2 and HTTP/1.1 by ALPN. A certificate that cannot be read leaves the one in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// ALPN name of HTTP/2 (RFC 9113 §3.2).
pub(super) const H2: &[u8] = b"h2";

/// Why a certificate is not usable.
#[derive(Debug, thiserror::Error)]
pub enum TlsProblem {
    /// A file cannot be read, or holds no PEM of the kind that is needed.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// The key does not belong to the certificate, or is of a kind that is not supported.
    #[error("certificate and key cannot be used: {0}")]
    Key(#[from] rustls::Error),
}

/// A certificate and key, and the configuration around them.
pub struct Reloadable {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

impl Reloadable {
    /// Load a PEM certificate chain and its PEM private key.
    ///
    /// # Errors
    /// [`TlsProblem`].
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsProblem> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let current = Arc::new(Current(ArcSwap::from_pointee(read(certificate, key, &provider)?)));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Current>::clone(&current));
        config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
        Ok(Self { certificate: certificate.into(), key: key.into(), provider, current, config: Arc::new(config) })
    }

    /// Read the files again: handshakes from now on get the new certificate, open connections go on.
    ///
    /// # Errors
    /// [`TlsProblem`]; the certificate in force stays.
    pub fn reload(&self) -> Result<(), TlsProblem> {
        self.current.0.store(Arc::new(read(&self.certificate, &self.key, &self.provider)?));
        Ok(())
    }

    /// The files to watch: certificate chain and key.
    #[must_use]
    pub fn files(&self) -> [&Path; 2] {
        [&self.certificate, &self.key]
    }

    pub(super) fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        Arc::clone(&self.config).into()
    }
}

struct Current(ArcSwap<CertifiedKey>);

// Prints no key.
impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn read(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsProblem> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsProblem::File { path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(file(certificate))?;
    if chain.is_empty() {
        return Err(file(certificate)(rustls::pki_types::pem::Error::NoItemsFound));
    }
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(file(key))?;
    Ok(CertifiedKey::from_der(chain, key_der, provider)?)
}
