//! The agent: this machine's GPUs on a page for sidecars elsewhere.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;
use weir_settings::sidecar::{AccessSettings, GpuSettings, NvmlSettings};

use crate::gpu::{Inventory, Nvml};
use crate::http::{Server, State};
use crate::scrape::PollError;
use crate::start::StartError;

/// What the agent does.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// Where its page is offered.
    pub listen: SocketAddr,
    /// How often NVML is asked.
    pub interval: Duration,
    /// The library to load instead of the system's.
    pub library: Option<String>,
}

/// A running agent. Dropping it ends it at once; [`Agent::stop`] ends it cleanly.
#[derive(Debug)]
pub struct Agent {
    address: SocketAddr,
    server: Server,
    _nvml: Nvml,
    // Its receivers would show nothing without it.
    _state: watch::Sender<Arc<State>>,
}

impl Agent {
    /// Starts reading and serving. Without a driver it serves a page that says so.
    ///
    /// # Errors
    /// [`StartError`] where it cannot listen, or the system gives no thread.
    pub async fn start(settings: &AgentSettings) -> Result<Self, StartError> {
        let gpus = GpuSettings {
            poll_interval: settings.interval,
            timeout: settings.interval,
            exporters: Vec::new(),
            access: AccessSettings::default(),
            nvml: Some(NvmlSettings { hosts: Vec::new(), library: None }),
            ignore_xids: Vec::new(),
        };
        let gpus = Arc::new(Inventory::new(&gpus, None));
        let (listener, address) = crate::start::listen(settings.listen).await?;
        info!(%address, version = env!("CARGO_PKG_VERSION"), "agent started");
        // Whatever it logs comes after that.
        let nvml = watch_nvml(&gpus, 0, settings.library.as_deref(), settings.interval)?;
        let state = State { gpus, is_agent: true, ..State::default() };
        let state = watch::Sender::new(Arc::new(state));
        let server = Server::start(listener, state.subscribe());
        Ok(Self { address, server, _nvml: nvml, _state: state })
    }

    /// Where its page is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets requests end that are under way.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// Reads NVML into source `index` of `gpus`.
pub(crate) fn watch_nvml(
    gpus: &Arc<Inventory>,
    index: usize,
    library: Option<&str>,
    interval: Duration,
) -> Result<Nvml, StartError> {
    let gpus = Arc::clone(gpus);
    let sink = move |result: Result<_, crate::gpu::NvmlFailure>| {
        let result = result.map_err(|error| PollError::Nvml(error.to_string()));
        gpus.record(index, result, Instant::now());
    };
    Nvml::start(library, interval, sink).map_err(StartError::Thread)
}
