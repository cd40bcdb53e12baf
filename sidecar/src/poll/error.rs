//! Why something cannot be polled.

use crate::client::TlsError;

/// A replica's metrics cannot be asked for.
#[derive(Debug, thiserror::Error)]
pub enum PollerError {
    /// No TLS for an `https` URL.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A URL that the HTTP library refuses, though the settings took it.
    #[error("metrics_url: {0}")]
    Url(#[from] hyper::http::Error),
}
