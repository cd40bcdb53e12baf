//! Polls one replica's metrics page for as long as it is there.

mod asking;
mod error;
mod fetch;
mod gpus;
mod schedule;
mod slots;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use tokio::time::{Instant, sleep_until};
use weir_settings::sidecar::{EndpointSettings, PoolSettings};

use asking::{Asking, query};
pub use error::PollerError;
use fetch::Fetch;
pub(crate) use gpus::GpuPoller;
use schedule::Schedule;
pub(crate) use slots::Slots;

use crate::client::Access;
use crate::pool::Pool;
use crate::scrape::{self, ModelServer, Page, PollError};

/// What all pollers of one pool share.
#[derive(Clone, Debug)]
pub(crate) struct PollPlan {
    /// `None` where each page has to tell.
    server: Option<Arc<ModelServer>>,
    access: Access,
    interval: Duration,
    timeout: Duration,
    filter: bool,
    slots: Arc<Slots>,
}

impl PollPlan {
    /// How replicas of the pool of `settings` are polled.
    pub(crate) fn new(settings: &PoolSettings, access: &Access, slots: &Arc<Slots>) -> Self {
        Self {
            server: ModelServer::of_pool(settings),
            access: access.clone(),
            interval: settings.poll_interval,
            timeout: settings.timeout,
            filter: settings.filter,
            slots: Arc::clone(slots),
        }
    }
}

/// The loop that polls one replica.
#[derive(Debug)]
pub(crate) struct Poller {
    pool: Arc<Pool>,
    address: SocketAddr,
    plan: PollPlan,
    fetch: Fetch,
    asking: Asking,
    /// The request for a part of the page, and the server that it is made for.
    part: Option<(Arc<ModelServer>, Request<Full<Bytes>>)>,
    schedule: Schedule,
}

impl Poller {
    /// The poller of one replica of `pool`.
    ///
    /// # Errors
    /// [`PollerError`] if the URL cannot be used.
    pub(crate) fn new(
        pool: &Arc<Pool>,
        endpoint: &EndpointSettings,
        plan: &PollPlan,
    ) -> Result<Self, PollerError> {
        Ok(Self {
            pool: Arc::clone(pool),
            address: endpoint.address,
            fetch: Fetch::new(&endpoint.metrics_url, &plan.access, plan.timeout)?,
            asking: Asking::default(),
            part: None,
            schedule: Schedule::new(plan.interval, fastrand::Rng::new()),
            plan: plan.clone(),
        })
    }

    /// Polls for ever, first in slot `index` of `count` of the interval; to be dropped when the replica is gone.
    pub(crate) async fn run(mut self, (index, count): (usize, usize)) {
        let mut due = Instant::now() + self.schedule.first_delay(index, count);
        loop {
            sleep_until(due).await;
            let (result, took) = self.poll().await;
            let (ended, success) = (Instant::now(), result.is_ok());
            self.pool.record(self.address, result, ended, took);
            due = self.schedule.next(due, ended, success);
        }
    }

    /// One poll, and how long the replica took for it.
    async fn poll(&mut self) -> (Result<Page, PollError>, Duration) {
        let slots = Arc::clone(&self.plan.slots);
        let mut slot = slots.take().await;
        let started = Instant::now();
        let result = match self.poll_part(&mut slot.page).await {
            Some(result) => result,
            None => self.poll_whole(&mut slot.page).await,
        };
        (result, started.elapsed())
    }

    /// The page from a part of it; `None` where the whole has to be asked for.
    async fn poll_part(&mut self, page: &mut Vec<u8>) -> Option<Result<Page, PollError>> {
        let (server, request) = self.part.as_ref().filter(|_| self.asking.wants_part())?;
        let found = match self.fetch.get(Some(request), page).await {
            Ok(()) => scrape::read(Some(server), page).ok().map(|(page, _)| page),
            Err(PollError::Status(_)) => None,
            // Nothing is known of the part then, and the whole would fail the same way.
            Err(error) => return Some(Err(error)),
        };
        let good = self.asking.saw_part(found.as_ref());
        found.filter(|_| good).map(Ok)
    }

    async fn poll_whole(&mut self, page: &mut Vec<u8>) -> Result<Page, PollError> {
        self.fetch.get(None, page).await?;
        let (read, server) = scrape::read(self.plan.server.as_ref(), page)?;
        if self.plan.filter {
            self.asking.saw_whole(&server, &read, page.len());
            let known = self.part.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, &server));
            if self.asking.wants_part() && !known {
                // Without one the whole page is asked for as before.
                self.part = self.fetch.part(&query(&server)).ok().map(|request| (server, request));
            }
        }
        Ok(read)
    }
}
