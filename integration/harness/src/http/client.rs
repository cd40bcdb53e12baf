//! Connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::error::HarnessError;

use super::reply::{Reply, ReplyStream};
use super::request::{Request, RequestBody};

/// How long a reply may take unless the client says otherwise.
const LIMIT: Duration = Duration::from_secs(30);

/// A client with a pool of connections. Clones share the pool.
#[derive(Clone, Debug)]
pub struct HttpClient {
    inner: Client<HttpConnector, RequestBody>,
    limit: Duration,
}

impl HttpClient {
    /// A client that speaks HTTP/1.1.
    pub fn http1() -> Self {
        Self::new(false)
    }

    /// A client that speaks HTTP/2 without asking first.
    pub fn http2() -> Self {
        Self::new(true)
    }

    fn new(http2: bool) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        let inner = builder.http2_only(http2).build(connector);
        Self { inner, limit: LIMIT }
    }

    /// The same client with another limit on how long a reply may take.
    #[must_use]
    pub fn with_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Sends `request` and waits for the whole reply. A body that breaks off is no error, see
    /// [`Reply::complete`].
    ///
    /// # Errors
    /// When there is no connection, no reply's head, or no end within the limit.
    pub async fn send(&self, address: SocketAddr, request: Request) -> Result<Reply, HarnessError> {
        let exchange = async { Ok(self.open(address, &request).await?.collect().await) };
        self.limited(&request, exchange).await
    }

    /// Sends `request` and returns when the reply's head has come.
    ///
    /// # Errors
    /// When there is no connection, or no head within the limit.
    pub async fn stream(
        &self,
        address: SocketAddr,
        request: Request,
    ) -> Result<ReplyStream, HarnessError> {
        self.limited(&request, self.open(address, &request)).await
    }

    async fn open(
        &self,
        address: SocketAddr,
        request: &Request,
    ) -> Result<ReplyStream, HarnessError> {
        let built = request.build(address)?;
        let sent = Instant::now();
        let response =
            self.inner.request(built).await.map_err(HarnessError::http(request.line()))?;
        Ok(ReplyStream::new(response, sent))
    }

    async fn limited<T>(
        &self,
        request: &Request,
        exchange: impl Future<Output = Result<T, HarnessError>>,
    ) -> Result<T, HarnessError> {
        let late = |_| HarnessError::Timeout {
            what: request.line(),
            limit: self.limit,
            log: String::new(),
        };
        tokio::time::timeout(self.limit, exchange).await.map_err(late)?
    }
}
