//! Makes a pool's snapshots: one per round, the newest for everybody who pushes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::warn;
use weir_settings::sidecar::PoolSettings;
use weir_snapshot::limits::MAX_BODY_BYTES;
use weir_snapshot::signature::BodyDigest;
use weir_snapshot::{FleetNews, LearnedPrefixes, SnapshotMessage};

use super::turn::Turn;
use crate::peers::PoolShare;
use crate::pool::{Pool, fit_adapters, shorten_shares};

/// How often it is looked whether every replica has been polled once.
const FIRST_LOOK: Duration = Duration::from_millis(5);

/// A snapshot, ready to be sent.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Its number in this pool and epoch, from 1.
    pub(crate) sequence: u64,
    /// The message as JSON.
    pub(crate) body: Bytes,
    /// What is signed of it.
    pub(crate) digest: BodyDigest,
    /// The message itself.
    message: SnapshotMessage,
}

impl Snapshot {
    /// The same with what other gateways have under way, by replica, and have learned of prefix caches, and with what this
    /// one is granted. `None` where all of that is nothing, or does not fit in.
    pub(super) fn with(
        &self,
        elsewhere: &PoolShare,
        prefixes: Option<LearnedPrefixes>,
        news: Option<FleetNews>,
    ) -> Option<Self> {
        if elsewhere.is_empty() && prefixes.is_none() && news.is_none() {
            return None;
        }
        let fleet = news.map(|news| news.to_lines()).unwrap_or_default();
        let mut message = SnapshotMessage { prefixes, fleet, ..self.message.clone() };
        for endpoint in &mut message.endpoints {
            let Some(others) = elsewhere.get(&endpoint.address) else { continue };
            endpoint.in_flight_elsewhere = Some(others.in_flight);
            endpoint.prefill_tokens_elsewhere = Some(others.prefill_tokens);
            endpoint.decode_tokens_elsewhere = Some(others.decode_tokens);
        }
        let body = encode(&message).filter(|body| body.len() <= MAX_BODY_BYTES)?;
        let (sequence, digest) = (self.sequence, BodyDigest::of(&body));
        Some(Self { sequence, digest, body: body.into(), message })
    }
}

/// The newest snapshot of a pool; `None` before the first.
pub(crate) type Newest = watch::Receiver<Option<Arc<Snapshot>>>;

/// The loop that makes one pool's snapshots.
#[derive(Debug)]
pub(crate) struct Publisher {
    pool: Arc<Pool>,
    interval: Duration,
    /// How long the first snapshot waits for replicas that don't answer.
    patience: Duration,
    turn: Arc<Turn>,
    newest: watch::Sender<Option<Arc<Snapshot>>>,
    /// True once it was said that a snapshot had to be cut.
    cut: bool,
}

impl Publisher {
    /// The publisher of `pool`, which goes on after the snapshots of `previous`.
    pub(crate) fn new(
        pool: &Arc<Pool>,
        settings: &PoolSettings,
        turn: &Arc<Turn>,
        previous: Option<&Newest>,
    ) -> Self {
        let newest = previous.and_then(|previous| previous.borrow().clone());
        Self {
            pool: Arc::clone(pool),
            interval: settings.poll_interval,
            patience: settings.poll_interval + settings.timeout,
            turn: Arc::clone(turn),
            newest: watch::Sender::new(newest),
            cut: false,
        }
    }

    /// Where its snapshots can be taken.
    pub(crate) fn newest(&self) -> Newest {
        self.newest.subscribe()
    }

    /// Publishes for ever; to be dropped when the sidecar ends.
    pub(crate) async fn run(mut self) {
        let mut sequence = self.newest.borrow().as_ref().map_or(0, |before| before.sequence);
        if sequence == 0 {
            self.wait_for_first_polls().await;
        }
        let mut ticks = interval(self.interval);
        // A round that comes late is not made up for: the next one says more.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = ticks.tick().await;
            if !self.pool.is_known() {
                continue;
            }
            sequence += 1;
            if let Some(snapshot) = self.snapshot(sequence, now) {
                self.newest.send_replace(Some(Arc::new(snapshot)));
            }
        }
    }

    /// A restarted sidecar must not replace what the gateways still know by replicas that it has
    /// not polled yet.
    async fn wait_for_first_polls(&self) {
        let started = Instant::now();
        while !self.pool.is_polled() && started.elapsed() < self.patience {
            sleep(FIRST_LOOK).await;
        }
    }

    fn snapshot(&mut self, sequence: u64, now: Instant) -> Option<Snapshot> {
        let turn = (self.turn.epoch(), sequence);
        let endpoints = self.pool.reports(now);
        let mut message =
            SnapshotMessage::new(self.pool.name(), turn, self.turn.sender(), endpoints);
        shorten_shares(&mut message.endpoints);
        let mut cut = fit_adapters(&mut message.endpoints);
        let mut body = encode(&message)?;
        if body.len() > MAX_BODY_BYTES {
            drop_adapters(&mut message);
            body = encode(&message)?;
            cut = true;
        }
        if cut && !self.cut {
            warn!(
                pool = self.pool.name(),
                "too many LoRA adapters for one snapshot: some left out"
            );
        }
        self.cut |= cut;
        Some(Snapshot { sequence, digest: BodyDigest::of(&body), body: body.into(), message })
    }
}

/// Strings and finite numbers only: `None` cannot come up.
fn encode(message: &SnapshotMessage) -> Option<Vec<u8>> {
    serde_json::to_vec(message).ok()
}

fn drop_adapters(message: &mut SnapshotMessage) {
    for endpoint in &mut message.endpoints {
        endpoint.running_adapters.clear();
        endpoint.waiting_adapters.clear();
    }
}
