//! What stands between clients and replicas.

pub(crate) mod envoy;
mod peers;

use std::net::SocketAddr;
use std::path::PathBuf;

use weir_harness::{EnvoyConfig, EnvoyOptions, HarnessError, Redis};

use crate::replicas::{COUNT, Replicas, Speed};
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
    /// Two Envoys with a sidecar each that know nothing of each other.
    TwoAlone,
    /// The same whose sidecars share through a Redis.
    TwoSharing,
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
            Router::TwoAlone => "weir-two-alone",
            Router::TwoSharing => "weir-two-sharing",
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
    Envoys { envoys: Vec<Weir>, _redis: Option<Redis> },
    Peer(Peer),
}

impl Running {
    /// Starts replicas and router and waits until requests are placed.
    pub(crate) async fn start(router: &Router, row: Row) -> Result<Self, HarnessError> {
        let placed = !matches!(router, Router::RoundRobin);
        let mut config = envoy::config(placed)?;
        let ports = envoy::replica_ports(&mut config);
        let replicas = Replicas::start(&ports, row.slow_replicas, Speed::Model).await?;
        let front = match router {
            Router::Weir | Router::RoundRobin => {
                Front::Envoy(Box::new(Weir::start(config, placed).await?))
            }
            Router::TwoAlone => two(config, ports, None).await?,
            Router::TwoSharing => two(config, ports, Some(Redis::start(&[])?)).await?,
            Router::Sglang(program) => Front::Peer(Peer::sglang(program, &ports).await?),
            Router::Vllm(program) => Front::Peer(Peer::vllm(program, &ports).await?),
        };
        Ok(Self { front, _replicas: replicas })
    }

    /// Where clients send their requests: in turn, if there are several.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        match &self.front {
            Front::Envoy(weir) => vec![weir.address()],
            Front::Envoys { envoys, .. } => envoys.iter().map(Weir::address).collect(),
            Front::Peer(peer) => vec![peer.address()],
        }
    }

    /// How many of the picker's choices rested on measured load; `None` where there is no picker.
    pub(crate) async fn picks_by_load(&self) -> Result<Option<u64>, HarnessError> {
        match &self.front {
            Front::Envoy(weir) => weir.picks_by_load().await,
            Front::Envoys { envoys, .. } => {
                let mut picks = 0;
                for weir in envoys {
                    picks += weir.picks_by_load().await?.unwrap_or_default();
                }
                Ok(Some(picks))
            }
            Front::Peer(_) => Ok(None),
        }
    }
}

/// Two Envoys of one worker each before the same replicas, whose sidecars share through `redis`.
async fn two(
    first: EnvoyConfig,
    replicas: [u16; COUNT],
    redis: Option<Redis>,
) -> Result<Front, HarnessError> {
    let second = envoy::config_before(replicas)?;
    let mut envoys = Vec::new();
    for config in [first, second] {
        let options = EnvoyOptions { concurrency: 1, ..EnvoyOptions::default() };
        envoys.push(Weir::start_sharing(config, options, redis.as_ref()).await?);
    }
    Ok(Front::Envoys { envoys, _redis: redis })
}
