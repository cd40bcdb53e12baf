//! Composes the loops, and ends them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;
use weir_settings::sidecar::PoolSettings;

use crate::Config;
use crate::agent::watch_nvml;
use crate::client::Access;
use crate::discover::{Board, Sources};
use crate::gpu::{Inventory, Nvml};
use crate::http::{PoolState, Server, State};
use crate::leases::{LeaseExchange, Leases};
use crate::peers::Peers;
use crate::poll::{GpuPoller, PollPlan, Slots};
use crate::pool::Pool;
use crate::prefix_log::PrefixLog;
use crate::push::{Fleet, Gateways, Publisher, PushPlan, Turn};
use crate::redis::{Health, Keeper, Redis};
use crate::roster::Roster;
use crate::sharing::Exchange;
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
        let (state, loops) = Loops::start(&config, &State::default(), sender)?;
        let state = watch::Sender::new(Arc::new(state));
        let server = Server::start(listener, state.subscribe());
        info!(%address, version = env!("CARGO_PKG_VERSION"), "started");
        Ok(Self { address, server, state, loops, sender })
    }

    /// Takes over another configuration. `listen` and `log` stay as they were at the start.
    ///
    /// What is known goes on: of replicas, GPUs and gateways that both configurations have, and the numbers of the
    /// snapshots of such pools.
    ///
    /// # Errors
    /// [`StartError`]; then the sidecar goes on as before.
    pub fn reload(&mut self, config: &Config) -> Result<(), StartError> {
        let before = self.state.borrow().clone();
        let (state, loops) = Loops::start(config, &before, self.sender)?;
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

/// What runs for one configuration. Dropping it ends all of it, and closes its connections.
#[derive(Debug)]
struct Loops {
    tasks: JoinSet<()>,
    _nvml: Option<Nvml>,
}

/// What the loops of one configuration are started with.
struct Start<'a> {
    config: &'a Config,
    before: &'a State,
    sender: u64,
    sources: Sources,
    gpus: Arc<Inventory>,
    slots: Arc<Slots>,
    gateways: Arc<Gateways>,
    tasks: JoinSet<()>,
}

impl Loops {
    /// Starts the loops of `config`, which go on with what `before` knows.
    fn start(config: &Config, before: &State, sender: u64) -> Result<(State, Self), StartError> {
        let mut start = Start::new(config, before, sender);
        let nvml = start.gpus()?;
        let pools = config.settings.pools.iter().zip(&config.access);
        let pools: Vec<(PoolState, PushPlan)> = pools
            .map(|(settings, access)| start.pool(settings, access))
            .collect::<Result<_, _>>()?;
        let (pools, mut plans): (Vec<_>, Vec<_>) = pools.into_iter().unzip();
        let redis = start.redis(&pools)?;
        let leases = redis.as_ref().map(|redis| start.leases(redis));
        if let Some(plan) = plans.first_mut() {
            plan.leases.clone_from(&leases);
        }
        let board = start.fleet(plans)?;
        let Start { gpus, slots, gateways, tasks, .. } = start;
        let state = State {
            pools,
            gateways,
            spending: Arc::clone(&before.spending),
            gateway_sources: board,
            gpus,
            redis,
            leases,
            keys: config.keys.clone(),
            slots,
            is_agent: false,
        };
        Ok((state, Self { tasks, _nvml: nvml }))
    }
}

impl<'a> Start<'a> {
    /// Nothing runs yet.
    fn new(config: &'a Config, before: &'a State, sender: u64) -> Self {
        let shared = config.settings.redis.as_ref();
        let peers = shared.map(|redis| Arc::new(Peers::new(redis.interval)));
        Self {
            config,
            before,
            sender,
            sources: Sources::new(config),
            gpus: Arc::new(Inventory::new(&config.settings.gpus, Some(&before.gpus))),
            slots: Slots::new(config.settings.max_polls),
            gateways: Arc::new(Gateways::new(peers)),
            tasks: JoinSet::new(),
        }
    }

    /// Starts what keeps the pushers.
    fn fleet(&mut self, plans: Vec<PushPlan>) -> Result<Arc<Board>, StartError> {
        let settings = &self.config.settings;
        let board = Board::new();
        // Where metrics of gateways are is of no interest.
        let Some(metrics_url) = settings.pools.first().map(|pool| &pool.metrics_url) else {
            return Ok(board);
        };
        for source in &settings.discover_gateways {
            let before = Some(self.before.gateway_sources.as_ref());
            let slot = board.add(source.to_string(), "gateways", before);
            self.sources
                .start(source, metrics_url, slot, &mut self.tasks)
                .map_err(|error| StartError::Discovery { field: "gateways".to_owned(), error })?;
        }
        let fleet = Fleet::new(
            (settings.gateways.clone(), &board),
            plans,
            (self.config.keys.clone(), settings.push_timeout),
            (&self.gateways, &self.before.spending),
            Some(Arc::clone(&self.before.gateways)),
        );
        self.tasks.spawn(fleet.run());
        Ok(board)
    }

    /// Starts one pool.
    fn pool(
        &mut self,
        settings: &PoolSettings,
        access: &Access,
    ) -> Result<(PoolState, PushPlan), StartError> {
        let before = self.before.pools.iter().find(|before| before.pool.name() == settings.name);
        let pool = before.map(|before| before.pool.as_ref());
        let pool = Arc::new(Pool::new(settings, &self.gpus, pool));
        let board = self.discovery(settings, before)?;
        let plan = PollPlan::new(settings, access, &self.slots);
        let roster = Roster::new(&pool, settings, &board, plan, &self.gateways);
        let roster = roster.map_err(|(index, error)| StartError::Poller {
            pool: settings.name.clone(),
            index,
            error,
        })?;
        self.tasks.spawn(roster.run());
        let turn = before.map(|before| Arc::clone(&before.turn));
        let turn = turn.unwrap_or_else(|| Arc::new(Turn::new(now_ms(), self.sender)));
        let newest = before.map(|before| &before.newest);
        let publisher = Publisher::new(&pool, settings, &turn, newest);
        let newest = publisher.newest();
        self.tasks.spawn(publisher.run());
        let prefixes = self.prefix_log(before);
        let push = PushPlan {
            pool: settings.name.clone(),
            interval: settings.poll_interval,
            newest: newest.clone(),
            turn: Arc::clone(&turn),
            leases: None,
            prefixes: prefixes.clone(),
        };
        Ok((PoolState { pool, newest, prefixes, turn, sources: board }, push))
    }

    /// Starts the sources of a pool's replicas.
    fn discovery(
        &mut self,
        settings: &PoolSettings,
        before: Option<&PoolState>,
    ) -> Result<Arc<Board>, StartError> {
        let board = Board::new();
        for source in &settings.discover {
            let said = before.map(|before| before.sources.as_ref());
            let slot = board.add(source.to_string(), &settings.name, said);
            let started = self.sources.start(source, &settings.metrics_url, slot, &mut self.tasks);
            started.map_err(|error| StartError::Discovery {
                field: format!("pools.{}", settings.name),
                error,
            })?;
        }
        Ok(board)
    }

    /// The prefixes of a pool that are shared with other sidecars, if there are any to share with.
    fn prefix_log(&self, before: Option<&PoolState>) -> Option<Arc<PrefixLog>> {
        let redis = self.config.settings.redis.as_ref()?;
        let known = before.and_then(|before| before.prefixes.clone());
        Some(known.unwrap_or_else(|| Arc::new(PrefixLog::new(redis.interval))))
    }

    /// Starts what shares with other sidecars.
    fn redis(&mut self, pools: &[PoolState]) -> Result<Option<Arc<Redis>>, StartError> {
        let Some(access) = &self.config.redis else { return Ok(None) };
        let before = self.before.redis.as_ref().map(|redis| Arc::clone(redis.health()));
        let redis =
            Arc::new(Redis::new(access, before.unwrap_or_else(|| Arc::new(Health::default()))));
        let keeper = Keeper::new(&redis, access);
        let keeper = keeper.map_err(|error| StartError::Redis(error.to_string()))?;
        self.tasks.spawn(keeper.run());
        if let Some(peers) = self.gateways.peers() {
            let whose = (self.sender, access.settings().interval);
            let log =
                |state: &PoolState| Some((state.pool.name().to_owned(), state.prefixes.clone()?));
            let logs = pools.iter().filter_map(log).collect();
            let exchange = Exchange::new(&redis, &self.gateways, (peers, logs), whose);
            self.tasks.spawn(exchange.run());
        }
        Ok(Some(redis))
    }

    /// Starts what leases limits of the fleet.
    fn leases(&mut self, redis: &Arc<Redis>) -> Arc<Leases> {
        let leases = self.before.leases.clone().unwrap_or_else(|| Arc::new(Leases::new()));
        self.tasks.spawn(LeaseExchange::new(&leases, redis).run());
        leases
    }

    /// Starts what reads GPUs.
    fn gpus(&mut self) -> Result<Option<Nvml>, StartError> {
        let settings = &self.config.settings.gpus;
        for (index, exporter) in settings.exporters.iter().enumerate() {
            let access = (&self.config.gpu_access, &self.slots);
            let poller = GpuPoller::new(&self.gpus, index, settings, exporter, access)
                .map_err(|error| StartError::Exporter { index, error })?;
            self.tasks.spawn(poller.run());
        }
        let Some(nvml) = &settings.nvml else { return Ok(None) };
        let (index, library) = (settings.exporters.len(), nvml.library.as_deref());
        watch_nvml(&self.gpus, index, library, settings.poll_interval).map(Some)
    }
}

/// Time since 1970 in ms: a restarted sidecar has to have a greater epoch.
fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
