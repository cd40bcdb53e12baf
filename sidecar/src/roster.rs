//! Keeps a pool's replicas what its sources say, and a poller for each.

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};
use weir_settings::sidecar::{EndpointSettings, PoolSettings};
use weir_snapshot::limits::MAX_ENDPOINTS;

use crate::discover::{Board, Found};
use crate::poll::{PollPlan, Poller, PollerError};
use crate::pool::Pool;
use crate::push::Gateways;
use crate::scrape::PollError;

/// How often it is looked whether a replica has drained.
const LOOK: Duration = Duration::from_millis(500);

/// Addresses that a line of the log shows.
const SHOWN: usize = 8;

/// The loop that keeps one pool's replicas.
#[derive(Debug)]
pub(crate) struct Roster {
    pool: Arc<Pool>,
    listed: Vec<Found>,
    board: Arc<Board>,
    plan: PollPlan,
    gateways: Arc<Gateways>,
    /// What is polled, and by which task.
    pollers: HashMap<SocketAddr, (EndpointSettings, AbortHandle)>,
    tasks: JoinSet<()>,
    /// True once it was said that there are too many replicas.
    told: bool,
}

impl Roster {
    /// The roster of `pool`, which knows the replicas that `settings` list at once.
    ///
    /// # Errors
    /// [`PollerError`] with the position of a listed replica that cannot be polled.
    pub(crate) fn new(
        pool: &Arc<Pool>,
        settings: &PoolSettings,
        board: &Arc<Board>,
        plan: PollPlan,
        gateways: &Arc<Gateways>,
    ) -> Result<Self, (usize, PollerError)> {
        let listed: Vec<Found> = settings.endpoints.iter().cloned().map(Found::ready).collect();
        if pool.is_polled_at_all() {
            for (index, found) in listed.iter().enumerate() {
                Poller::new(pool, &found.endpoint, &plan).map_err(|error| (index, error))?;
            }
        }
        let roster = Self {
            pool: Arc::clone(pool),
            listed,
            board: Arc::clone(board),
            plan,
            gateways: Arc::clone(gateways),
            pollers: HashMap::new(),
            tasks: JoinSet::new(),
            told: false,
        };
        let (all, complete) = roster.all();
        pool.reconcile(&all, complete, Instant::now());
        Ok(roster)
    }

    /// Keeps the pool for ever; to be dropped when the sidecar ends. It ends by itself only through a defect.
    pub(crate) async fn run(mut self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.update(false);
        loop {
            tokio::select! {
                () = self.board.changed() => self.update(true),
                _ = looks.tick() => self.reap(),
                Some(ended) = self.tasks.join_next() => {
                    if ended.is_err_and(|error| error.is_panic()) {
                        return;
                    }
                }
            }
        }
    }

    /// All replicas that there are, each once; the first that names one counts.
    fn all(&self) -> (Vec<Found>, bool) {
        let (said, complete) = self.board.all();
        let mut seen = BTreeSet::new();
        let all = self.listed.iter().chain(said.iter().flat_map(|said| said.iter()));
        let all: Vec<Found> = all.filter(|found| seen.insert(found.address())).cloned().collect();
        (all, complete)
    }

    fn update(&mut self, tell: bool) {
        let (mut all, complete) = self.all();
        if all.len() > MAX_ENDPOINTS {
            if !self.told {
                let (pool, found) = (self.pool.name(), all.len());
                warn!(pool, found, most = MAX_ENDPOINTS, "too many replicas: some are left out");
            }
            self.told = true;
            all.truncate(MAX_ENDPOINTS);
        }
        let changes = self.pool.reconcile(&all, complete, Instant::now());
        if tell && !(changes.found.is_empty() && changes.removed.is_empty()) {
            let (pool, count) = (self.pool.name(), all.len());
            let (found, removed) = (shown(&changes.found), shown(&changes.removed));
            info!(pool, count, found, removed, "replicas have changed");
        }
        if self.pool.is_polled_at_all() {
            self.poll(&all);
        }
    }

    /// A poller for each, as it is to be polled now. One that is draining keeps its own.
    fn poll(&mut self, all: &[Found]) {
        let count = all.len();
        for (index, found) in all.iter().enumerate() {
            let (address, endpoint) = (found.address(), &found.endpoint);
            let known = self.pollers.get(&address);
            if known.is_some_and(|(known, _)| known.metrics_url == endpoint.metrics_url) {
                continue;
            }
            if let Some((_, before)) = self.pollers.remove(&address) {
                before.abort();
            }
            match Poller::new(&self.pool, endpoint, &self.plan) {
                Ok(poller) => {
                    let task = self.tasks.spawn(poller.run((index, count)));
                    self.pollers.insert(address, (endpoint.clone(), task));
                }
                Err(error) => {
                    let error = PollError::Url(error.to_string());
                    self.pool.record(address, Err(error), Instant::now(), Duration::ZERO);
                }
            }
        }
    }

    fn reap(&mut self) {
        let pool = self.pool.name();
        let in_flight = LazyCell::new(|| self.gateways.in_flight_in(pool));
        let gone = self.pool.reap(Instant::now(), |address| {
            in_flight.as_ref().map(|all| all.get(address).copied().unwrap_or(0))
        });
        for address in &gone {
            if let Some((_, task)) = self.pollers.remove(address) {
                task.abort();
            }
        }
        if !gone.is_empty() {
            info!(pool, gone = shown(&gone), "replicas have drained and are forgotten");
        }
    }
}

/// Addresses for a line of the log.
fn shown(addresses: &[SocketAddr]) -> String {
    let mut text: Vec<String> = addresses.iter().take(SHOWN).map(ToString::to_string).collect();
    if addresses.len() > SHOWN {
        text.push(format!("and {} others", addresses.len() - SHOWN));
    }
    text.join(", ")
}
