//! One open connection that speaks HTTP/1.1 or HTTP/2.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::HOST;
use hyper::http::uri::{PathAndQuery, Uri};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::AbortHandle;

use super::error::ClientError;
use super::target::Target;

/// Most bytes that are read ahead: a thousand idle connections keep their buffers.
const READ_AHEAD_BYTES: usize = 32 * 1024;

/// An open connection; dropping it closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: Sender,
    scheme: &'static str,
    driver: AbortHandle,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects to `target`.
    pub(super) async fn open(target: &Target) -> Result<Self, ClientError> {
        let open = target.open().await.map_err(ClientError::Connect)?;
        let (io, scheme) = (TokioIo::new(open.stream), target.scheme());
        // An error of the connection is also the error of the exchange that it carries.
        if open.http2 {
            let (sender, driver) = http2::handshake(TokioExecutor::new(), io).await?;
            let driver = tokio::spawn(async move { drop(driver.await) }).abort_handle();
            return Ok(Self { sender: Sender::Http2(sender), scheme, driver });
        }
        let mut builder = http1::Builder::new();
        builder.max_buf_size(READ_AHEAD_BYTES);
        let (sender, driver) = builder.handshake(io).await?;
        let driver = tokio::spawn(async move { drop(driver.await) }).abort_handle();
        Ok(Self { sender: Sender::Http1(sender), scheme, driver })
    }

    /// Sends `request`, whose target is a path.
    pub(super) async fn send(
        &mut self,
        request: &Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => sender.send_request(request.clone()).await,
            Sender::Http2(sender) => sender.send_request(absolute(request, self.scheme)).await,
        }
    }

    /// Whether the other side has closed it.
    pub(super) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    /// Waits until it can be used once more; false if it cannot.
    pub(super) async fn is_reusable(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(sender) => sender.ready().await.is_ok(),
        }
    }
}

/// The same request with scheme and host in its target, where HTTP/2 wants them.
fn absolute(request: &Request<Full<Bytes>>, scheme: &str) -> Request<Full<Bytes>> {
    let mut request = request.clone();
    let host = request.headers_mut().remove(HOST);
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str).to_owned();
    let host = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or("weir");
    let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(path).build();
    // What a settings' URL has as authority is one here, too.
    if let Ok(uri) = uri {
        *request.uri_mut() = uri;
    }
    request
}
