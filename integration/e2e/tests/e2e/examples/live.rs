//! `live-update.yaml`: files that Envoy reads again while it serves.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use weir_harness::{EnvoyConfig, Request};

use super::example;
use crate::stack::{QWEN, Stack, chat, eventually};

const FOLDER: &str = "/etc/weir/live";

/// Writes a file of `envoy-config/examples/live` beside its place, and moves it there, as an operator would.
fn write(folder: &Path, name: &str, change: impl FnOnce(&mut Value)) {
    let shipped = EnvoyConfig::from_file(format!("envoy-config/examples/live/{name}.yaml"));
    let text = shipped.unwrap().edited(change).unwrap().rendered().unwrap();
    let (fresh, file) = (folder.join("fresh"), folder.join(format!("{name}.yaml")));
    fs::write(&fresh, text).unwrap();
    fs::rename(fresh, file).unwrap();
}

/// The settings of the filter in `gateway.yaml`.
fn settings(file: &mut Value) -> &mut Value {
    &mut file["resources"][0]["typed_config"]["config"]["configuration"]["value"]
}

fn ask(model: &str, key: &str) -> Request {
    chat(model, "x").header("authorization", format!("Bearer {key}"))
}

/// The limit as shipped drains what a request takes in a few seconds; this one in minutes.
fn slowly_drained(file: &mut Value) {
    let limits = &mut settings(file)["token-limit"]["policies"]["default"]["limits"];
    limits[0]["tokens"] = json!(50_000);
}

async fn status(stack: &Stack, model: &str, key: &str) -> u16 {
    stack.send(ask(model, key)).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_a_limit_and_a_key_come_while_a_stream_goes_on_and_what_is_spent_stays() {
    let folder = TempDir::new().unwrap();
    let live = folder.path();
    write(live, "gateway", slowly_drained);
    write(live, "keys", |_| ());
    let plan = example("live-update").replace(FOLDER, live.to_str().unwrap());
    let stack = plan.start().await;
    assert_eq!(status(&stack, QWEN, "key-of-ann").await, 200);
    assert_eq!(status(&stack, "new", "key-of-ann").await, 404);
    assert_eq!(status(&stack, QWEN, "key-of-bob").await, 401);
    let spent = stack.settled("key-day").await;
    let slow = json!({"model": QWEN, "stream": true, "messages": []});
    let slow = Request::post("/v1/chat/completions").json(&slow);
    let slow = slow.header("authorization", "Bearer key-of-ann");
    let slow = slow.header("x-weir-frame-bytes", "8").header("x-weir-frame-delay-ms", "20");
    let under_way = stack.http.stream(stack.envoy.clients(), slow).await.unwrap();
    write(live, "keys", |file| {
        let keys = &mut file["resources"][0]["typed_config"]["credentials"];
        keys.as_array_mut().unwrap().push(json!({"key": "key-of-bob", "client": "bob"}));
    });
    write(live, "gateway", |file| {
        slowly_drained(file);
        let models = &mut settings(file)["model-router"]["policies"]["default"]["models"];
        models
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "new", "pool": "qwen", "rewrite": QWEN}));
        let limits = &mut settings(file)["token-limit"]["policies"]["default"]["limits"];
        let one =
            json!({"name": "key-requests", "per": ["consumer"], "requests": 1, "window": "1d"});
        limits.as_array_mut().unwrap().push(one);
    });
    eventually("the new key and the new model", async || {
        (status(&stack, "new", "key-of-bob").await == 200).then_some(())
    })
    .await;
    eventually("the new limit, in every worker", async || {
        (status(&stack, "new", "key-of-bob").await == 429).then_some(())
    })
    .await;
    let reply = under_way.collect().await;
    assert!(reply.complete && reply.text().ends_with("data: [DONE]\n\n"), "{}", reply.text());
    assert!(stack.settled("key-day").await >= spent, "what was spent is forgotten");
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_mistake_is_refused_and_the_one_before_stays() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "gateway", |_| ());
    write(folder.path(), "keys", |_| ());
    let plan = example("live-update").replace(FOLDER, folder.path().to_str().unwrap());
    let stack = plan.start().await;
    assert_eq!(status(&stack, QWEN, "key-of-ann").await, 200);
    write(folder.path(), "gateway", |file| {
        settings(file)["model-router"]["policies"]["default"]["colour"] = json!("red");
    });
    eventually("a refusal in the log", async || {
        stack.envoy.log().contains("unknown field `colour`").then_some(())
    })
    .await;
    assert_eq!(status(&stack, QWEN, "key-of-ann").await, 200);
    stack.assert_no_trap().await;
}
