//! Weir in a real Envoy, and the same Envoy without its knowledge.

use std::net::SocketAddr;
use std::time::Duration;

use weir_harness::{
    Envoy, EnvoyConfig, EnvoyOptions, HarnessError, Ports, Redis, Sidecar, workspace,
};

use crate::replicas::COUNT;

/// The ports of the replicas of pool `llama`: three as shipped, and two that are added.
const REPLICAS: [u16; COUNT] = [9001, 9002, 9003, 9007, 9008];

/// Signs the sidecar's snapshots; the name is that of the shipped configurations.
const KEY: (&str, &str) = ("WEIR_INTAKE_KEY", "a key for the length of one measurement");

/// Envoy, and the sidecar beside it.
pub(crate) struct Weir {
    envoy: Envoy,
    sidecar: Option<Sidecar>,
}

/// The shipped configuration with five replicas in pool `llama`. Without Weir's knowledge the picker has no data, so
/// that Envoy's own round robin chooses.
pub(crate) fn config(placed: bool) -> Result<EnvoyConfig, HarnessError> {
    let endpoint = |port: u16| {
        format!(
            "        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}\n"
        )
    };
    let third = endpoint(9003);
    let more: String = [9007, 9008].map(endpoint).concat();
    let config = EnvoyConfig::from_file("envoy-config/one-filter.yaml")?;
    let config = config.replace(&third, &(third.clone() + &more))?;
    match placed {
        true => Ok(config),
        false => config.replace(
            "default: {alternates: 2, fresh_ms: 1000}",
            "default: {pool: nobody-pushes-this}",
        ),
    }
}

/// The same before replicas that listen already.
pub(crate) fn config_before(replicas: [u16; COUNT]) -> Result<EnvoyConfig, HarnessError> {
    let mut config = config(true)?;
    for (shipped, actual) in REPLICAS.into_iter().zip(replicas) {
        config.ports_mut().set(shipped, actual);
    }
    Ok(config)
}

/// Where the replicas listen.
pub(crate) fn replica_ports(config: &mut EnvoyConfig) -> [u16; COUNT] {
    REPLICAS.map(|port| config.ports().actual(port))
}

impl Weir {
    /// Starts Envoy with two workers, and the sidecar if requests are to be placed.
    pub(crate) async fn start(config: EnvoyConfig, placed: bool) -> Result<Self, HarnessError> {
        let options = EnvoyOptions { concurrency: 2, ..EnvoyOptions::default() };
        Self::start_with(config, placed, options).await
    }

    /// The same with another number of workers.
    pub(crate) async fn start_with(
        config: EnvoyConfig,
        placed: bool,
        options: EnvoyOptions,
    ) -> Result<Self, HarnessError> {
        if placed {
            return Self::start_sharing(config, options, None).await;
        }
        let envoy = Envoy::start_with(config, options.env(KEY.0, KEY.1)).await?;
        Ok(Self { envoy, sidecar: None })
    }

    /// Starts Envoy and a sidecar that shares through `redis`, if there is one.
    pub(crate) async fn start_sharing(
        config: EnvoyConfig,
        options: EnvoyOptions,
        redis: Option<&Redis>,
    ) -> Result<Self, HarnessError> {
        let ports = config.ports().clone();
        let envoy = Envoy::start_with(config, options.env(KEY.0, KEY.1)).await?;
        let sidecar = Some(sidecar(&ports, redis).await?);
        Ok(Self { envoy, sidecar })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.envoy.clients()
    }

    pub(crate) fn envoy(&mut self) -> &mut Envoy {
        &mut self.envoy
    }

    /// How many of the picker's choices rested on measured load; `None` if none was to.
    pub(crate) async fn picks_by_load(&self) -> Result<Option<u64>, HarnessError> {
        if self.sidecar.is_none() {
            return Ok(None);
        }
        let stats = self.envoy.stats("wasmcustom.weir_picks_total").await?;
        Ok(Some(stats.sum("wasmcustom.weir_picks_total.basis.load")))
    }
}

async fn sidecar(ports: &Ports, redis: Option<&Redis>) -> Result<Sidecar, HarnessError> {
    let file = workspace::file("envoy-config/sidecar.yaml");
    let yaml = std::fs::read_to_string(&file)
        .map_err(|source| HarnessError::File { path: file, source })?;
    // Pool `qwen` has no replicas here.
    let shipped = yaml.split("  qwen:\n").next().unwrap_or_default().to_owned();
    let more = "    - address: 127.0.0.1:9007\n    - address: 127.0.0.1:9008\n";
    let redis = redis.map(|redis| format!("redis: {{urls: ['{}']}}\n", redis.url()));
    let yaml = shipped + more + &redis.unwrap_or_default();
    let mut sidecar = Sidecar::start(&yaml, ports, &[KEY]).await?;
    sidecar.wait_until_ready().await?;
    // Ready means that it has polled; its first push follows within one interval of 100 ms.
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(sidecar)
}
