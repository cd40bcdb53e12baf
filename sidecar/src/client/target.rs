//! Where a client connects to: TCP, TLS over TCP, or a Unix socket.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use weir_settings::sidecar::{Gateway, HttpUrl};

/// Bytes in both directions, whatever carries them.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> ByteStream for S {}

/// A connectable server.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// `host` is a name or an address without brackets.
    Tcp { host: String, port: u16 },
    /// The same with TLS on top.
    Tls { host: String, port: u16, roots: TlsRoots },
    /// A Unix socket.
    Unix(PathBuf),
}

/// Whom a TLS client trusts.
#[derive(Clone, Debug)]
pub(crate) struct TlsRoots(Arc<ClientConfig>);

/// No TLS client can be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsRootsError {
    /// The system has no certificate authorities.
    #[error(
        "metrics_url: https needs certificate authorities, and the system has none \
         (SSL_CERT_FILE can name a file with some)"
    )]
    NoRoots,
    /// The TLS library refuses its own defaults.
    #[error("TLS: {0}")]
    Setup(#[from] tokio_rustls::rustls::Error),
}

impl TlsRoots {
    /// The system's certificate authorities, or those in `SSL_CERT_FILE`.
    ///
    /// # Errors
    /// [`TlsRootsError::NoRoots`] where there are none.
    pub(crate) fn system() -> Result<Self, TlsRootsError> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs().certs;
        if roots.add_parsable_certificates(found).0 == 0 {
            return Err(TlsRootsError::NoRoots);
        }
        let ring = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

impl Target {
    /// The server of `url`.
    ///
    /// # Errors
    /// [`TlsRootsError::NoRoots`] for `https` without `roots`.
    pub(crate) fn of_url(url: &HttpUrl, roots: Option<&TlsRoots>) -> Result<Self, TlsRootsError> {
        let (host, port) = (url.host().to_owned(), url.port_or_default());
        match roots {
            _ if !url.is_https() => Ok(Self::Tcp { host, port }),
            Some(roots) => Ok(Self::Tls { host, port, roots: roots.clone() }),
            None => Err(TlsRootsError::NoRoots),
        }
    }

    /// The server of `gateway`.
    pub(crate) fn of_gateway(gateway: &Gateway) -> Self {
        match gateway {
            Gateway::Unix(path) => Self::Unix(path.into()),
            Gateway::Http(url) => {
                Self::Tcp { host: url.host().to_owned(), port: url.port_or_default() }
            }
        }
    }

    /// What requests to `gateway` have as host.
    pub(crate) fn host_of_gateway(gateway: &Gateway) -> String {
        match gateway {
            Gateway::Http(url) => url.authority().to_owned(),
            Gateway::Unix(_) => "weir".to_owned(),
        }
    }

    /// Connects.
    pub(crate) async fn open(&self) -> io::Result<Pin<Box<dyn ByteStream>>> {
        match self {
            Self::Tcp { host, port } => Ok(Box::pin(tcp(host, *port).await?)),
            Self::Tls { host, port, roots } => {
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                let stream = tcp(host, *port).await?;
                Ok(Box::pin(TlsConnector::from(roots.0.clone()).connect(name, stream).await?))
            }
            Self::Unix(path) => Ok(Box::pin(UnixStream::connect(path).await?)),
        }
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    // Requests are small and answers are waited for: nothing is gained by delaying them.
    stream.set_nodelay(true)?;
    Ok(stream)
}
