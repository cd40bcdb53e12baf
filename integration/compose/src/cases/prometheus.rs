//! What a Prometheus on the management network reads of Weir.

use serde_json::Value;

use super::positive;
use crate::case::{Case, Seen, Wrong, expect};
use crate::error::Error;
use crate::stack::{self, PROMETHEUS, Stack};

const GROUP: &str = "metrics";

pub(super) const CASES: [Case; 2] = [
    Case::new(
        GROUP,
        "Prometheus reads both Envoys and the sidecar",
        "three targets up; picks of both Envoys by pool; requests in its own words",
        reads,
    ),
    Case::new(
        GROUP,
        "the shipped recording rules",
        "a value for both pools, and six replicas that are ready",
        records,
    ),
];

/// How long Prometheus may take for what it reads every second.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// The samples that a query has: labels and value.
fn query(stack: &Stack, query: &str) -> Result<Vec<(Value, f64)>, Error> {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let url = format!("http://127.0.0.1:9090/api/v1/query?query={encoded}");
    let reply = stack.probe(PROMETHEUS, &["request", &url])?;
    let body = reply["body"].as_str().unwrap_or_default();
    let answer: Value = serde_json::from_str(body).unwrap_or_default();
    let samples = answer["data"]["result"].as_array();
    let samples =
        samples.ok_or_else(|| Error::unexpected(format!("Prometheus to {query}"), &reply))?;
    let value = |sample: &Value| sample["value"][1].as_str()?.parse().ok();
    Ok(samples.iter().filter_map(|one| Some((one["metric"].clone(), value(one)?))).collect())
}

/// Waits until a query has so many samples of at least `least`; their number.
fn wait_for(stack: &Stack, text: &str, count: usize, least: f64) -> Result<usize, Error> {
    let mut found = 0;
    stack::wait(PATIENCE, &format!("{text} has {count} samples"), || {
        found = query(stack, text)?.iter().filter(|(_, value)| *value >= least).count();
        Ok(found >= count)
    })?;
    Ok(found)
}

/// Says that a test is skipped where there is none.
pub(super) fn needed(stack: &Stack) -> Result<(), Wrong> {
    match stack.has_prometheus() {
        true => Ok(()),
        false => Err(Wrong::Skipped("no Prometheus: `cargo xtask setup` says why")),
    }
}

fn reads(stack: &Stack) -> Seen {
    needed(stack)?;
    let up = wait_for(stack, "up", 3, 1.0)?;
    // The client's name server tells both Envoys' addresses in turn.
    for turn in 0..8 {
        positive::chat(stack, "qwen", &format!("Turn {turn}"), &[])?;
    }
    let picks = wait_for(stack, r#"sum by (pool) (weir_picks_total{pool="qwen"})"#, 1, 1.0)?;
    let pushed = wait_for(stack, "weir_intake_accepted_total", 2, 1.0)?;
    let polled = wait_for(stack, r#"weir_pool_replicas{state="ready"}"#, 2, 3.0)?;
    expect(
        up == 3,
        format!(
            "{up} targets up; {picks} pool with picks, {pushed} Envoys with snapshots, {polled} pools of 3 replicas"
        ),
    )
}

fn records(stack: &Stack) -> Seen {
    needed(stack)?;
    let ready = wait_for(stack, "weir:pool_ready_replicas:max", 2, 3.0)?;
    let saturation = wait_for(stack, "weir:pool_saturation:max", 2, 0.0)?;
    let firing = query(stack, r#"ALERTS{alertstate="firing"}"#)?;
    expect(
        firing.is_empty(),
        format!(
            "{ready} pools of 3 ready replicas, {saturation} with a saturation; firing alerts: {firing:?}"
        ),
    )
}
