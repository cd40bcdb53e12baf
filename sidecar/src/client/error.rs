//! How an exchange fails.

/// Why an exchange failed. Neither addresses nor bytes of the server are repeated.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection: refused, unreachable, unknown name, TLS.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// The connection broke, or the server does not speak HTTP.
    #[error("the connection broke")]
    Broken(#[from] hyper::Error),
    /// The body is over the limit.
    #[error("the body has more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}
