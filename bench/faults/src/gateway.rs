//! Envoy with its sidecar, three replicas, and what the sidecar polls and asks.

use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;
use weir_harness::{Envoy, EnvoyConfig, EnvoyOptions, Sidecar, fleet};
use weir_replica::{FailureMode, Fleet, Settings, Timing};

use crate::failure::Failure;
use crate::gpus::Gpus;
use crate::names::Names;
use crate::pages::Pages;

/// The replicas' ports in the shipped file. The first is the one that faults hit, and the last is found by name.
const PORTS: [u16; 3] = [9001, 9002, 9003];

/// Signs pushes.
pub(crate) const KEY: &str = "a key for the length of one measurement";

/// What runs; dropping it ends all of it.
pub(crate) struct Gateway {
    pub(crate) envoy: Envoy,
    pub(crate) sidecar: Sidecar,
    pub(crate) pages: Pages,
    pub(crate) gpus: Gpus,
    pub(crate) names: Names,
    replicas: Fleet,
    key: PathBuf,
    _folder: TempDir,
}

impl Gateway {
    /// Starts all of it.
    ///
    /// # Errors
    /// When anything does not start.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let mut config = EnvoyConfig::from_file("envoy-config/one-filter.yaml")?;
        let timing = Timing { scale: 0.3, ..Timing::default() };
        let settings = Settings { timing, output_tokens: 8, ..Settings::default() };
        let replicas = fleet(&mut config, &PORTS, settings).await?;
        let ports = config.ports().clone();
        let options = EnvoyOptions::default().env("WEIR_INTAKE_KEY", KEY);
        let envoy = Envoy::start_with(config, options).await?;
        let (pages, gpus) = (Pages::start(replicas.replicas()).await?, Gpus::start().await?);
        let names = Names::start().await?;
        let folder = TempDir::with_prefix("weir-bench-faults-");
        let folder = folder.map_err(Failure::with(std::env::temp_dir()))?;
        let key = folder.path().join("key");
        std::fs::write(&key, KEY).map_err(Failure::with(&key))?;
        let [first, second, third] = PORTS.map(|port| ports.actual(port));
        let yaml = format!(
            "listen: 127.0.0.1:9500\n\
             signing_key_file: {key}\n\
             gateways: ['http://127.0.0.1:10001']\n\
             dns: {{servers: ['{names}'], min_ttl: 1s}}\n\
             gpus: {{poll_interval: 100ms, exporters: [{{url: 'http://{gpus}/metrics'}}]}}\n\
             pools:\n  llama:\n    poll_interval: 100ms\n    metrics_url: 'http://{pages}/{{port}}'\n    \
             endpoints:\n    \
             - {{address: '127.0.0.1:{first}', gpus: [GPU-0]}}\n    \
             - {{address: '127.0.0.1:{second}', gpus: [GPU-1]}}\n    \
             - {{address: 'replica.test:{third}'}}\n",
            key = key.display(),
            names = names.address(),
            gpus = gpus.address(),
            pages = pages.address(),
        );
        let mut sidecar = Sidecar::start(&yaml, &ports, &[]).await?;
        sidecar.wait_until_ready().await?;
        Ok(Self { envoy, sidecar, pages, gpus, names, replicas, key, _folder: folder })
    }

    /// Gives the sidecar this key.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write_key(&self, key: &str) -> Result<(), Failure> {
        std::fs::write(&self.key, key).map_err(Failure::with(&self.key))
    }

    /// Lets the first replica fail, or work again.
    pub(crate) async fn fail_replica(&self, mode: FailureMode) {
        for replica in self.replicas.replicas().iter().take(1) {
            replica.set_failure(mode).await;
        }
    }

    /// The address of the replica that faults hit, as the gateway writes it.
    pub(crate) fn hit(&self) -> SocketAddr {
        let first = self.replicas.replicas().first();
        first.map_or_else(|| ([127, 0, 0, 1], 0).into(), weir_replica::Replica::address)
    }
}
