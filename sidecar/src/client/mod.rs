//! One kept-alive connection to one server.
//!
//! The sidecar talks to each server with at most one request at a time, so it needs one
//! connection for each and no pool. A connection that fails, or is given up in the middle of an
//! exchange (a timeout drops the future), is closed and made anew by the next exchange. Redirects are not
//! followed: whoever is asked has to answer.

mod access;
mod connection;
mod error;
mod target;
mod tls;
mod token;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};

pub(crate) use access::Access;
use connection::Connection;
pub use error::ClientError;
pub(crate) use target::Target;
pub use tls::TlsError;
pub(crate) use tls::check_certificates;
pub(crate) use token::Token;
pub use token::TokenError;

/// How the sidecar names itself.
pub(crate) const AGENT: &str = concat!("weir-sidecar/", env!("CARGO_PKG_VERSION"));

/// A client of one server.
#[derive(Debug)]
pub(crate) struct Client {
    target: Target,
    idle: Option<Connection>,
}

/// A reply whose body comes bit by bit. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Streamed {
    pub(crate) status: StatusCode,
    body: Incoming,
    _connection: Connection,
}

impl Streamed {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`ClientError::Broken`].
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
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
        if connection.is_reusable().await {
            self.idle = Some(connection);
        }
        Ok(status)
    }

    /// Sends `request`; the reply is read as it comes, and its connection is closed after it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn stream(
        &mut self,
        request: &Request<Full<Bytes>>,
    ) -> Result<Streamed, ClientError> {
        let (connection, reply) = self.send(request).await?;
        Ok(Streamed { status: reply.status(), body: reply.into_body(), _connection: connection })
    }

    async fn send(
        &mut self,
        request: &Request<Full<Bytes>>,
    ) -> Result<(Connection, Response<Incoming>), ClientError> {
        if let Some(mut kept) = self.idle.take().filter(|kept| !kept.is_closed()) {
            match kept.send(request).await {
                Ok(reply) => return Ok((kept, reply)),
                Err(error) if error.is_canceled() || request.method() == Method::GET => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut fresh = Connection::open(&self.target).await?;
        let reply = fresh.send(request).await?;
        Ok((fresh, reply))
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
