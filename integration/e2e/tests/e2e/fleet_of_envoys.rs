//! Envoys with a sidecar each that share a real Redis, and clients of the limit that they have together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_harness::{HttpClient, Redis, Reply, Request, Sidecar, workspace};

use crate::envoy_config::settings;
use crate::stack::{Plan, Stack, eventually};
use crate::token_limits::{ann, usage};

/// Tokens of the prompt of [`ann`], as replicas count them.
const PROMPT: f64 = 15.0;

/// Keeps what it was told, so that nothing is lost when it is killed.
pub(crate) const KEEPING: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// A limit of a day that the Envoys have together.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) envoys: usize,
    pub(crate) tokens: u32,
    /// What one gateway may spend before its first grant.
    pub(crate) first: u32,
    /// What decides while Redis cannot be asked.
    pub(crate) away: &'static str,
    /// What tells keys apart.
    pub(crate) per: &'static str,
}

impl Terms {
    /// The most that all gateways may admit together, if there are so many in the end.
    pub(crate) fn bound(&self, gateways: u32) -> f64 {
        f64::from(self.tokens) + f64::from(gateways) * f64::from(self.first)
    }
}

/// What runs.
pub(crate) struct FleetOfEnvoys {
    /// One server, or the nodes of a cluster.
    pub(crate) redis: Vec<Redis>,
    pub(crate) stacks: Vec<Stack>,
    pub(crate) sidecars: Vec<Sidecar>,
    terms: Terms,
    began: Instant,
}

/// A gateway's record of a key in Redis, in tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Record {
    pub(crate) granted: f64,
    pub(crate) charged: f64,
    /// When Redis last heard of it, in ms since 1970.
    pub(crate) seen: f64,
}

/// What Redis has of one key, in tokens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    /// What is charged and has not drained.
    pub(crate) debt: f64,
    /// By what each Envoy calls itself.
    pub(crate) gateways: BTreeMap<String, Record>,
}

impl Account {
    /// What is granted and not charged.
    pub(crate) fn outstanding(&self) -> f64 {
        self.gateways.values().map(|record| record.granted - record.charged).sum()
    }
}

impl FleetOfEnvoys {
    pub(crate) async fn start(terms: Terms) -> Self {
        Self::over(vec![Redis::start(&KEEPING).unwrap()], terms).await
    }

    /// The same with these servers: one, or the nodes of a cluster.
    pub(crate) async fn over(redis: Vec<Redis>, terms: Terms) -> Self {
        let limits = json!([{"name": "day", "per": [terms.per], "tokens": terms.tokens, "window": "1d", "reserve": "full",
            "scope": "fleet", "first": terms.first, "on_unavailable": terms.away}]);
        Self::launch(redis, terms, &limits).await
    }

    /// The same with other limits than a day's.
    pub(crate) async fn with_limits(envoys: usize, limits: &Value) -> Self {
        let terms = Terms { envoys, tokens: 0, first: 0, away: "local", per: "consumer" };
        Self::launch(vec![Redis::start(&KEEPING).unwrap()], terms, limits).await
    }

    async fn launch(redis: Vec<Redis>, terms: Terms, limits: &Value) -> Self {
        let yaml = std::fs::read_to_string(workspace::file("envoy-config/fleet-sidecar.yaml"));
        let urls: Vec<String> = redis.iter().map(Redis::url).collect();
        let mode = if redis.len() > 1 { "cluster" } else { "standalone" };
        let shipped = "redis: {urls: [\"redis://127.0.0.1:6379\"]}";
        let yaml = yaml.unwrap();
        assert!(yaml.contains(shipped), "{yaml}");
        let yaml = yaml.replace(shipped, &format!("redis: {{urls: {urls:?}, mode: {mode}}}"));
        let (mut stacks, mut sidecars) = (Vec::new(), Vec::new());
        for _ in 0..terms.envoys {
            let stack = plan(limits.clone()).start().await;
            sidecars.push(stack.sidecar_with(&yaml).await);
            stacks.push(stack);
        }
        let fleet = Self { redis, stacks, sidecars, terms, began: Instant::now() };
        fleet.reachable(terms.envoys..=terms.envoys).await;
        fleet
    }

    /// Waits until every gateway hears that Redis is reached, and that there are so many of them.
    pub(crate) async fn reachable(&self, gateways: RangeInclusive<usize>) {
        let known = |text: &str| {
            let mut lines = gateways.clone().map(|count| format!("_fleet_gateways {count}\n"));
            lines.any(|line| text.contains(&line))
        };
        for sidecar in &self.sidecars {
            eventually("the sidecar reaches Redis and knows all gateways", async || {
                let text = metrics(sidecar).await;
                let up = text.contains("weir_sidecar_fleet_reachable 1\n");
                (up && known(&text)).then_some(())
            })
            .await;
        }
        // Two pushes of the news.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    /// Clients of all Envoys, who pause between two requests for so many ms.
    pub(crate) fn clients(&self, pause_ms: u64) -> Clients {
        let addresses = self.stacks.iter().map(|stack| stack.envoy.clients()).collect();
        let pause = Duration::from_millis(pause_ms);
        Clients { http: HttpClient::http1(), addresses, pause }
    }

    /// Tokens of all that were served; clients of all Envoys ask until each was refused `patience` times in a row. With a
    /// hundred, which take 2 s, a busy machine has brought every grant by then.
    pub(crate) async fn hammer(&self, clients: usize, patience: usize) -> f64 {
        self.clients(20).hammer(clients, patience).await.sure()
    }

    /// Every key that Redis has.
    pub(crate) async fn accounts(&self) -> Vec<Account> {
        let mut accounts = Vec::new();
        for node in &self.redis {
            for key in node.ask("KEYS weir:lease:*").await.unwrap() {
                accounts.push(account(&node.ask(&format!("HGETALL {key}")).await.unwrap()));
            }
        }
        accounts
    }

    /// The one key that Redis has.
    pub(crate) async fn account(&self) -> Account {
        let mut accounts = self.accounts().await;
        assert_eq!(accounts.len(), 1, "{accounts:?}");
        accounts.remove(0)
    }

    /// What may have drained of so many keys by now, in tokens.
    pub(crate) fn drained(&self, keys: u32) -> f64 {
        let each = f64::from(self.terms.tokens) / 86_400.0;
        self.began.elapsed().as_secs_f64() * each * f64::from(keys)
    }

    /// Waits until Redis has charged what was used: nothing more, and nothing less than what has drained of `keys` keys.
    pub(crate) async fn charged(&self, spent: f64, keys: u32) {
        let mut last = Vec::new();
        for _ in 0..100 {
            last = self.accounts().await;
            let debt: f64 = last.iter().map(|account| account.debt).sum();
            // Thousandths are told.
            if (spent - self.drained(keys) - 0.01..=spent + 0.01).contains(&debt) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{spent} spent, {last:?}");
    }

    pub(crate) async fn assert_no_trap(&self) {
        for stack in &self.stacks {
            stack.assert_no_trap().await;
        }
    }
}

fn plan(limits: Value) -> Plan {
    Plan::shipped("envoy-config/fleet.yaml").edited(|config| {
        let gateway = settings(config, "weir.gateway");
        gateway["token-limit"]["policies"]["default"]["limits"] = limits;
    })
}

/// Whether a request was refused by its limit, or because nobody could say whether that is reached.
pub(crate) fn is_refused(reply: &Reply) -> bool {
    let unavailable = || Some(reply.json().ok()?["error"]["code"] == "limits_unavailable");
    reply.status == 429 || reply.status == 503 && unavailable() == Some(true)
}

/// From the fields of a key's hash.
fn account(fields: &[String]) -> Account {
    let mut account = Account::default();
    for pair in fields.chunks(2) {
        let numbers: Vec<f64> = pair[1].split(' ').map(|word| word.parse().unwrap()).collect();
        match pair[0].as_str() {
            "bucket" => account.debt = numbers[0] / 1_000.0,
            name => {
                let (granted, charged) = (numbers[2] / 1_000.0, numbers[3] / 1_000.0);
                let record = Record { granted, charged, seen: numbers[5] };
                account.gateways.insert(name.to_owned(), record);
            }
        }
    }
    account
}

/// The sidecar's `/metrics`; nothing while it does not answer.
pub(crate) async fn metrics(sidecar: &Sidecar) -> String {
    let reply = HttpClient::http1().send(sidecar.address(), Request::get("/metrics")).await;
    reply.map(|reply| reply.text()).unwrap_or_default()
}

/// What one client was served.
#[derive(Debug, Clone, Copy, Default)]
struct Served {
    envoy: usize,
    user: usize,
    /// Tokens, as replies said.
    sure: f64,
    /// Of requests whose reply was lost with their Envoy: what they have used if they were served.
    perhaps: f64,
}

/// What clients were served, in tokens.
#[derive(Debug, Default)]
pub(crate) struct Tally(Vec<Served>);

impl Tally {
    /// What replies said.
    pub(crate) fn sure(&self) -> f64 {
        self.sum(|served| served.sure)
    }

    /// With what may have been served and was not answered.
    pub(crate) fn most(&self) -> f64 {
        self.sum(|served| served.sure + served.perhaps)
    }

    /// What replies of one Envoy said.
    pub(crate) fn of_envoy(&self, envoy: usize) -> f64 {
        self.sum(|served| if served.envoy == envoy { served.sure } else { 0.0 })
    }

    /// What one user was served.
    pub(crate) fn of_user(&self, user: usize) -> f64 {
        self.sum(|served| if served.user == user { served.sure } else { 0.0 })
    }

    fn sum(&self, of: impl Fn(&Served) -> f64) -> f64 {
        self.0.iter().map(of).sum()
    }
}

/// Clients of several Envoys.
#[derive(Clone)]
pub(crate) struct Clients {
    http: HttpClient,
    addresses: Vec<SocketAddr>,
    pause: Duration,
}

impl Clients {
    /// How many users they are: each has clients of every Envoy.
    pub(crate) const USERS: usize = 12;

    /// So many clients at once, each of whom goes on until it was refused or not answered `patience` times in a row.
    pub(crate) async fn hammer(&self, clients: usize, patience: usize) -> Tally {
        let all = (0..clients).map(|number| self.client(number, patience));
        Tally(futures_util::future::join_all(all).await)
    }

    async fn client(&self, number: usize, patience: usize) -> Served {
        let (envoy, user) = (number % self.addresses.len(), number / self.addresses.len());
        let (address, tokens) = (self.addresses[envoy], 1 + number as u64 % 30);
        let mut served = Served { envoy, user: user % Self::USERS, ..Served::default() };
        let (mut refused, may_use) = (0, tokens as f64 + PROMPT);
        while refused < patience {
            let request = ann(tokens).header("x-user", format!("user-{}", served.user));
            refused += 1;
            match self.http.send(address, request).await {
                Ok(reply) if reply.status == 200 && reply.complete => {
                    assert_eq!(usage(&reply), may_use, "what this takes a prompt for");
                    served.sure += may_use;
                    refused = 0;
                }
                Ok(reply) if is_refused(&reply) => {}
                Ok(reply) if reply.complete => panic!("{}: {}", reply.status, reply.text()),
                Err(error) if error.is_unconnected() => {}
                _ => served.perhaps += may_use,
            }
            tokio::time::sleep(self.pause).await;
        }
        served
    }
}
