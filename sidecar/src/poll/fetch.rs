//! Gets one page, again and again.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use tokio::time::timeout;
use weir_settings::sidecar::HttpUrl;

use super::error::PollerError;
use crate::client::{AGENT, Client, Target, TlsRoots};
use crate::scrape::PollError;

/// Largest metrics page that is read, in bytes. vLLM's has some 50 KB, with every histogram of
/// eight engines under 1 MB.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// One page by its URL, over one kept connection.
#[derive(Debug)]
pub(crate) struct Fetch {
    client: Client,
    request: Request<Full<Bytes>>,
    limit: Duration,
    /// Kept between polls, so that a page is read without allocating.
    page: Vec<u8>,
}

impl Fetch {
    /// The page at `url`, for which `limit` is time enough.
    ///
    /// # Errors
    /// [`PollerError`] if the URL cannot be used.
    pub(crate) fn new(
        url: &HttpUrl,
        roots: Option<&TlsRoots>,
        limit: Duration,
    ) -> Result<Self, PollerError> {
        let request = Request::get(url.path())
            .header(HOST, url.authority())
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, "text/plain;version=0.0.4")
            .body(Full::default())?;
        let client = Client::new(Target::of_url(url, roots)?);
        Ok(Self { client, request, limit, page: Vec::new() })
    }

    /// Gets it.
    ///
    /// # Errors
    /// [`PollError`] if it doesn't come whole, in time and with status 200.
    pub(crate) async fn get(&mut self) -> Result<&[u8], PollError> {
        let exchange = self.client.exchange(&self.request, MAX_PAGE_BYTES, &mut self.page);
        let status =
            timeout(self.limit, exchange).await.map_err(|_| PollError::Timeout(self.limit))??;
        if status != StatusCode::OK {
            return Err(PollError::Status(status.as_u16()));
        }
        Ok(&self.page)
    }
}
