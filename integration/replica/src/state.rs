//! What a replica is made of.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::echo::Captured;
use crate::engine::Engine;
use crate::failure::FailureMode;
use crate::fast::Prepared;
use crate::lock;
use crate::script::ReplyScript;
use crate::settings::Settings;

/// The model's name when none is configured.
const ANY_MODEL: &str = "weir-simulated";

/// The replicas of one process, as each of them sees them.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) states: Vec<Arc<State>>,
}

/// Everything about one replica.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) address: SocketAddr,
    pub(crate) settings: Settings,
    pub(crate) engine: Arc<Engine>,
    pub(crate) prepared: Prepared,
    pub(crate) script: Mutex<ReplyScript>,
    pub(crate) last: Mutex<Option<Captured>>,
    failure: watch::Sender<FailureMode>,
    pub(crate) listening: watch::Sender<bool>,
    ids: AtomicU64,
    /// Requests for an answer that have come, served or not.
    pub(crate) requests: AtomicU64,
}

impl State {
    pub(crate) fn new(address: SocketAddr, settings: Settings) -> Self {
        Self {
            address,
            engine: Engine::new(settings.clone()),
            prepared: Prepared::new(settings.fast_events, settings.fast_pause),
            settings,
            script: Mutex::default(),
            last: Mutex::default(),
            failure: watch::Sender::new(FailureMode::None),
            listening: watch::Sender::new(true),
            ids: AtomicU64::new(1),
            requests: AtomicU64::new(0),
        }
    }

    /// The replica's name: its address.
    pub(crate) fn name(&self) -> String {
        self.address.to_string()
    }

    /// The canonical name of the base model.
    pub(crate) fn model(&self) -> &str {
        self.settings.models.first().map_or(ANY_MODEL, String::as_str)
    }

    pub(crate) fn next_id(&self) -> u64 {
        let port = u64::from(self.address.port()) << 40;
        port | self.ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn failure(&self) -> FailureMode {
        *self.failure.borrow()
    }

    pub(crate) fn set_failure(&self, mode: FailureMode) {
        self.failure.send_replace(mode);
    }

    pub(crate) fn reset(&self) {
        self.set_failure(FailureMode::None);
        self.engine.clear_cache();
        *lock(&self.script) = ReplyScript::default();
        *lock(&self.last) = None;
    }

    /// Returns when it refuses connections, or no longer does.
    pub(crate) async fn refusing(&self, wanted: bool) {
        let mut modes = self.failure.subscribe();
        // The sender lives in `self`, so it can't be closed.
        let _ = modes.wait_for(|mode| (*mode == FailureMode::Refuse) == wanted).await;
    }
}
