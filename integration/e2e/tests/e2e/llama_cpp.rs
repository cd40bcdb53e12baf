//! Three real llama.cpp servers in place of simulated replicas, with the real clients.

use serde_json::{Value, json};
use tokio::task::JoinSet;
use weir_harness::{HttpClient, LlamaCpp, Reply, Request, Sidecar};

use crate::clients;
use crate::stack::{LLAMA, Plan, Stack, eventually};

/// Everything is looked for, and nothing changed: what a client then sees must be what the server has sent.
const INSPECTING: &str = "{rules: [{rules: [pii, pii-national, secrets, encoded, exfil, injection, leak, invisible], \
     action: flag}], on_unscannable: flag}";

/// Servers, an Envoy before them, and the sidecar that polls them.
struct Real {
    servers: Vec<LlamaCpp>,
    stack: Stack,
    _sidecar: Sidecar,
}

impl Real {
    /// `plan` with the servers as pool `llama`, once the gateway knows all of them.
    async fn start(plan: Plan) -> Self {
        Self::start_before(plan, LlamaCpp::start(3).await.unwrap()).await
    }

    async fn start_before(plan: Plan, servers: Vec<LlamaCpp>) -> Self {
        let ports = [0, 1, 2].map(|index: usize| servers[index].address().port());
        let stack = plan.llama_at(ports).start().await;
        let sidecar = stack.sidecar().await;
        let real = Self { servers, stack, _sidecar: sidecar };
        real.until("all servers are ready", |endpoints| {
            // Queue and batch are known: the sidecar has found out whose page it is.
            let known =
                |one: &Value| one["state"] == "ready" && one["waiting"] == 0 && one["running"] == 0;
            endpoints.len() == 3 && endpoints.iter().all(known)
        })
        .await;
        real
    }

    /// Waits until what the gateway knows of the pool is as `fits` wants it.
    async fn until(&self, what: &str, fits: impl Fn(&[Value]) -> bool) {
        let known = async || {
            let view = self.stack.look().await.json().unwrap();
            let pool = view["pools"].as_array()?.iter().find(|pool| pool["pool"] == "llama")?;
            fits(pool["endpoints"].as_array()?).then_some(())
        };
        eventually(what, known).await;
        // Each worker looks every 5 ms.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    /// The requests that Envoy has sent to each of the servers.
    async fn sent(&self) -> Vec<u64> {
        let page = self.stack.envoy.ask("/clusters").await.unwrap().text();
        let count = |server: &LlamaCpp| -> u64 {
            let line = format!("llama::{}::rq_total::", server.address());
            let value = page.lines().find_map(|found| found.strip_prefix(&line)).unwrap();
            value.parse().unwrap()
        };
        self.servers.iter().map(count).collect()
    }

    /// One turn of a conversation, on a connection of its own, so that either worker may get it.
    async fn turn(&self, messages: &[Value], max_tokens: u32) -> Reply {
        let body = json!({
            "model": LLAMA, "messages": messages, "max_tokens": max_tokens, "temperature": 0,
        });
        let request = Request::post("/v1/chat/completions").json(&body);
        HttpClient::http1().send(self.stack.envoy.clients(), request).await.unwrap()
    }

    /// Sends prompts that have nothing in common; answers with how many went to each server.
    async fn spread(&self, what: &str, prompts: usize) -> Vec<u64> {
        let before = self.sent().await;
        for index in 0..prompts {
            let text = format!("{index} {what} {}", "something else ".repeat(10 + index));
            let reply = self.turn(&[json!({"role": "user", "content": text})], 4).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        let after = self.sent().await;
        before.iter().zip(after).map(|(before, after)| after - before).collect()
    }
}

fn cached_tokens(reply: &Reply) -> u64 {
    reply.json().unwrap()["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn real_clients_see_of_real_servers_what_they_see_without_weir() {
    for plan in Plan::guarding_both(INSPECTING) {
        let real = Real::start_before(plan, LlamaCpp::start_uncached(3).await.unwrap()).await;
        let gateway = format!("http://{}", real.stack.envoy.clients());
        let server = format!("http://{}", real.servers[0].address());
        for script in ["llama_cpp_openai.py", "llama_cpp_anthropic.py"] {
            let output = clients::run_with(script, &[&gateway, &server]).await;
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{script}: {said}");
        }
        assert!(real.stack.stat("weir_guardrail_texts_scanned_total").await > 0);
        assert_eq!(real.stack.stat("weir_picks_ignored_total").await, 0);
        assert_eq!(real.stack.stat("weir_picks_total.basis.none").await, 0);
        real.stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_servers_own_count_of_cached_tokens_confirms_where_conversations_go() {
    let real = Real::start(Plan::quickstart()).await;
    let before = real.sent().await;
    for conversation in 0..9 {
        let opening =
            format!("conversation {conversation}: {}", "about something else ".repeat(20));
        let mut messages = vec![json!({"role": "user", "content": opening})];
        let first = real.turn(&messages, 8).await;
        let prompt = first.json().unwrap()["usage"]["prompt_tokens"].as_u64().unwrap();
        assert!(cached_tokens(&first) < prompt / 4, "{}", first.text());
        for question in 0..2 {
            // The answer is noise, which another tokenisation may cut differently: the prompt alone counts.
            messages.push(json!({"role": "assistant", "content": "Indeed."}));
            messages.push(json!({"role": "user", "content": format!("And then? {question}")}));
            let next = real.turn(&messages, 8).await;
            assert!(cached_tokens(&next) + 16 > prompt, "{prompt}: {}", next.text());
        }
    }
    let after = real.sent().await;
    let each: Vec<u64> = before.iter().zip(after).map(|(before, after)| after - before).collect();
    assert!(each.iter().all(|count| count % 3 == 0), "{each:?}");
    // Nine conversations may leave out a server by chance; that 24 prompts do so as well happens once in 400,000 runs.
    let alone = real.spread("alone", 24).await;
    assert!(each.iter().zip(&alone).all(|(one, other)| one + other > 0), "{each:?} {alone:?}");
    // What Weir expected to be cached was.
    let matched = real.stack.stat("weir_prefix_matched_tokens_total").await;
    let cached = real.stack.stat("weir_prefix_cached_tokens_total").await;
    assert!(matched > 0 && cached > 0, "{matched} {cached}");
    assert_eq!(real.stack.stat("weir_picks_ignored_total").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_that_others_keep_busy_is_avoided_and_one_that_is_killed_costs_nobody_anything()
 {
    let mut real = Real::start(Plan::one_filter()).await;
    let idle = real.spread("idle", 24).await;
    assert!(idle.iter().all(|count| *count > 0), "{idle:?}");

    let busy = keep_busy(&real.servers[0]);
    real.until("requests wait at one server", |endpoints| {
        endpoints[0]["waiting"].as_u64() > Some(1)
    })
    .await;
    let spread = real.spread("busy", 24).await;
    drop(busy);
    // A poll may have met the moment between two requests.
    assert!(spread[0] <= 3 && spread[1] > 0 && spread[2] > 0, "{spread:?}");
    real.until("it is idle again", |endpoints| endpoints[0]["running"] == 0).await;

    real.servers[1].kill();
    let spread = real.spread("killed", 24).await;
    assert!(spread[0] > 0 && spread[2] > 0, "{spread:?}");
    real.until("the sidecar has missed it", |endpoints| endpoints[1]["state"] == "unreachable")
        .await;
    let spread = real.spread("missed", 12).await;
    assert_eq!(spread[1], 0, "{spread:?}");
    real.stack.assert_no_trap().await;
}

/// Keeps a server busy with more requests than it takes at a time, not through Envoy, until it is dropped.
fn keep_busy(server: &LlamaCpp) -> JoinSet<()> {
    let (address, mut requests) = (server.address(), JoinSet::new());
    for index in 0..6 {
        let request = Request::post("/v1/completions").json(&json!({
            "prompt": format!("client {index}"), "max_tokens": 1000, "ignore_eos": true,
        }));
        requests.spawn(async move {
            let client = HttpClient::http1();
            loop {
                client.send(address, request.clone()).await.unwrap();
            }
        });
    }
    requests
}
