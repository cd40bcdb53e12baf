//! Two Envoys over the same replicas, with a sidecar each, that share through a real Redis.

use std::time::Duration;

use serde_json::{Value, json};
use weir_harness::{HttpClient, Redis, Reply, Request, Sidecar, workspace};

use crate::stack::{LLAMA, Plan, Stack, eventually};

const MATCHED: &str = "weir_prefix_matched_tokens_total";

/// One Envoy with its sidecar.
struct Side {
    stack: Stack,
    sidecar: Sidecar,
}

/// The shipped file of the sidecar, which shares through `redis`.
fn sharing(redis: &Redis) -> String {
    let shipped = std::fs::read_to_string(workspace::file("envoy-config/sidecar.yaml")).unwrap();
    format!("{shipped}redis: {{urls: ['{}'], interval: 100ms}}\n", redis.url())
}

/// Two Envoys, the first of which owns the replicas of pool `llama`; `change` makes each one's file of its sidecar.
async fn two(plan: fn() -> Plan, redis: &Redis, change: fn(usize, String) -> String) -> [Side; 2] {
    let first = plan().start().await;
    let ports = [0, 1, 2].map(|index| first.llama(index).port());
    let second = plan().llama_at(ports).start().await;
    let mut sides = Vec::new();
    for (index, stack) in [first, second].into_iter().enumerate() {
        let sidecar = stack.sidecar_with(&change(index, sharing(redis))).await;
        sides.push(Side { stack, sidecar });
    }
    sides.try_into().ok().unwrap()
}

impl Side {
    /// Waits until a line of the sidecar's metrics is there.
    async fn shows(&self, line: &str) {
        eventually(line, async || {
            let request = Request::get("/metrics");
            let page = HttpClient::http1().send(self.sidecar.address(), request).await.ok()?;
            page.text().lines().any(|found| found == line).then_some(())
        })
        .await;
    }

    /// What others have told of prefix caches of the pool so far.
    async fn heard(&self) -> u64 {
        let request = Request::get("/metrics");
        let page = HttpClient::http1().send(self.sidecar.address(), request).await.unwrap().text();
        let name = "weir_sidecar_shared_prefixes_total{pool=\"llama\",what=\"others\"} ";
        page.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
    }

    async fn send(&self, body: &Value) -> Reply {
        let request = Request::post("/v1/chat/completions").json(body);
        let reply = HttpClient::http1().send(self.stack.envoy.clients(), request).await.unwrap();
        assert_eq!(reply.status, 200);
        reply
    }

    /// Waits until its sidecar has begun another push of each pool, and Envoy has taken it.
    async fn pushed_again(&self) {
        let taken = async || self.stack.stat("weir_intake_accepted_total").await;
        let before = taken().await;
        eventually("pushes", async || (taken().await >= before + 4).then_some(())).await;
    }

    /// The requests that this Envoy is told to be under way elsewhere at `address`.
    async fn told_of(&self, address: &str) -> Option<u64> {
        let view = self.stack.look().await.json().ok()?;
        let pools = view["pools"].as_array()?;
        let mut endpoints = pools.iter().filter_map(|pool| pool["endpoints"].as_array()).flatten();
        endpoints.find(|one| one["address"] == address)?["in_flight_elsewhere"].as_u64()
    }
}

/// Replicas that take long for a long answer, and not for one token.
fn slow() -> Plan {
    Plan::quickstart().replicas(|replicas| {
        replicas.timing.scale = 1.0;
        replicas.timing.overhead = Duration::from_millis(1);
        replicas.timing.decode_token = Duration::from_millis(40);
        replicas.output_tokens = 500;
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_envoy_has_in_flight_keeps_the_other_away_from_that_replica() {
    let redis = Redis::start(&[]).unwrap();
    // The first knows one replica only. Nobody is told by the replicas themselves how busy they are.
    let change = |index, yaml: String| {
        let yaml = yaml.replacen("  llama:\n", "  llama:\n    metrics: none\n", 1);
        match index {
            0 => yaml
                .replace("    - address: 127.0.0.1:9002\n", "")
                .replace("    - address: 127.0.0.1:9003\n", ""),
            _ => yaml,
        }
    };
    let [first, second] = two(slow, &redis, change).await;
    second.shows("weir_sidecar_redis_peers 1").await;
    let busy = first.stack.llama(0).to_string();
    let short = |at: usize| {
        let text = format!("question {at}");
        json!({"model": LLAMA, "max_tokens": 1, "messages": [{"role": "user", "content": text}]})
    };
    let mut at_busy = 0;
    for at in 0..24 {
        let reply = second.send(&short(at)).await;
        at_busy += u32::from(reply.header("x-weir-replica") == busy);
    }
    // That none of 24 prompts belongs to one of three replicas happens once in 17,000 runs.
    assert!(at_busy > 0);
    let (client, address) = (HttpClient::http1(), first.stack.envoy.clients());
    for at in 0..6 {
        let body = json!({"model": LLAMA, "max_tokens": 500,
            "messages": [{"role": "user", "content": format!("a long answer, please: {at}")}]});
        let (client, request) = (client.clone(), Request::post("/v1/chat/completions").json(&body));
        tokio::spawn(async move { drop(client.send(address, request).await) });
    }
    eventually("six elsewhere", async || (second.told_of(&busy).await == Some(6)).then_some(()))
        .await;
    // Replicas whose first tokens come late, as on a busy machine they may, are avoided, too: so it may be chosen now and then.
    // If nobody told of its requests, two at most of 24 would be so once in 200 runs.
    let mut at_busy = 0;
    for at in 24..48 {
        let reply = second.send(&short(at)).await;
        at_busy += u32::from(reply.header("x-weir-replica") == busy);
    }
    let picks = second.stack.envoy.stats("weir_picks").await.unwrap();
    assert!(at_busy <= 2, "{at_busy}: {:?} {picks:?}", second.told_of(&busy).await);
    for side in [&first, &second] {
        side.stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_stays_with_its_replica_whichever_envoy_it_enters() {
    let redis = Redis::start(&[]).unwrap();
    // A worker that counts alone in its Envoy hears of others, too.
    let sides = two(|| Plan::quickstart().one_worker(), &redis, |_, yaml| yaml).await;
    for side in &sides {
        side.shows("weir_sidecar_redis_peers 1").await;
    }
    for (round, (begins, goes_on)) in [(0, 1), (1, 0)].into_iter().enumerate() {
        let (begins, goes_on) = (&sides[begins], &sides[goes_on]);
        let words = format!("conversation {round}: {}", "about something else ".repeat(60));
        let mut messages = vec![json!({"role": "user", "content": words})];
        let before = goes_on.heard().await;
        let reply = begins.send(&json!({"model": LLAMA, "messages": messages})).await;
        let home = reply.header("x-weir-replica").to_owned();
        messages.push(reply.json().unwrap()["choices"][0]["message"].clone());
        messages.push(json!({"role": "user", "content": "and then?"}));
        eventually("it is heard", async || (goes_on.heard().await > before).then_some(())).await;
        goes_on.pushed_again().await;
        let (told, before) = (begins.heard().await, goes_on.stack.stat(MATCHED).await);
        let reply = goes_on.send(&json!({"model": LLAMA, "messages": messages})).await;
        assert_eq!(reply.header("x-weir-replica"), home);
        let matched = goes_on.stack.stat(MATCHED).await - before;
        assert!(matched > 200, "round {round}: {matched}");
        // Else what this turn has taught would be taken for the next conversation.
        eventually("the turn is heard, too", async || (begins.heard().await > told).then_some(()))
            .await;
    }
    for side in &sides {
        side.stack.assert_no_trap().await;
        assert_eq!(side.stack.stat("weir_undecodable_total").await, 0);
    }
}
