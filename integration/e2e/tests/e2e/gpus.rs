//! What a page of GPUs says decides where requests go.

use std::collections::BTreeSet;

use serde_json::Value;
use weir_harness::{GpuExporter, workspace};

use crate::stack::{LLAMA, Plan, Stack, chat, eventually};

/// The shipped file, each replica of pool `llama` on a GPU of the page.
fn sidecar_yaml(exporter: &GpuExporter) -> String {
    let path = workspace::file("envoy-config/sidecar.yaml");
    exporter.joined(&std::fs::read_to_string(path).unwrap(), &[9001, 9002, 9003])
}

/// Waits until the gateway knows `field` of the GPU of replica `index`.
async fn until_known(stack: &Stack, index: usize, field: &str, expected: &Value) {
    let address = stack.llama(index).to_string();
    let known = async || {
        let view = stack.look().await.json().unwrap();
        let pools = view["pools"].as_array()?;
        let mut all = pools.iter().filter_map(|pool| pool["endpoints"].as_array()).flatten();
        let endpoint = all.find(|endpoint| endpoint["address"] == address.as_str())?;
        (endpoint[field] == *expected).then_some(())
    };
    eventually(&format!("{field} {expected} of {address}"), known).await;
    // Each worker looks every 5 ms.
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
}

/// Where 24 prompts go that have nothing in common.
async fn served_by(stack: &Stack, what: &str) -> BTreeSet<String> {
    let mut replicas = BTreeSet::new();
    for index in 0..24 {
        let text = format!("{index} {what} {}", "something else each time ".repeat(20 + index));
        let reply = stack.send(chat(LLAMA, &text)).await;
        assert_eq!(reply.status, 200);
        replicas.insert(reply.header("x-weir-replica").to_owned());
    }
    replicas
}

/// Waits until 24 prompts in a row all go to the other two replicas. On a busy machine a snapshot can
/// come late, and a pool without a fresh one is picked from without regard to its GPUs.
async fn until_avoided(stack: &Stack, replica: &str, what: &str) {
    let mut replicas = BTreeSet::new();
    for round in 0..10 {
        replicas = served_by(stack, &format!("{what} {round}")).await;
        if replicas.len() == 2 && !replicas.contains(replica) {
            return;
        }
    }
    panic!("{replicas:?} with {replica}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_on_the_exporters_page_keeps_requests_away_from_the_replica_until_it_is_gone() {
    for plan in Plan::both() {
        let (stack, exporter) = (plan.start().await, GpuExporter::start(3).await.unwrap());
        let _sidecar = stack.sidecar_with(&sidecar_yaml(&exporter)).await;
        until_known(&stack, 1, "gpu_failed", &false.into()).await;
        let faulty = stack.llama(1).to_string();
        assert!(served_by(&stack, "well").await.contains(&faulty));
        exporter.say(1, "DCGM_FI_DEV_XID_ERRORS", 79);
        until_known(&stack, 1, "gpu_failed", &true.into()).await;
        until_avoided(&stack, &faulty, "fallen off the bus").await;
        // A fault of a program is no reason.
        exporter.say(1, "DCGM_FI_DEV_XID_ERRORS", 31);
        until_known(&stack, 1, "gpu_xid", &31.into()).await;
        until_known(&stack, 1, "gpu_failed", &false.into()).await;
        assert!(served_by(&stack, "replaced").await.contains(&faulty));
        stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gpu_that_heat_slows_down_gets_what_the_others_cannot_take_sooner() {
    let (stack, exporter) =
        (Plan::quickstart().start().await, GpuExporter::start(3).await.unwrap());
    let _sidecar = stack.sidecar_with(&sidecar_yaml(&exporter)).await;
    exporter.say(2, "DCGM_FI_DEV_CLOCKS_EVENT_REASONS", 0x48);
    until_known(&stack, 2, "gpu_throttled", &true.into()).await;
    until_avoided(&stack, &stack.llama(2).to_string(), "hot").await;
}
