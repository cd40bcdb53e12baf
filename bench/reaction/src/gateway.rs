//! Envoy with its sidecar, three replicas, and the pages that are polled.

use std::time::{Duration, Instant};

use serde_json::json;
use weir_harness::{
    Envoy, EnvoyConfig, EnvoyOptions, GpuExporter, HttpClient, Request, Sidecar, fleet, workspace,
};
use weir_replica::{Fleet, Settings, Timing};

use crate::failure::{Failure, MOST};
use crate::pages::Pages;

/// How many replicas there are.
pub(crate) const REPLICAS: usize = 3;

/// Their ports in the shipped files.
const PORTS: [u16; REPLICAS] = [9001, 9002, 9003];

/// Signs pushes; the name is that of the shipped configurations.
const KEY: (&str, &str) = ("WEIR_INTAKE_KEY", "a key for the length of one measurement");

/// Requests that wait at a busy replica.
const WAITING: u32 = 60;

/// What runs; dropping it ends all of it.
pub(crate) struct Gateway {
    envoy: Envoy,
    replicas: Fleet,
    pages: Pages,
    gpus: GpuExporter,
    http: HttpClient,
    requests: u64,
    _sidecar: Sidecar,
}

impl Gateway {
    /// Starts all of it.
    ///
    /// # Errors
    /// When anything does not start.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let mut config = EnvoyConfig::from_file("envoy-config/one-filter.yaml")?;
        let settings = Settings { timing: Timing::instant(), ..Settings::default() };
        let replicas = fleet(&mut config, &PORTS, settings).await?;
        let ports = config.ports().clone();
        let options = EnvoyOptions { concurrency: 1, ..EnvoyOptions::default() };
        let envoy = Envoy::start_with(config, options.env(KEY.0, KEY.1)).await?;
        let actual = PORTS.map(|port| ports.actual(port));
        let pages = Pages::start(&actual).await?;
        let gpus = GpuExporter::start(REPLICAS).await?;
        let path = workspace::file("envoy-config/sidecar.yaml");
        let yaml = std::fs::read_to_string(&path);
        let yaml = yaml.map_err(|source| Failure::File { path, source })?;
        // Pool `qwen` has no replicas here.
        let yaml = yaml.split("  qwen:\n").next().unwrap_or_default();
        let url = format!("  llama:\n    metrics_url: 'http://{}/{{port}}'\n", pages.address());
        let yaml = gpus.joined(&yaml.replace("  llama:\n", &url), &PORTS);
        let mut sidecar = Sidecar::start(&yaml, &ports, &[KEY]).await?;
        sidecar.wait_until_ready().await?;
        let (http, requests) = (HttpClient::http1(), 0);
        Ok(Self { envoy, replicas, pages, gpus, http, requests, _sidecar: sidecar })
    }

    /// From now on the pages say that this replica alone is idle.
    pub(crate) fn only_idle(&self, idle: usize) {
        self.pages.say(|replica| if replica == idle { 0 } else { WAITING });
    }

    /// From now on the pages say that all replicas are idle.
    pub(crate) fn all_idle(&self) {
        self.pages.say(|_| 0);
    }

    /// From now on the page says that the GPU of this replica has fallen off its bus.
    pub(crate) fn gpu_fails(&self, replica: usize) {
        self.gpus.say(replica, "DCGM_FI_DEV_XID_ERRORS", 79);
    }

    /// From now on the page says that all GPUs are well.
    pub(crate) fn gpus_well(&self) {
        self.gpus.say(0, "DCGM_FI_DEV_XID_ERRORS", 0);
    }

    /// Asks for so long.
    ///
    /// # Errors
    /// When Envoy does not answer.
    pub(crate) async fn keep_on(&mut self, time: Duration) -> Result<(), Failure> {
        let began = Instant::now();
        while began.elapsed() < time {
            self.ask().await?;
        }
        Ok(())
    }

    /// Asks until a request goes where it is to go; how long after `began` that one was sent.
    ///
    /// # Errors
    /// When none does, or Envoy does not answer.
    pub(crate) async fn until(
        &mut self,
        what: &'static str,
        wanted: impl Fn(Option<usize>) -> bool,
        began: Instant,
    ) -> Result<Duration, Failure> {
        loop {
            let (replica, sent) = self.ask().await?;
            if wanted(replica) {
                return Ok(sent.saturating_duration_since(began));
            }
            if began.elapsed() > MOST {
                return Err(Failure::Unseen(what));
            }
        }
    }

    /// Sends a request that has nothing in common with another: the replica that answered, and when it was sent.
    ///
    /// # Errors
    /// When Envoy does not answer.
    pub(crate) async fn ask(&mut self) -> Result<(Option<usize>, Instant), Failure> {
        self.requests += 1;
        let text = format!("{} {}", self.requests, fastrand::u64(..));
        let request = Request::post("/v1/chat/completions").json(&json!({
            "model": "llama-3.1-8b-instruct", "max_tokens": 1,
            "messages": [{"role": "user", "content": text}],
        }));
        let sent = Instant::now();
        let reply = self.http.send(self.envoy.clients(), request).await?;
        let name = reply.header("x-weir-replica");
        let mut replicas = self.replicas.replicas().iter();
        Ok((replicas.position(|replica| replica.address().to_string() == name), sent))
    }
}
