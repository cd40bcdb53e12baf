//! Limits that several Envoys have together, through a sidecar each and one real Redis.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use weir_harness::{Redis, Sidecar, workspace};

use crate::envoy_config::settings;
use crate::stack::{Plan, Stack, eventually};
use crate::token_limits::{ann, usage};

/// Tokens in a day, of which next to nothing comes back during a test.
const LIMIT: f64 = 6_000.0;

/// What one gateway may spend before its first grant.
const FIRST: f64 = 200.0;

/// Envoys with a sidecar each, which share a Redis.
pub(crate) struct FleetOfEnvoys {
    redis: Redis,
    pub(crate) stacks: Vec<Stack>,
    pub(crate) sidecars: Vec<Sidecar>,
}

impl FleetOfEnvoys {
    async fn start(count: usize, away: &str) -> Self {
        let limits = json!([{"name": "day", "per": ["consumer"], "tokens": LIMIT as u64, "window": "1d",
            "reserve": "full", "scope": "fleet", "first": FIRST as u64, "on_unavailable": away}]);
        Self::with_limits(count, &limits).await
    }

    /// The same with these limits.
    pub(crate) async fn with_limits(count: usize, limits: &Value) -> Self {
        // Keeps what it was told, so that nothing is lost when it is killed.
        let redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]).unwrap();
        let yaml = std::fs::read_to_string(workspace::file("envoy-config/fleet-sidecar.yaml"));
        let yaml = yaml.unwrap().replace("redis://127.0.0.1:6379", &redis.url());
        let (mut stacks, mut sidecars) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let limits = limits.clone();
            let plan = Plan::shipped("envoy-config/fleet.yaml").edited(|config| {
                let gateway = settings(config, "weir.gateway");
                gateway["token-limit"]["policies"]["default"]["limits"] = limits;
            });
            let stack = plan.start().await;
            sidecars.push(stack.sidecar_with(&yaml).await);
            stacks.push(stack);
        }
        let fleet = Self { redis, stacks, sidecars };
        fleet.reachable().await;
        fleet
    }

    /// Waits until every gateway hears that Redis is reached, and that there are all of them.
    async fn reachable(&self) {
        let gateways = format!("weir_sidecar_fleet_gateways {}", self.stacks.len());
        for (stack, sidecar) in self.stacks.iter().zip(&self.sidecars) {
            eventually("the sidecar reaches Redis and knows all gateways", async || {
                let text = metrics(stack, sidecar).await;
                let up = text.contains("weir_sidecar_fleet_reachable 1");
                (up && text.contains(&gateways)).then_some(())
            })
            .await;
        }
        // Two pushes of the news.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    /// Clients of all Envoys at once, who ask until each was refused `patience` times in a row: tokens of all that
    /// were served.
    async fn hammer(&self, clients: usize, patience: usize) -> f64 {
        let client = async |number: usize| {
            let (stack, mut spent, mut refused) =
                (&self.stacks[number % self.stacks.len()], 0.0, 0);
            while refused < patience {
                let reply = stack.send(ann(1 + number as u64 % 30)).await;
                match reply.status {
                    200 => (spent, refused) = (spent + usage(&reply), 0),
                    429 => refused += 1,
                    other => panic!("{other}: {}", reply.text()),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            spent
        };
        let all = futures_util::future::join_all((0..clients).map(client)).await;
        all.into_iter().sum()
    }

    /// Tokens that Redis has charged, and those that are granted and not used.
    async fn account(&self) -> (f64, f64) {
        let keys = self.ask("KEYS weir:lease:*").await;
        let [key] = keys.as_slice() else { panic!("{keys:?}") };
        let fields = self.ask(&format!("HGETALL {key}")).await;
        let (mut debt, mut outstanding) = (0.0, 0.0);
        for pair in fields.chunks(2) {
            let numbers: Vec<f64> = pair[1].split(' ').map(|word| word.parse().unwrap()).collect();
            match pair[0].as_str() {
                "bucket" => debt = numbers[0] / 1_000.0,
                _ => outstanding += (numbers[2] - numbers[3]) / 1_000.0,
            }
        }
        (debt, outstanding)
    }

    /// The items of a list that Redis answers.
    pub(crate) async fn ask(&self, command: &str) -> Vec<String> {
        let mut stream = TcpStream::connect(self.redis.address()).await.unwrap();
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let lines = text.split("\r\n").filter(|line| !line.starts_with(['*', '$', '+']));
        lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Waits until Redis has charged what was used: nothing more and nothing less.
    async fn charged(&self, spent: f64) {
        let mut last = (0.0, 0.0);
        for _ in 0..100 {
            last = self.account().await;
            // A token may have come back by now.
            if (spent - 2.0..=spent).contains(&last.0.ceil()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{spent} spent, {last:?} charged and outstanding");
    }

    pub(crate) async fn assert_no_trap(&self) {
        for stack in &self.stacks {
            stack.assert_no_trap().await;
        }
    }
}

async fn metrics(stack: &Stack, sidecar: &Sidecar) -> String {
    let request = weir_harness::Request::get("/metrics");
    stack.http.send(sidecar.address(), request).await.unwrap().text()
}

fn bound(gateways: f64) -> f64 {
    LIMIT + gateways * FIRST
}

#[tokio::test(flavor = "multi_thread")]
async fn three_envoys_have_one_limit_together_and_every_token_is_charged_once() {
    let fleet = FleetOfEnvoys::start(3, "deny").await;
    let spent = fleet.hammer(64, 20).await;
    assert!(spent <= bound(3.0), "{spent}");
    assert!(spent >= LIMIT - 250.0, "{spent}: nobody is refused while much is left");
    fleet.charged(spent).await;
    // A key of which nothing is left here is refused everywhere, and another is not.
    for stack in &fleet.stacks {
        let refused = stack.send(ann(200)).await;
        assert_eq!(refused.status, 429, "{}", refused.text());
        assert!(refused.header("retry-after-ms").parse::<u64>().unwrap() > 0);
    }
    let bob = crate::token_limits::chat_of("key-of-bob", 5, 5, false);
    assert_eq!(fleet.stacks[2].send(bob).await.status, 200);
    let text = metrics(&fleet.stacks[0], &fleet.sidecars[0]).await;
    let shown = "weir_sidecar_limit_overshoot_bound{limit=\"day\",measure=\"tokens\"} 600";
    assert!(text.contains(shown), "{text}");
    // Whom a key stands for is nowhere in Redis; Bob's may not have been told yet.
    let keys = fleet.ask("KEYS weir:lease:*").await;
    assert!(!keys.is_empty());
    for key in keys {
        let stored = fleet.ask(&format!("HGETALL {key}")).await.join(" ");
        assert!(!key.contains("ann") && !stored.contains("ann"), "{key} {stored}");
    }
    fleet.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_of_redis_and_of_a_sidecar_costs_no_token_and_admits_none_beyond_the_bound() {
    let mut fleet = FleetOfEnvoys::start(3, "deny").await;
    let mut spent = fleet.hammer(12, 1).await;
    fleet.redis.process().kill();
    // What is at hand may be spent, and nothing more.
    spent += fleet.hammer(12, 3).await;
    let refused = eventually("without Redis a large request is refused", async || {
        let reply = fleet.stacks[0].send(ann(1_000)).await;
        (reply.status == 429).then_some(reply)
    })
    .await;
    assert_eq!(refused.json().unwrap()["error"]["code"], "rate_limit_exceeded");
    fleet.redis.restart().unwrap();
    fleet.reachable().await;
    fleet.sidecars[1].process().kill();
    spent += fleet.hammer(30, 10).await;
    fleet.sidecars[1].restart().await.unwrap();
    fleet.sidecars[1].wait_until_ready().await.unwrap();
    spent += fleet.hammer(30, 20).await;
    assert!(spent <= bound(3.0), "{spent}");
    assert!(spent >= LIMIT - 250.0, "{spent}");
    fleet.charged(spent).await;
    fleet.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_sidecar_an_envoy_admits_its_share_and_counts_that_it_is_alone() {
    let limits = json!([{"name": "day", "per": ["consumer"], "tokens": 1_000, "window": "1d",
        "reserve": "full", "scope": "fleet", "share": 0.25}]);
    let plan = Plan::shipped("envoy-config/fleet.yaml").edited(|config: &mut Value| {
        settings(config, "weir.gateway")["token-limit"]["policies"]["default"]["limits"] = limits;
    });
    let stack = plan.start().await;
    let mut spent = 0.0;
    loop {
        let reply = stack.send(ann(10)).await;
        if reply.status == 429 {
            break;
        }
        spent += usage(&reply);
    }
    assert!((150.0..=250.0).contains(&spent), "{spent}");
    assert!(stack.stat("weir_limit_unreachable_total").await >= 2);
    assert!(stack.envoy.log().contains("scope: fleet"), "{}", stack.envoy.log());
    stack.assert_no_trap().await;
}
