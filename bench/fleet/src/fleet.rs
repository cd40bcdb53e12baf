//! Three Envoys with a sidecar each, and one Redis.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;
use weir_harness::{
    Envoy, EnvoyConfig, EnvoyOptions, HttpClient, Redis, Request, Sidecar, fleet, workspace,
};
use weir_replica::{Settings, Timing};

use crate::failure::Failure;

/// Tokens of a day that a run's key may use: next to none come back in a run.
pub(crate) const LIMIT: u32 = 40_000;

/// Tokens that one gateway may use of a key before its first grant.
pub(crate) const FIRST: u32 = 500;

/// How many Envoys.
const ENVOYS: usize = 3;

/// Signs pushes; the name is that of the shipped configurations.
const KEY: (&str, &str) = ("WEIR_INTAKE_KEY", "a key for the length of one measurement");

/// Where the filters for clients stand in the shipped file, and the limits in one of them.
const FILTERS: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
const LIMITS: &str = "/typed_config/config/configuration/value/token-limit/policies/default/limits";

/// The ports of the replicas in shipped configurations.
const REPLICAS: [u16; 3] = [9001, 9002, 9003];

/// How long anything may take until it answers.
const START: Duration = Duration::from_secs(30);

/// What runs; dropping it ends all of it.
pub(crate) struct Fleet {
    pub(crate) redis: Redis,
    pub(crate) envoys: Vec<Envoy>,
    pub(crate) sidecars: Vec<Sidecar>,
    _replicas: Vec<weir_replica::Fleet>,
}

impl Fleet {
    /// Starts all of it.
    ///
    /// # Errors
    /// When anything does not start.
    pub(crate) async fn start() -> Result<Self, Failure> {
        // Keeps what it was told, so that nothing is lost when it is killed.
        let redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"])?;
        let mut all =
            Self { redis, envoys: Vec::new(), sidecars: Vec::new(), _replicas: Vec::new() };
        for _ in 0..ENVOYS {
            all.add().await?;
        }
        all.settled().await?;
        Ok(all)
    }

    async fn add(&mut self) -> Result<(), Failure> {
        let mut config = EnvoyConfig::from_file("envoy-config/fleet.yaml")?.edited(put_limit)?;
        let settings = Settings { timing: Timing::instant(), ..Settings::default() };
        self._replicas.push(fleet(&mut config, &REPLICAS, settings).await?);
        let ports = config.ports().clone();
        let options = EnvoyOptions { concurrency: 1, ..EnvoyOptions::default() };
        self.envoys.push(Envoy::start_with(config, options.env(KEY.0, KEY.1)).await?);
        let path = workspace::file("envoy-config/fleet-sidecar.yaml");
        let yaml = std::fs::read_to_string(&path);
        let yaml = yaml.map_err(|source| Failure::File { path, source })?;
        // Pool `qwen` has no replicas here.
        let yaml = yaml.split("  qwen:\n").next().unwrap_or_default();
        let yaml = yaml.replace("redis://127.0.0.1:6379", &self.redis.url());
        let mut sidecar = Sidecar::start(&yaml, &ports, &[KEY]).await?;
        sidecar.wait_until_ready().await?;
        self.sidecars.push(sidecar);
        Ok(())
    }

    /// Where clients send their requests.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.envoys.iter().map(Envoy::clients).collect()
    }

    /// Waits until every sidecar reaches Redis and pushes, and its gateway has heard so.
    ///
    /// # Errors
    /// When that does not come about.
    pub(crate) async fn settled(&mut self) -> Result<(), Failure> {
        let started = Instant::now();
        for sidecar in &mut self.sidecars {
            sidecar.wait_until_ready().await?;
            loop {
                let request = Request::get("/metrics");
                let reply = HttpClient::http1().send(sidecar.address(), request).await;
                let text = reply.map(|reply| reply.text()).unwrap_or_default();
                if text.contains("weir_sidecar_fleet_reachable 1\n") {
                    break;
                }
                if started.elapsed() > START {
                    return Err(Failure::Never("an exchange with Redis"));
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
        // Two pushes of the news.
        sleep(Duration::from_millis(300)).await;
        Ok(())
    }
}

/// Puts the limit in place of those that are shipped.
fn put_limit(config: &mut Value) {
    let limit = json!({"name": "run", "per": ["header:x-run"], "tokens": LIMIT, "window": "1d",
        "reserve": "full", "scope": "fleet", "first": FIRST, "on_unavailable": "deny"});
    let filters = config.pointer_mut(FILTERS).and_then(Value::as_array_mut);
    for filter in filters.into_iter().flatten() {
        if let Some(limits) = filter.pointer_mut(LIMITS) {
            *limits = Value::Array(vec![limit.clone()]);
        }
    }
}
