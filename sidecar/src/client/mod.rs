//! One kept-alive HTTP/1.1 connection to one server.
//!
//! The sidecar talks to each server with at most one request at a time, so it needs one
//! connection for each and no pool. A connection that fails, or is given up in the middle of an
//! exchange (a timeout drops the future), is closed and made anew by the next exchange.

mod target;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

pub use target::TlsRootsError;
pub(crate) use target::{Target, TlsRoots};

/// How the sidecar names itself.
pub(crate) const AGENT: &str = concat!("weir-sidecar/", env!("CARGO_PKG_VERSION"));

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

/// A client of one server.
#[derive(Debug)]
pub(crate) struct Client {
    target: Target,
    idle: Option<Connection>,
}

/// An open connection; dropping it closes it.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Client {
    /// A client that connects at the first exchange.
    pub(crate) fn new(target: Target) -> Self {
        Self { target, idle: None }
    }

    /// Sends `request` and reads the whole reply into `body` (cleared first).
    ///
    /// A request that met a kept connection just as the server closed it is sent once more on a
    /// fresh one: always if nothing of it was sent, and if the method is safe to repeat.
    ///
    /// # Errors
    /// [`ClientError`]; the next exchange starts on a new connection.
    pub(crate) async fn exchange(
        &mut self,
        request: &Request<Full<Bytes>>,
        limit: usize,
        body: &mut Vec<u8>,
    ) -> Result<StatusCode, ClientError> {
        let (mut connection, reply) = self.send(request).await?;
        let status = reply.status();
        read(reply.into_body(), limit, body).await?;
        // A server that closes after the reply is noticed here, not by the next request.
        if connection.sender.ready().await.is_ok() {
            self.idle = Some(connection);
        }
        Ok(status)
    }

    async fn send(
        &mut self,
        request: &Request<Full<Bytes>>,
    ) -> Result<(Connection, Response<Incoming>), ClientError> {
        if let Some(mut kept) = self.idle.take().filter(|kept| !kept.sender.is_closed()) {
            match kept.sender.send_request(request.clone()).await {
                Ok(reply) => return Ok((kept, reply)),
                Err(error) if error.is_canceled() || request.method() == Method::GET => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut fresh = self.connect().await?;
        let reply = fresh.sender.send_request(request.clone()).await?;
        Ok((fresh, reply))
    }

    async fn connect(&self) -> Result<Connection, ClientError> {
        let stream = self.target.open().await.map_err(ClientError::Connect)?;
        let (sender, driver) = handshake(TokioIo::new(stream)).await?;
        // An error of the connection is also the error of the exchange that it carries.
        let driver = tokio::spawn(async move { drop(driver.await) }).abort_handle();
        Ok(Connection { sender, driver })
    }
}

async fn read(mut incoming: Incoming, limit: usize, body: &mut Vec<u8>) -> Result<(), ClientError> {
    body.clear();
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if data.len() > limit.saturating_sub(body.len()) {
            return Err(ClientError::TooLarge { limit });
        }
        body.extend_from_slice(&data);
    }
    Ok(())
}
