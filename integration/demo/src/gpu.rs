//! A GPU that fails while requests come: where they go before, meanwhile, and after it was replaced.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use weir_harness::{HttpClient, Request};

use crate::error::DemoError;
use crate::stack::Stack;

/// Requests of each row.
const REQUESTS: usize = 30;

/// Which GPU fails, so which replica.
const FAULTY: usize = 1;

/// "GPU has fallen off the bus".
const FAULT: u32 = 79;

/// How long the sidecar may take to see what the page says: it polls every 100 ms.
const PATIENCE: Duration = Duration::from_secs(10);

/// Replicas by address, with the requests that each served.
type Counts = BTreeMap<String, usize>;

/// What happened.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// The replica whose GPU failed.
    pub(crate) faulty: String,
    /// Before, meanwhile, after.
    pub(crate) rows: [(&'static str, Counts); 3],
}

impl Fault {
    /// What is not as it should be.
    pub(crate) fn untrue(&self) -> Vec<String> {
        let faulty = &self.faulty;
        let served = |counts: &Counts| counts.get(faulty).copied().unwrap_or(0);
        let expected = [true, false, true];
        let rows = self.rows.iter().zip(expected);
        let wrong = rows.filter(|((_, counts), expected)| (served(counts) > 0) != *expected);
        wrong
            .map(|((row, counts), _)| format!("GPU {row}: {} requests to {faulty}", served(counts)))
            .collect()
    }
}

/// Lets a GPU of pool `llama` fail and recover.
pub(crate) async fn fault(stack: &Stack) -> Result<Option<Fault>, DemoError> {
    let Some(exporter) = stack.exporter() else { return Ok(None) };
    let faulty = stack.replica(FAULTY);
    let well = counts(stack, "well").await?;
    exporter.say(FAULTY, "DCGM_FI_DEV_XID_ERRORS", FAULT);
    until_known(stack, &faulty, true).await?;
    let failed = counts(stack, "failed").await?;
    exporter.say(FAULTY, "DCGM_FI_DEV_XID_ERRORS", 0);
    until_known(stack, &faulty, false).await?;
    let replaced = counts(stack, "replaced").await?;
    Ok(Some(Fault {
        faulty,
        rows: [("well", well), ("failed (Xid 79)", failed), ("replaced", replaced)],
    }))
}

/// Sends requests that have nothing in common, so that no cache speaks for any replica.
async fn counts(stack: &Stack, what: &str) -> Result<Counts, DemoError> {
    let client = HttpClient::http1();
    let mut counts = Counts::new();
    for index in 0..REQUESTS {
        let text = format!("{index} {what}: {}", "tell me something new ".repeat(20 + index));
        let messages = json!([{"role": "user", "content": text}]);
        let body = json!({"model": "llama-3.1-8b-instruct", "messages": messages, "max_tokens": 1});
        let request = Request::post("/v1/chat/completions").json(&body);
        let reply = client.send(stack.clients(), request).await?;
        *counts.entry(reply.header("x-weir-replica").to_owned()).or_default() += 1;
    }
    Ok(counts)
}

/// Waits until the sidecar shows the fault, and has pushed it since.
async fn until_known(stack: &Stack, replica: &str, failed: bool) -> Result<(), DemoError> {
    let (client, deadline) = (HttpClient::http1(), tokio::time::Instant::now() + PATIENCE);
    while tokio::time::Instant::now() < deadline {
        let reply = client.send(stack.sidecar(), Request::get("/snapshot")).await?;
        let view = reply.json().unwrap_or_default();
        let pools = view["pools"].as_array().into_iter().flatten();
        let mut endpoints = pools.filter_map(|pool| pool["endpoints"].as_array()).flatten();
        let known = endpoints.find(|endpoint| endpoint["address"] == replica);
        let known = known.is_some_and(|endpoint| endpoint["gpu_failed"] == failed);
        // Two rounds of pushes, of 100 ms each.
        tokio::time::sleep(Duration::from_millis(if known { 250 } else { 20 })).await;
        if known {
            break;
        }
    }
    Ok(())
}
