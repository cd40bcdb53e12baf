//! Whom a TLS client trusts, and what it shows.

use std::io;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use weir_settings::sidecar::AccessSettings;

/// What ALPN calls HTTP/2 and HTTP/1.1 (RFC 7301, RFC 9113).
const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// How TLS is spoken to one kind of server.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    /// The name in the server's certificate where it is not the URL's host.
    pub(super) server_name: Option<ServerName<'static>>,
}

/// No TLS client can be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The system has no certificate authorities.
    #[error(
        "https needs certificate authorities, and the system has none (ca_file, or the variable \
         SSL_CERT_FILE, can name a file with some)"
    )]
    NoRoots,
    /// A PEM file cannot be read.
    #[error("{field}: cannot read {path}: {error}")]
    Unreadable {
        /// The field that names it.
        field: &'static str,
        /// The file.
        path: String,
        /// What is wrong.
        error: String,
    },
    /// A name that cannot stand in a certificate.
    #[error("server_name: is no name that a certificate can have")]
    ServerName,
    /// The TLS library refuses a certificate or its own defaults.
    #[error("TLS: {0}")]
    Setup(#[from] rustls::Error),
}

impl Tls {
    /// As `settings` say, with the system's authorities (or those in `SSL_CERT_FILE`) where they name none.
    ///
    /// # Errors
    /// [`TlsError`] for files that cannot be used; [`TlsError::NoRoots`] where there are no authorities.
    pub(crate) fn load(settings: &AccessSettings) -> Result<Self, TlsError> {
        let roots = match &settings.ca_file {
            Some(path) => roots_of(path)?,
            None => system_roots()?,
        };
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match &settings.certificate {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| unreadable("key_file", key, &error))?;
                builder.with_client_auth_cert(chain("certificate_file", certificate)?, key)?
            }
        };
        config.alpn_protocols =
            if settings.http2 { vec![H2.to_vec(), HTTP1.to_vec()] } else { vec![HTTP1.to_vec()] };
        let name = settings.server_name.clone().map(ServerName::try_from).transpose();
        let server_name = name.map_err(|_| TlsError::ServerName)?;
        Ok(Self { config: Arc::new(config), server_name })
    }
}

/// Whether the server has chosen HTTP/2.
pub(super) fn is_h2(alpn: Option<&[u8]>) -> bool {
    alpn == Some(H2)
}

/// The name to check for `host`.
///
/// # Errors
/// [`io::Error`] for a host that cannot stand in a certificate.
pub(super) fn name_of(host: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).map_err(io::Error::other)
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs().certs;
    match roots.add_parsable_certificates(found).0 {
        0 => Err(TlsError::NoRoots),
        _ => Ok(roots),
    }
}

fn roots_of(path: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in chain("ca_file", path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

/// Whether the file that `field` names holds certificates.
///
/// # Errors
/// [`TlsError::Unreadable`].
pub(crate) fn check_certificates(field: &'static str, path: &str) -> Result<(), TlsError> {
    chain(field, path).map(drop)
}

/// The certificates in a file, one at least.
fn chain(field: &'static str, path: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(|found| found.collect());
    match found {
        Ok(found) if found.is_empty() => Err(unreadable(field, path, &"no certificate in it")),
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(field, path, &error)),
    }
}

fn unreadable(field: &'static str, path: &str, error: &dyn std::fmt::Display) -> TlsError {
    TlsError::Unreadable { field, path: path.to_owned(), error: error.to_string() }
}
