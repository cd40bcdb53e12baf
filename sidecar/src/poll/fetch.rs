//! Gets one page, again and again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use tokio::time::{Instant, timeout};
use weir_settings::sidecar::HttpUrl;

use super::error::PollerError;
use crate::client::{AGENT, Access, Client, Target, Token};
use crate::scrape::PollError;

/// Largest metrics page that is read, in bytes. vLLM's has some 50 KB, with every histogram of
/// eight engines under 1 MB.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// One page by its URL, over one kept connection.
#[derive(Debug)]
pub(crate) struct Fetch {
    client: Client,
    request: Request<Full<Bytes>>,
    token: Option<Arc<Token>>,
    limit: Duration,
}

impl Fetch {
    /// The page at `url`, for which `limit` is time enough.
    ///
    /// # Errors
    /// [`PollerError`] if the URL cannot be used.
    pub(crate) fn new(
        url: &HttpUrl,
        access: &Access,
        limit: Duration,
    ) -> Result<Self, PollerError> {
        let request = Request::get(url.path())
            .header(HOST, url.authority())
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, "text/plain;version=0.0.4")
            .body(Full::default())?;
        let client = Client::new(Target::of_url(url, access)?);
        Ok(Self { client, request, token: access.token.clone(), limit })
    }

    /// Asks for what `query` names of the page, beside what its URL asks for.
    ///
    /// # Errors
    /// [`PollerError`] if that is no URL any more.
    pub(crate) fn part(&self, query: &str) -> Result<Request<Full<Bytes>>, PollerError> {
        let path = self.request.uri().to_string();
        let sign = if path.contains('?') { '&' } else { '?' };
        let mut request = self.request.clone();
        *request.uri_mut() = format!("{path}{sign}{query}")
            .parse()
            .map_err(|error| PollerError::Url(hyper::http::Error::from(error)))?;
        Ok(request)
    }

    /// Gets the page, or the `part` of it, into `page`.
    ///
    /// # Errors
    /// [`PollError`] if it doesn't come whole, in time and with status 200.
    pub(crate) async fn get(
        &mut self,
        part: Option<&Request<Full<Bytes>>>,
        page: &mut Vec<u8>,
    ) -> Result<(), PollError> {
        let mut request = part.unwrap_or(&self.request).clone();
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.header(Instant::now())?);
        }
        let exchange = self.client.exchange(&request, MAX_PAGE_BYTES, page);
        let status =
            timeout(self.limit, exchange).await.map_err(|_| PollError::Timeout(self.limit))??;
        match (status, &self.token) {
            (StatusCode::OK, _) => return Ok(()),
            (StatusCode::UNAUTHORIZED, Some(token)) => token.forget(),
            _ => {}
        }
        Err(PollError::Status(status.as_u16()))
    }
}
