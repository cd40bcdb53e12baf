//! Envoy with the shipped configuration, and replicas in this process behind it.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use weir_harness::{
    Envoy, EnvoyConfig, EnvoyOptions, HarnessError, HttpClient, Ports, Reply, Request, Sidecar,
    fleet, workspace,
};
use weir_replica::{Fleet, Settings, Timing};
use weir_snapshot::signature::{
    BodyDigest, CHALLENGE_HEADER, HEADER, NO_CHALLENGE, PATH, TIME_HEADER, sign_look, sign_push,
};
use weir_snapshot::{Refusal, Told};

/// How the last route of the shipped configurations begins, which takes what no other takes.
pub(crate) const LAST_ROUTE: &str = "- name: no-such-path\n";
/// What quickstart.yaml calls the base model of pool `llama`.
pub(crate) const LLAMA: &str = "llama-3.1-8b-instruct";
/// What quickstart.yaml calls the model of pool `qwen`.
pub(crate) const QWEN: &str = "qwen2.5-7b-instruct";
/// Signs snapshots; Envoy and the sidecar take it from [`KEY_VARIABLE`].
pub(crate) const KEY: &str = "end-to-end key of at least 16 bytes";
/// The variable that the shipped files name.
pub(crate) const KEY_VARIABLE: &str = "WEIR_INTAKE_KEY";
/// Longest wait for something that must happen; nothing is concluded from shorter times.
const PATIENCE: Duration = Duration::from_secs(30);

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
        let start = text.find("                      # Later rules win").unwrap();
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

/// What runs.
pub(crate) struct Stack {
    pub(crate) envoy: Envoy,
    pub(crate) llama: Fleet,
    pub(crate) qwen: Fleet,
    pub(crate) http: HttpClient,
    sequence: AtomicU64,
    /// What pushes have to be signed with, as last told.
    challenge: Mutex<String>,
}

impl Stack {
    fn new(envoy: Envoy, llama: Fleet, qwen: Fleet) -> Self {
        let (http, sequence) = (HttpClient::http1(), AtomicU64::new(1));
        let challenge = Mutex::new(NO_CHALLENGE.to_owned());
        Self { envoy, llama, qwen, http, sequence, challenge }
    }

    /// Sends a request to the clients' listener over HTTP/1.1.
    pub(crate) async fn send(&self, request: Request) -> Reply {
        self.http.send(self.envoy.clients(), request).await.unwrap()
    }

    /// The pool of the replica that answered; `-` when none did.
    pub(crate) fn pool_of(&self, reply: &Reply) -> &'static str {
        let name = reply.header("x-weir-replica");
        let within =
            |fleet: &Fleet| fleet.replicas().iter().any(|r| r.address().to_string() == name);
        match (within(&self.llama), within(&self.qwen)) {
            (true, _) => "llama",
            (_, true) => "qwen",
            _ => "-",
        }
    }

    /// The address of replica `index` of pool `llama`.
    pub(crate) fn llama(&self, index: usize) -> SocketAddr {
        self.llama.replicas()[index].address()
    }

    /// Starts the sidecar with the shipped file and waits until it has pushed.
    pub(crate) async fn sidecar(&self) -> Sidecar {
        let path = workspace::file("envoy-config/sidecar.yaml");
        self.sidecar_with(&std::fs::read_to_string(path).unwrap()).await
    }

    /// Starts the sidecar with `yaml` and waits until it has pushed.
    pub(crate) async fn sidecar_with(&self, yaml: &str) -> Sidecar {
        let environment = [(KEY_VARIABLE, KEY)];
        let mut sidecar = Sidecar::start(yaml, self.envoy.ports(), &environment).await.unwrap();
        sidecar.wait_until_ready().await.unwrap();
        sidecar
    }

    /// Pushes the next signed snapshot of pool `llama`: idle endpoints, changed by `change`.
    pub(crate) async fn push(&self, change: impl Fn(usize, &mut Value)) -> Reply {
        let endpoints = self.llama.replicas().iter().enumerate().map(|(index, replica)| {
            let mut endpoint = json!({
                "address": replica.address().to_string(), "state": "ready", "age_ms": 5,
                "waiting": 0, "running": 0, "kv_cache_use": 0.1, "block_size": 16, "blocks": 8192,
            });
            change(index, &mut endpoint);
            endpoint
        });
        let endpoints: Vec<Value> = endpoints.collect();
        self.push_pool("llama", &endpoints).await
    }

    /// Pushes the next signed snapshot of a pool.
    pub(crate) async fn push_pool(&self, pool: &str, endpoints: &[Value]) -> Reply {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let body = json!({
            "version": 2, "pool": pool, "epoch": 1, "sequence": sequence, "endpoints": endpoints,
        });
        self.push_body(&body.to_string()).await
    }

    /// Waits until `count` requests are in flight in pool `llama`, as the reply to a push says. What
    /// responses tell is written a little after they have ended.
    pub(crate) async fn wait_for_in_flight(&self, count: u64) {
        let counted = async || {
            let document = self.push(|_, _| ()).await.json().unwrap();
            let endpoints = document["endpoints"].as_array().unwrap();
            let each = endpoints.iter().map(|endpoint| endpoint["in_flight"].as_u64().unwrap());
            (each.sum::<u64>() == count).then_some(())
        };
        eventually(&format!("{count} requests in flight"), counted).await;
    }

    /// Pushes `body`, signed, and waits until every worker knows of it: each looks every 5 ms.
    pub(crate) async fn push_body(&self, body: &str) -> Reply {
        let challenge = self.challenge();
        let mut reply = self.post(body, &challenge, KEY).await;
        if let Some(Told::Challenge(challenge)) = told(&reply) {
            self.challenge.lock().unwrap().clone_from(&challenge);
            reply = self.post(body, &challenge, KEY).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        reply
    }

    /// What the gateway wants pushes to be signed with, as it last told.
    pub(crate) fn challenge(&self) -> String {
        self.challenge.lock().unwrap().clone()
    }

    /// Posts `body` as a push that answers `challenge`, signed with `key`.
    pub(crate) async fn post(&self, body: &str, challenge: &str, key: &str) -> Reply {
        let digest = BodyDigest::of(body.as_bytes());
        let request = Request::post(PATH)
            .header(HEADER, sign_push(key.as_bytes(), challenge, digest))
            .header(CHALLENGE_HEADER, challenge)
            .header("content-type", "application/json")
            .body(body.to_owned());
        self.http.send(self.envoy.intake(), request).await.unwrap()
    }

    /// What the gateway keeps, asked for with a signature.
    pub(crate) async fn look(&self) -> Reply {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        self.http.send(self.envoy.intake(), look_at(now)).await.unwrap()
    }

    /// The sum of all of Envoy's counters and gauges whose names contain `part`.
    pub(crate) async fn stat(&self, part: &str) -> u64 {
        // The counters of a busy picker come with its tick, every 20 ms.
        let mut last = self.envoy.stats("").await.unwrap().sum(part);
        loop {
            tokio::time::sleep(Duration::from_millis(60)).await;
            let now = self.envoy.stats("").await.unwrap().sum(part);
            if now == last {
                return now;
            }
            last = now;
        }
    }

    /// Fails when a filter has trapped.
    pub(crate) async fn assert_no_trap(&self) {
        let stats = self.envoy.stats("").await.unwrap();
        let of_vm =
            |(name, _): &(&str, u64)| name.contains("vm_reload") || name.contains("vm_fail");
        let bad: Vec<_> = stats.iter().filter(of_vm).filter(|(_, value)| *value > 0).collect();
        assert!(bad.is_empty(), "{bad:?}\n{}", self.envoy.log());
        assert!(
            stats.iter().any(|stat| stat.0.contains("vm_reload")),
            "names of stats have changed"
        );
        // A trap is counted when the next request reloads the VM, but logged at once.
        assert!(!self.envoy.log().contains("RuntimeError"), "{}", self.envoy.log());
    }
}

/// What a refusal tells besides its reason.
pub(crate) fn told(reply: &Reply) -> Option<Told> {
    Refusal::parse(reply.text().as_bytes()).map(|refusal| refusal.told)
}

/// A signed look at what a gateway keeps.
pub(crate) fn look_at(time: u64) -> Request {
    Request::get(PATH)
        .header(TIME_HEADER, time.to_string())
        .header(HEADER, sign_look(KEY.as_bytes(), PATH, time))
}

/// Waits until `found` gives something.
pub(crate) async fn eventually<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        if let Some(value) = found().await {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} did not happen");
}

/// A chat request that is echoed.
pub(crate) fn chat(model: &str, text: &str) -> Request {
    Request::post("/v1/chat/completions").header("x-weir-echo", "1").json(&json!({
        "model": model, "messages": [{"role": "user", "content": text}],
    }))
}

/// A header of an echoed request; empty when it did not arrive.
pub(crate) fn echoed(echo: &Value, name: &str) -> String {
    let pairs = echo["headers"].as_array().into_iter().flatten();
    let values: Vec<&str> =
        pairs.filter(|pair| pair[0] == name).filter_map(|pair| pair[1].as_str()).collect();
    values.join("|")
}
