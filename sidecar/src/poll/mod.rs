//! Polls one replica's metrics page for as long as the sidecar runs.

mod fetch;
mod schedule;

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};
use weir_settings::sidecar::{EndpointSettings, PoolSettings};

pub(crate) use fetch::Fetch;
pub(crate) use schedule::Schedule;

use crate::client::{TlsRoots, TlsRootsError};
use crate::pool::Pool;
use crate::scrape::{self, ModelServer, Page, PollError};

/// The loop that polls one replica.
#[derive(Debug)]
pub(crate) struct Poller {
    pool: Arc<Pool>,
    /// Position in the pool.
    index: usize,
    /// `None` where each page has to tell.
    server: Option<&'static ModelServer>,
    fetch: Fetch,
    schedule: Schedule,
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
        Ok(Self {
            pool: Arc::clone(pool),
            index,
            server: ModelServer::of(settings.server),
            fetch: Fetch::new(&endpoint.metrics_url, roots, settings.timeout)?,
            schedule: Schedule::new(settings.poll_interval, fastrand::Rng::new()),
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
        let page = self.fetch.get().await?;
        Ok(scrape::read(self.server, page)?)
    }
}
