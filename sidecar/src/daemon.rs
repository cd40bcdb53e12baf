//! Composes the loops, and ends them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;
use weir_settings::sidecar::MetricsSource;

use crate::Config;
use crate::agent::watch_nvml;
use crate::gpu::{Inventory, Nvml};
use crate::http::{Server, State};
use crate::poll::{GpuPoller, Poller};
use crate::pool::Pool;
use crate::push::{Link, Mismatches, Publisher, Pusher, Turn};
use crate::spending::Spending;
use crate::start::{StartError, listen};

/// A running sidecar. Dropping it ends all its loops at once; [`Daemon::stop`] ends it cleanly.
#[derive(Debug)]
pub struct Daemon {
    address: SocketAddr,
    server: Server,
    state: watch::Sender<Arc<State>>,
    loops: Loops,
    sender: u64,
}

/// Random numbers below that are whole in every JSON parser.
const SENDERS: u64 = 1 << 53;

impl Daemon {
    /// Starts polling, pushing and serving.
    ///
    /// # Errors
    /// [`StartError`]; then nothing goes on.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let (listener, address) = listen(config.settings.listen).await?;
        let sender = fastrand::u64(1..SENDERS);
        let (state, loops) = start_loops(&config, now_ms(), sender, &[])?;
        let state = watch::Sender::new(Arc::new(state));
        let server = Server::start(listener, state.subscribe());
        info!(%address, version = env!("CARGO_PKG_VERSION"), "started");
        Ok(Self { address, server, state, loops, sender })
    }

    /// Takes over another configuration. `listen` and `log` stay as they were at the start.
    ///
    /// The gateways see a new epoch, whose first snapshots come once every replica has been polled.
    ///
    /// # Errors
    /// [`StartError`]; then the sidecar goes on as before.
    pub fn reload(&mut self, config: &Config) -> Result<(), StartError> {
        let (before, spent) = {
            let state = self.state.borrow();
            (state.epoch(), state.spending.clone())
        };
        let epoch = now_ms().max(before.saturating_add(1));
        let (state, loops) = start_loops(config, epoch, self.sender, &spent)?;
        self.loops = loops;
        self.state.send_replace(Arc::new(state));
        info!("took over the new configuration");
        Ok(())
    }

    /// Waits until a loop ends by itself, which only a defect can bring about: better to be
    /// restarted than to go on in part.
    pub async fn broken(&mut self) {
        // The set is never empty: a configuration has at least one pool.
        self.loops.tasks.join_next().await;
    }

    /// Where its own HTTP listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all loops, closes their connections, and lets HTTP requests end that are under way.
    pub async fn stop(mut self) {
        self.loops.tasks.shutdown().await;
        self.server.stop().await;
    }
}

/// What runs for one configuration. Dropping it ends all of it.
#[derive(Debug)]
struct Loops {
    tasks: JoinSet<()>,
    _nvml: Option<Nvml>,
}

/// Starts the loops of a configuration; dropping the set ends them and closes their connections. What was
/// `spent` so far is kept, also of gateways that are not there any more.
fn start_loops(
    config: &Config,
    epoch: u64,
    sender: u64,
    spent: &[Arc<Spending>],
) -> Result<(State, Loops), StartError> {
    let mut loops = JoinSet::new();
    let gpus = Arc::new(Inventory::new(&config.settings));
    let nvml = start_gpus(config, &gpus, &mut loops)?;
    let gateways = &config.settings.gateways;
    let push_timeout = config.settings.push_timeout;
    let mut state = State { spending: spent.to_vec(), ..State::default() };
    state.mismatches =
        gateways.iter().map(|at| Arc::new(Mismatches::new(at.to_string()))).collect();
    for settings in &config.settings.pools {
        let pool = Arc::new(Pool::new(settings, &gpus));
        let polled = settings.metrics == MetricsSource::Poll;
        for (index, endpoint) in settings.endpoints.iter().enumerate().filter(|_| polled) {
            let poller =
                Poller::new(&pool, index, settings, endpoint, config.roots.as_ref()).map_err(
                    |error| StartError::Poller { pool: settings.name.clone(), index, error },
                )?;
            loops.spawn(poller.run());
        }
        let turn = Arc::new(Turn::new(epoch, sender));
        let publisher = Publisher::new(&pool, settings, &turn);
        let newest = publisher.newest();
        loops.spawn(publisher.run());
        for (gateway, mismatches) in gateways.iter().zip(state.mismatches.clone()) {
            let spending = state.spending_of(&gateway.to_string());
            let link = Arc::new(Link::new(settings, push_timeout, (&mismatches, &spending)));
            let source = (newest.clone(), turn.clone());
            let key = config.key.clone();
            loops.spawn(Pusher::new(link.clone(), gateway, source, key, push_timeout).run());
            state.links.push(link);
        }
        state.turns.push(turn);
        state.pools.push((pool, newest));
    }
    state.gpus = gpus;
    Ok((state, Loops { tasks: loops, _nvml: nvml }))
}

/// Starts what reads GPUs.
fn start_gpus(
    config: &Config,
    gpus: &Arc<Inventory>,
    loops: &mut JoinSet<()>,
) -> Result<Option<Nvml>, StartError> {
    let settings = &config.settings.gpus;
    for (index, exporter) in settings.exporters.iter().enumerate() {
        let poller = GpuPoller::new(gpus, index, settings, exporter, config.roots.as_ref())
            .map_err(|error| StartError::Exporter { index, error })?;
        loops.spawn(poller.run());
    }
    let Some(nvml) = &settings.nvml else { return Ok(None) };
    let (index, library) = (settings.exporters.len(), nvml.library.as_deref());
    watch_nvml(gpus, index, library, settings.poll_interval).map(Some)
}

/// Time since 1970 in ms: a restarted sidecar has to have a greater epoch.
fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
