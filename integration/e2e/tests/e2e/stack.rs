//! Envoy with the shipped configuration, and replicas in this process behind it.

mod plan;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use weir_harness::{Envoy, HttpClient, Reply, Request, Sidecar, workspace};
use weir_replica::Fleet;
use weir_snapshot::signature::{
    BodyDigest, CHALLENGE_HEADER, HEADER, NO_CHALLENGE, PATH, TIME_HEADER, sign_look, sign_push,
};
use weir_snapshot::{Refusal, Told};

pub(crate) use plan::Plan;

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
        // The counters of a busy picker come with its tick, every 20 ms. Those of pushes never rest.
        let mut last = self.envoy.stats("").await.unwrap().sum(part);
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            let now = self.envoy.stats("").await.unwrap().sum(part);
            if now == last {
                break;
            }
            last = now;
        }
        last
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
