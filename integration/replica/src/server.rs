//! Listeners, connections, and the handle that a process keeps on its replicas.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::failure::FailureMode;
use crate::lock;
use crate::script::ReplyScript;
use crate::service;
use crate::settings::Settings;
use crate::state::{Shared, State};

/// How long connections may still answer when a replica starts to refuse, so that the request that
/// asked for it gets its reply.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// How long to wait before a lost port is tried again.
const REBIND: Duration = Duration::from_millis(50);

/// An address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("replica address {address}: {source}")]
pub struct StartError {
    /// The address.
    pub address: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

/// Several replicas in this process. Dropping it ends them all.
#[derive(Debug)]
pub struct Fleet {
    replicas: Vec<Replica>,
    /// Dropped with the fleet, which aborts the listeners.
    _listeners: JoinSet<()>,
}

/// A handle on one running replica.
#[derive(Clone, Debug)]
pub struct Replica(Arc<State>);

impl Fleet {
    /// Starts one replica with `settings` on each of `addresses` (port 0: any free port).
    ///
    /// # Errors
    /// When one of the addresses can't be listened on; then none is.
    pub async fn start(addresses: &[SocketAddr], settings: Settings) -> Result<Self, StartError> {
        let mut listeners = Vec::new();
        let mut states = Vec::new();
        for &address in addresses {
            let failed = |source| StartError { address, source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            listeners.push(listener);
            states.push(Arc::new(State::new(address, settings.clone())));
        }
        let shared = Arc::new(Shared { states });
        let mut tasks = JoinSet::new();
        for (listener, state) in listeners.into_iter().zip(&shared.states) {
            tasks.spawn(serve(Arc::clone(&shared), Arc::clone(state), listener));
        }
        let replicas = shared.states.iter().cloned().map(Replica).collect();
        Ok(Self { replicas, _listeners: tasks })
    }

    /// The replicas, in the order of their addresses at start.
    pub fn replicas(&self) -> &[Replica] {
        &self.replicas
    }
}

impl Replica {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Makes it fail, or work again; returns when its listener and connections are closed, or its
    /// listener is open again.
    pub async fn set_failure(&self, mode: FailureMode) {
        self.0.set_failure(mode);
        let wanted = mode != FailureMode::Refuse;
        // The sender lives in the state that `self` holds, so it can't be closed.
        let _ = self.0.listening.subscribe().wait_for(|listening| *listening == wanted).await;
    }

    /// Replaces the script of all later requests.
    pub fn set_script(&self, script: ReplyScript) {
        *lock(&self.0.script) = script;
    }

    /// Forgets cached prefixes, script, failure mode and the last request.
    pub fn reset(&self) {
        self.0.reset();
    }

    /// Has an empty cache, counters at nought and another time of start, as after a restart; requests under way go on.
    pub fn restart(&self) {
        self.0.engine.restart();
    }

    /// The last request that arrived, with its exact headers and body, in the shape of
    /// `GET /_weir/last`; null before the first.
    pub fn last_request(&self) -> serde_json::Value {
        let last = lock(&self.0.last);
        last.as_ref().map(|captured| captured.document(&self.0.name())).unwrap_or_default()
    }

    /// How many requests for an answer have come so far, whatever became of them.
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// The metrics page as `GET /metrics` shows it.
    pub fn metrics(&self) -> String {
        self.0.engine.metrics_page(self.0.model())
    }
}

/// Serves until the task is aborted, closing the listener whenever the replica is to refuse.
async fn serve(shared: Arc<Shared>, state: Arc<State>, first: TcpListener) {
    let mut listener = first;
    loop {
        let mut connections = JoinSet::new();
        accept(&shared, &state, &listener, &mut connections).await;
        drop(listener);
        tokio::time::sleep(LAST_WORDS).await;
        connections.shutdown().await;
        state.listening.send_replace(false);
        state.refusing(false).await;
        listener = rebind(state.address).await;
        state.listening.send_replace(true);
    }
}

async fn accept(
    shared: &Arc<Shared>,
    state: &Arc<State>,
    listener: &TcpListener,
    connections: &mut JoinSet<()>,
) {
    loop {
        tokio::select! {
            () = state.refusing(true) => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(converse(Arc::clone(shared), Arc::clone(state), stream));
            },
        }
    }
}

async fn converse(shared: Arc<Shared>, state: Arc<State>, stream: TcpStream) {
    // Without it, small events wait for the peer's acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        service::answer(Arc::clone(&shared), Arc::clone(&state), request)
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    // A connection that breaks concerns its client alone.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn rebind(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(REBIND).await,
        }
    }
}
