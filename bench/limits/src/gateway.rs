//! Envoy with one limit, before simulated replicas.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use weir_harness::{Envoy, EnvoyConfig, EnvoyOptions, HttpClient, Request, fleet};
use weir_replica::{Fleet, Settings, Timing};
use weir_snapshot::signature::{HEADER, TIME_HEADER, sign_look};

use crate::failure::Failure;
use crate::options::Options;
use crate::policy::Policy;

/// Signs looks; the name is that of the shipped configurations.
const KEY: (&str, &str) = ("WEIR_INTAKE_KEY", "a key for the length of one measurement");

const LIMITS_PATH: &str = "/weir/v1/limits";

/// Where the filters for clients stand in the shipped file, and the limits in one of them.
const FILTERS: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
const LIMITS: &str = "/typed_config/config/configuration/value/token-limit/policies/default/limits";

/// The ports of the replicas in shipped configurations.
const REPLICAS: [u16; 3] = [9001, 9002, 9003];

/// How long a replica takes: some milliseconds for the prompt and for each ten tokens, so that many requests are
/// under way at a time.
const TIMING: Timing = Timing {
    overhead: Duration::from_millis(10),
    prefill_token: Duration::ZERO,
    decode_token: Duration::from_micros(200),
    adapter_load: Duration::ZERO,
    scale: 1.0,
};

/// What runs; dropping it ends all of it.
pub(crate) struct Gateway {
    pub(crate) http: HttpClient,
    envoy: Envoy,
    _replicas: Fleet,
}

impl Gateway {
    /// Starts Envoy with the limit of this policy.
    ///
    /// # Errors
    /// When anything does not start.
    pub(crate) async fn start(policy: Policy, options: &Options) -> Result<Self, Failure> {
        let shipped = EnvoyConfig::from_file("envoy-config/token-limits.yaml")?;
        let mut config = shipped.edited(|config| put_limit(config, policy))?;
        let replicas = Settings { timing: TIMING, max_running: 256, ..Settings::default() };
        let replicas = fleet(&mut config, &REPLICAS, replicas).await?;
        let started = EnvoyOptions { concurrency: options.workers, ..EnvoyOptions::default() };
        let envoy = Envoy::start_with(config, started.env(KEY.0, KEY.1)).await?;
        Ok(Self { http: HttpClient::http1(), envoy, _replicas: replicas })
    }

    /// Where clients send their requests.
    pub(crate) fn address(&self) -> SocketAddr {
        self.envoy.clients()
    }

    /// A counter of the filters.
    ///
    /// # Errors
    /// When Envoy does not answer.
    pub(crate) async fn counter(&self, name: &str) -> Result<u64, Failure> {
        Ok(self.envoy.stats(name).await?.sum(name))
    }

    /// How the busiest keys stand, in tokens.
    ///
    /// # Errors
    /// When Envoy does not answer, or shows no limits.
    pub(crate) async fn keys(&self) -> Result<Vec<Standing>, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = Request::get(LIMITS_PATH)
            .header(TIME_HEADER, now.to_string())
            .header(HEADER, sign_look(KEY.1.as_bytes(), LIMITS_PATH, now));
        let reply = self.http.send(self.envoy.intake(), request).await?;
        let unseen = || Failure::Unseen(reply.text());
        let document: Value = reply.json().map_err(|_| unseen())?;
        let busiest = document.pointer("/limits/0/busiest").and_then(Value::as_array);
        Ok(busiest.ok_or_else(unseen)?.iter().map(Standing::of).collect())
    }
}

/// How a key stands.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// What stands for the key.
    pub(crate) key: String,
    pub(crate) spent: f64,
    pub(crate) reserved: f64,
}

impl Standing {
    fn of(shown: &Value) -> Self {
        let number = |name: &str| shown.get(name).and_then(Value::as_f64).unwrap_or_default();
        let key = shown.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { key, spent: number("spent"), reserved: number("reserved") }
    }
}

/// Puts the policy's limit in place of those that are shipped.
fn put_limit(config: &mut Value, policy: Policy) {
    let filters = config.pointer_mut(FILTERS).and_then(Value::as_array_mut);
    for filter in filters.into_iter().flatten() {
        if let Some(limits) = filter.pointer_mut(LIMITS) {
            *limits = Value::Array(vec![policy.limit()]);
        }
    }
}
