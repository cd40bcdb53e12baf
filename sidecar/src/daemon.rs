//! Composes the loops, and ends them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;
use weir_settings::sidecar::MetricsSource;

use crate::Config;
use crate::agent::watch_nvml;
use crate::gpu::{self, Inventory, Nvml};
use crate::http::{Server, State};
use crate::poll::{Poller, PollerError};
use crate::pool::Pool;
use crate::push::{Link, Mismatches, Publisher, Pusher, Turn};

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

/// Why a sidecar cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its own HTTP cannot listen.
    #[error("listen: cannot listen on {address}: {error}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// A replica's metrics cannot be asked for.
    #[error("pools.{pool}.endpoints[{index}]: {error}")]
    Poller {
        /// Name of the pool.
        pool: String,
        /// Position of the replica.
        index: usize,
        /// What is wrong.
        error: PollerError,
    },
    /// A page of GPUs cannot be polled.
    #[error("gpus.exporters[{index}]: {error}")]
    Exporter {
        /// Position of the page.
        index: usize,
        /// Why.
        error: PollerError,
    },
    /// The system gives no thread for NVML.
    #[error("cannot start a thread for NVML: {0}")]
    Thread(io::Error),
}

impl Daemon {
    /// Starts polling, pushing and serving.
    ///
    /// # Errors
    /// [`StartError`]; then nothing goes on.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let (listener, address) = listen(config.settings.listen).await?;
        let sender = fastrand::u64(1..SENDERS);
        let (state, loops) = start_loops(&config, now_ms(), sender)?;
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
        let before = self.state.borrow().epoch();
        let epoch = now_ms().max(before.saturating_add(1));
        let (state, loops) = start_loops(config, epoch, self.sender)?;
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

/// Starts the loops of a configuration; dropping the set ends them and closes their connections.
fn start_loops(config: &Config, epoch: u64, sender: u64) -> Result<(State, Loops), StartError> {
    let mut loops = JoinSet::new();
    let gpus = Arc::new(Inventory::new(&config.settings));
    let nvml = start_gpus(config, &gpus, &mut loops)?;
    let gateways = &config.settings.gateways;
    let push_timeout = config.settings.push_timeout;
    let mut state = State {
        mismatches: gateways.iter().map(|at| Arc::new(Mismatches::new(at.to_string()))).collect(),
        ..State::default()
    };
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
        for (gateway, mismatches) in gateways.iter().zip(&state.mismatches) {
            let link = Arc::new(Link::new(settings, push_timeout, mismatches));
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
        let poller = gpu::Poller::new(gpus, index, settings, exporter, config.roots.as_ref())
            .map_err(|error| StartError::Exporter { index, error })?;
        loops.spawn(poller.run());
    }
    let Some(nvml) = &settings.nvml else { return Ok(None) };
    let (index, library) = (settings.exporters.len(), nvml.library.as_deref());
    watch_nvml(gpus, index, library, settings.poll_interval).map(Some)
}

/// Binds the address of its own HTTP.
pub(crate) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listening = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listening.await.map_err(|error| StartError::Listen { address, error })
}

/// Time since 1970 in ms: a restarted sidecar has to have a greater epoch.
fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
