//! Where a client connects to: TCP, TLS over TCP, or a Unix socket.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use weir_settings::sidecar::{Gateway, HttpUrl};

use super::access::Access;
use super::tls::{Tls, TlsError, is_h2, name_of};

/// Bytes in both directions, whatever carries them.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> ByteStream for S {}

/// A connectable server.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// `host` is a name or an address without brackets; `http2` without asking.
    Tcp { host: String, port: u16, http2: bool },
    /// The same with TLS on top, in which the server chooses.
    Tls { host: String, port: u16, tls: Tls },
    /// A Unix socket.
    Unix(PathBuf),
}

/// An open connection.
pub(super) struct Open {
    pub(super) stream: Pin<Box<dyn ByteStream>>,
    /// Which HTTP is to be spoken.
    pub(super) http2: bool,
}

impl Target {
    /// The server of `url`.
    ///
    /// # Errors
    /// [`TlsError::NoRoots`] for `https` where nothing says whom to trust.
    pub(crate) fn of_url(url: &HttpUrl, access: &Access) -> Result<Self, TlsError> {
        let (host, port) = (url.host().to_owned(), url.port_or_default());
        match &access.tls {
            _ if !url.is_https() => Ok(Self::Tcp { host, port, http2: access.http2 }),
            Some(tls) => Ok(Self::Tls { host, port, tls: tls.clone() }),
            None => Err(TlsError::NoRoots),
        }
    }

    /// The server of `gateway`.
    pub(crate) fn of_gateway(gateway: &Gateway) -> Self {
        match gateway {
            Gateway::Unix(path) => Self::Unix(path.into()),
            Gateway::Http(url) => {
                let (host, port) = (url.host().to_owned(), url.port_or_default());
                Self::Tcp { host, port, http2: false }
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

    /// `https` or `http`.
    pub(super) fn scheme(&self) -> &'static str {
        if matches!(self, Self::Tls { .. }) { "https" } else { "http" }
    }

    /// Connects.
    pub(super) async fn open(&self) -> io::Result<Open> {
        match self {
            Self::Tcp { host, port, http2 } => {
                Ok(Open { stream: Box::pin(tcp(host, *port).await?), http2: *http2 })
            }
            Self::Tls { host, port, tls } => {
                let name = tls.server_name.clone().map_or_else(|| name_of(host), Ok)?;
                let stream = tcp(host, *port).await?;
                let stream = TlsConnector::from(tls.config.clone()).connect(name, stream).await?;
                let http2 = is_h2(stream.get_ref().1.alpn_protocol());
                Ok(Open { stream: Box::pin(stream), http2 })
            }
            Self::Unix(path) => {
                Ok(Open { stream: Box::pin(UnixStream::connect(path).await?), http2: false })
            }
        }
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    // Requests are small and answers are waited for: nothing is gained by delaying them.
    stream.set_nodelay(true)?;
    Ok(stream)
}
