//! Polls one page of GPUs for as long as the sidecar runs.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};
use weir_settings::sidecar::{ExporterSettings, GpuSettings};

use super::error::PollerError;
use super::fetch::Fetch;
use super::schedule::Schedule;
use super::slots::Slots;
use crate::client::Access;
use crate::gpu::{Inventory, Reading, read_page};
use crate::scrape::PollError;

/// The loop that polls one page.
#[derive(Debug)]
pub(crate) struct GpuPoller {
    inventory: Arc<Inventory>,
    /// Position among the sources, and how many there are.
    index: (usize, usize),
    fetch: Fetch,
    schedule: Schedule,
    slots: Arc<Slots>,
}

impl GpuPoller {
    /// The poller of source `index`.
    ///
    /// # Errors
    /// [`PollerError`] if the URL cannot be used.
    pub(crate) fn new(
        inventory: &Arc<Inventory>,
        index: usize,
        settings: &GpuSettings,
        exporter: &ExporterSettings,
        (access, slots): (&Access, &Arc<Slots>),
    ) -> Result<Self, PollerError> {
        Ok(Self {
            inventory: Arc::clone(inventory),
            index: (index, settings.exporters.len()),
            fetch: Fetch::new(&exporter.url, access, settings.timeout)?,
            schedule: Schedule::new(settings.poll_interval, fastrand::Rng::new()),
            slots: Arc::clone(slots),
        })
    }

    /// Polls for ever; to be dropped when the sidecar ends.
    pub(crate) async fn run(mut self) {
        let (index, count) = self.index;
        let mut due = Instant::now() + self.schedule.first_delay(index, count);
        loop {
            sleep_until(due).await;
            let result = self.poll().await;
            let (ended, success) = (Instant::now(), result.is_ok());
            self.inventory.record(index, result, ended);
            due = self.schedule.next(due, ended, success);
        }
    }

    async fn poll(&mut self) -> Result<Vec<Reading>, PollError> {
        let mut slot = self.slots.take().await;
        self.fetch.get(None, &mut slot.page).await?;
        Ok(read_page(&slot.page)?)
    }
}
