//! What stands between clients and replicas.

pub(crate) mod envoy;
mod peers;

use std::net::SocketAddr;
use std::path::PathBuf;

use weir_harness::HarnessError;

use crate::replicas::{Replicas, Speed};
use crate::row::Row;
use envoy::Weir;
use peers::Peer;

/// One router.
#[derive(Debug, Clone)]
pub(crate) enum Router {
    /// Weir in Envoy with two workers, and the sidecar.
    Weir,
    /// SGLang's, by its program.
    Sglang(PathBuf),
    /// vLLM's, by its program.
    Vllm(PathBuf),
    /// Envoy's round robin: the same Envoy, whose picker knows of no replica.
    RoundRobin,
}

impl Router {
    /// The name in tables and on the command line.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Router::Weir => "weir",
            Router::Sglang(_) => "sglang-router",
            Router::Vllm(_) => "vllm-router",
            Router::RoundRobin => "round-robin",
        }
    }
}

/// A router that is ready, and its replicas; dropping it ends all of it.
pub(crate) struct Running {
    front: Front,
    _replicas: Replicas,
}

enum Front {
    Envoy(Box<Weir>),
    Peer(Peer),
}

impl Running {
    /// Starts replicas and router and waits until requests are placed.
    pub(crate) async fn start(router: &Router, row: Row) -> Result<Self, HarnessError> {
        let mut config = envoy::config(matches!(router, Router::Weir))?;
        let ports = envoy::replica_ports(&mut config);
        let replicas = Replicas::start(&ports, row.slow_replicas, Speed::Model).await?;
        let front = match router {
            Router::Weir | Router::RoundRobin => {
                Front::Envoy(Box::new(Weir::start(config, matches!(router, Router::Weir)).await?))
            }
            Router::Sglang(program) => Front::Peer(Peer::sglang(program, &ports).await?),
            Router::Vllm(program) => Front::Peer(Peer::vllm(program, &ports).await?),
        };
        Ok(Self { front, _replicas: replicas })
    }

    /// Where clients send their requests.
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.front {
            Front::Envoy(weir) => weir.address(),
            Front::Peer(peer) => peer.address(),
        }
    }

    /// How many of the picker's choices rested on measured load; `None` where there is no picker.
    pub(crate) async fn picks_by_load(&self) -> Result<Option<u64>, HarnessError> {
        match &self.front {
            Front::Envoy(weir) => weir.picks_by_load().await,
            Front::Peer(_) => Ok(None),
        }
    }
}
