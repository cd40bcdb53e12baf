//! Polls one replica's metrics page for as long as the sidecar runs.

mod schedule;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use tokio::time::{Instant, sleep_until, timeout};
use weir_settings::sidecar::{EndpointSettings, PoolSettings};

use schedule::Schedule;

use crate::client::{AGENT, Client, Target, TlsRoots, TlsRootsError};
use crate::pool::Pool;
use crate::scrape::{self, ModelServer, Page, PollError};

/// Largest metrics page that is read, in bytes. vLLM's has some 50 KB, with every histogram of
/// eight engines under 1 MB.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// The loop that polls one replica.
#[derive(Debug)]
pub(crate) struct Poller {
    pool: Arc<Pool>,
    /// Position in the pool.
    index: usize,
    server: &'static ModelServer,
    client: Client,
    request: Request<Full<Bytes>>,
    limit: Duration,
    schedule: Schedule,
    /// Kept between polls, so that a page is read without allocating.
    page: Vec<u8>,
}

/// A replica's metrics cannot be asked for.
#[derive(Debug, thiserror::Error)]
pub enum PollerError {
    /// No TLS for an `https` URL.
    #[error(transparent)]
    Tls(#[from] TlsRootsError),
    /// A URL that the HTTP library refuses, though the settings took it.
    #[error("metrics_url: {0}")]
    Url(#[from] hyper::http::Error),
}

impl Poller {
    /// The poller of replica `index` of `pool`.
    ///
    /// # Errors
    /// [`PollerError`] if the URL cannot be used.
    pub(crate) fn new(
        pool: &Arc<Pool>,
        index: usize,
        settings: &PoolSettings,
        endpoint: &EndpointSettings,
        roots: Option<&TlsRoots>,
    ) -> Result<Self, PollerError> {
        let url = &endpoint.metrics_url;
        let request = Request::get(url.path())
            .header(HOST, url.authority())
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, "text/plain;version=0.0.4")
            .body(Full::default())?;
        Ok(Self {
            pool: Arc::clone(pool),
            index,
            server: ModelServer::of(settings.server),
            client: Client::new(Target::of_url(url, roots)?),
            request,
            limit: settings.timeout,
            schedule: Schedule::new(settings.poll_interval, fastrand::Rng::new()),
            page: Vec::new(),
        })
    }

    /// Polls for ever; to be dropped when the sidecar ends.
    pub(crate) async fn run(mut self) {
        let mut due = Instant::now() + self.schedule.first_delay(self.index, self.pool.len());
        loop {
            sleep_until(due).await;
            let started = Instant::now();
            let result = self.poll().await;
            let ended = Instant::now();
            self.pool.record(self.index, result, ended, ended - started);
            due = self.schedule.next(due, ended);
        }
    }

    async fn poll(&mut self) -> Result<Page, PollError> {
        let exchange = self.client.exchange(&self.request, MAX_PAGE_BYTES, &mut self.page);
        let status =
            timeout(self.limit, exchange).await.map_err(|_| PollError::Timeout(self.limit))??;
        if status != StatusCode::OK {
            return Err(PollError::Status(status.as_u16()));
        }
        Ok(scrape::read(self.server, &self.page)?)
    }
}
