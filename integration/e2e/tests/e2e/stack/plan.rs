//! What a test wants started: a shipped configuration, changed here and there, and its replicas.

use serde_json::Value;
use weir_harness::{Envoy, EnvoyConfig, EnvoyOptions, HarnessError, Ports, fleet, workspace};
use weir_replica::{Fleet, Settings, Timing};

use super::{KEY, KEY_VARIABLE, LLAMA, QWEN, Stack};

/// What is to be started.
pub(crate) struct Plan {
    config: EnvoyConfig,
    options: EnvoyOptions,
    replicas: Settings,
    /// Ports of pool `llama`, as shipped files would name them.
    llama_ports: Vec<u16>,
    /// Whether replicas serve a model by any name.
    any_model: bool,
}

impl Plan {
    /// `envoy-config/quickstart.yaml`, on free ports, with replicas that answer at once.
    pub(crate) fn quickstart() -> Self {
        Self::shipped("envoy-config/quickstart.yaml")
    }

    /// Both shipped forms of the chain: a filter each, and one filter that runs them all.
    pub(crate) fn both() -> [Self; 2] {
        [Self::quickstart(), Self::one_filter()]
    }

    /// `envoy-config/one-filter.yaml`.
    pub(crate) fn one_filter() -> Self {
        Self::shipped("envoy-config/one-filter.yaml")
    }

    /// `envoy-config/token-limits.yaml`.
    pub(crate) fn token_limits() -> Self {
        Self::shipped("envoy-config/token-limits.yaml")
    }

    /// `envoy-config/guardrail.yaml`.
    pub(crate) fn guardrail() -> Self {
        Self::shipped("envoy-config/guardrail.yaml")
    }

    /// The same with one policy for all routes, in flow style: `{rules: [{rules: [pii], action: mask}]}`.
    pub(crate) fn guarding(policy: &str) -> Self {
        let path = workspace::file("envoy-config/guardrail.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        let start = text.find("                      # The last entry").unwrap();
        let last = "                        max_response_bytes: 1048576\n";
        let end = text.find(last).unwrap() + last.len();
        let policies = format!(
            "                      default: &guard {policy}\n                      strict: *guard\n"
        );
        Self::guardrail().replace(&text[start..end], &policies)
    }

    /// The same policy in a filter of its own, and in the one filter that runs them all.
    pub(crate) fn guarding_both(policy: &str) -> [Self; 2] {
        let picker = "                    endpoint-picker:\n";
        let guardrail = format!(
            "                    guardrail:\n                      policies:\n                        default: {policy}\n{picker}"
        );
        let one = Self::shipped("envoy-config/one-filter.yaml").replace(picker, &guardrail);
        [Self::guarding(policy), one]
    }

    /// Every shipped configuration for an Envoy of its own.
    pub(crate) fn all_shipped() -> [Self; 3] {
        let [quickstart, one_filter] = Self::both();
        [quickstart, one_filter, Self::guardrail()]
    }

    /// The same where something before Envoy vouches for the header, so that it is not removed.
    pub(crate) fn vouched_for(self, header: &str) -> Self {
        self.replace(&format!("              - {{remove: {header}}}\n"), "")
    }

    /// A shipped file by its path, on free ports, with replicas that answer at once.
    pub(crate) fn shipped(path: &str) -> Self {
        Self::of(EnvoyConfig::from_file(path).unwrap())
    }

    /// A configuration with the ports and clusters of the shipped ones.
    pub(crate) fn of(config: EnvoyConfig) -> Self {
        let options = EnvoyOptions::default().env(KEY_VARIABLE, KEY).env("WEIR_HASH_KEY", KEY);
        let replicas = Settings { timing: Timing::instant(), ..Settings::default() };
        let (llama_ports, any_model) = (vec![9001, 9002, 9003], false);
        Self { config, options, replicas, llama_ports, any_model }
    }

    /// The same with five replicas in pool `llama`.
    pub(crate) fn five_replicas(self) -> Self {
        let endpoint = |port: u16| {
            format!(
                "        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}\n"
            )
        };
        let third = endpoint(9003);
        let more = [9007, 9008].map(endpoint).concat();
        let mut plan = self.replace(&third, &(third.clone() + &more));
        plan.llama_ports.extend([9007, 9008]);
        plan
    }

    /// The same with what runs at `actual` for the shipped port.
    pub(crate) fn served_at(mut self, shipped: u16, actual: u16) -> Self {
        self.config.ports_mut().set(shipped, actual);
        self
    }

    /// The same with pool `llama` served by whoever listens on these three ports.
    pub(crate) fn llama_at(mut self, ports: [u16; 3]) -> Self {
        for (shipped, actual) in [9001, 9002, 9003].into_iter().zip(ports) {
            self.config.ports_mut().set(shipped, actual);
        }
        Self { llama_ports: Vec::new(), ..self }
    }

    /// Which port stands for which.
    pub(crate) fn ports(&self) -> &Ports {
        self.config.ports()
    }

    /// The same with a piece of the shipped text replaced; it must occur.
    pub(crate) fn replace(self, from: &str, to: &str) -> Self {
        Self { config: self.config.replace(from, to).unwrap(), ..self }
    }

    /// The same with the configuration changed as data; see [`crate::envoy_config`] for where things are.
    pub(crate) fn edited(self, change: impl FnOnce(&mut Value)) -> Self {
        Self { config: self.config.edited(change).unwrap(), ..self }
    }

    /// The same with fields added to model-router's default policy, such as `max_body_bytes: 9`.
    pub(crate) fn router_policy(self, field: &str) -> Self {
        let models = "default:\n                        models:";
        self.replace(
            models,
            &models.replace("models:", &format!("{field}\n                        models:")),
        )
    }

    /// The same without model-router; the other filters need `vm_config`s of their own.
    pub(crate) fn without_router(self) -> Self {
        let shipped = workspace::file("envoy-config/quickstart.yaml");
        let text = std::fs::read_to_string(shipped).unwrap();
        let (start, end) =
            ("          - name: weir.model-router\n", "          - name: weir.endpoint-picker\n");
        let block = &text[text.find(start).unwrap()..text.find(end).unwrap()];
        self.replace(block, "")
    }

    /// The same with snapshots that stay fresh, for tests that push a view once.
    pub(crate) fn long_fresh(self) -> Self {
        self.replace("fresh_ms: 1000", "fresh_ms: 600000")
    }

    /// The same with other replicas.
    pub(crate) fn replicas(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut replicas = self.replicas;
        change(&mut replicas);
        Self { replicas, ..self }
    }

    /// The same with other levels of Envoy's log.
    pub(crate) fn log(mut self, level: &str, components: &str) -> Self {
        self.options.log_level = level.to_owned();
        self.options.component_log_level = components.to_owned();
        self
    }

    /// The same with an access log that is written at once, as far as a test can wait.
    pub(crate) fn prompt_access_log(mut self) -> Self {
        let flush = ["--file-flush-interval-msec", "20"];
        self.options.arguments.extend(flush.map(str::to_owned));
        self
    }

    /// The same with replicas that serve a model by any name, so that one model can be in both pools.
    pub(crate) fn any_model(mut self) -> Self {
        self.any_model = true;
        self
    }

    /// The same with listeners that are gone a second after they were replaced.
    pub(crate) fn quick_drain(mut self) -> Self {
        self.options.arguments.extend(["--drain-time-s", "1"].map(str::to_owned));
        self
    }

    /// The same with one worker in place of two.
    pub(crate) fn one_worker(self) -> Self {
        self.workers(1)
    }

    /// The same with one environment variable of Envoy's more.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.options = self.options.env(name, value);
        self
    }

    /// The same with so many workers.
    pub(crate) fn workers(mut self, workers: u32) -> Self {
        self.options.concurrency = workers;
        self
    }

    /// The same with HTTP/2 to the replicas, which carries trailers.
    pub(crate) fn http2_upstream(self) -> Self {
        self.replace("    connect_timeout: 1s\n", concat!(
            "    connect_timeout: 1s\n",
            "    typed_extension_protocol_options:\n",
            "      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n",
            "        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n",
            "        explicit_http_config: {http2_protocol_options: {}}\n",
        ))
    }

    /// Starts replicas and Envoy.
    pub(crate) async fn start(self) -> Stack {
        self.try_start().await.unwrap()
    }

    /// Starts replicas and Envoy, which may refuse.
    pub(crate) async fn try_start(mut self) -> Result<Stack, HarnessError> {
        let (llama, qwen) = self.start_replicas().await;
        let envoy = Envoy::start_with(self.config, self.options).await?;
        Ok(Stack::new(envoy, llama, qwen))
    }

    /// Starts replicas and Envoy with listeners that can be changed.
    pub(crate) async fn start_dynamic(mut self) -> Stack {
        let (llama, qwen) = self.start_replicas().await;
        let envoy = Envoy::start_dynamic(self.config, self.options).await.unwrap();
        Stack::new(envoy, llama, qwen)
    }

    async fn start_replicas(&mut self) -> (Fleet, Fleet) {
        let any_model = self.any_model;
        let with = |models: &str, adapters: &[&str]| Settings {
            models: if any_model { Vec::new() } else { vec![models.to_owned()] },
            adapters: adapters.iter().map(|name| (*name).to_owned()).collect(),
            ..self.replicas.clone()
        };
        let (llama, qwen) = (with(LLAMA, &["sql-expert"]), with(QWEN, &[]));
        let llama = fleet(&mut self.config, &self.llama_ports, llama).await.unwrap();
        let qwen = fleet(&mut self.config, &[9004, 9005, 9006], qwen).await.unwrap();
        (llama, qwen)
    }
}
