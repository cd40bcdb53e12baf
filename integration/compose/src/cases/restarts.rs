//! Restarts of everything, one after the other, under load.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::positive::CHAT;
use crate::case::{Case, Seen, expect};
use crate::error::Error;
use crate::stack::{ENVOYS, LLAMA, QWEN, Running, Stack};

const GROUP: &str = "rolling restart";

pub(super) const CASES: [Case; 4] = [
    Case::new(
        GROUP,
        "replicas, shot one after the other under load",
        "no request fails but those that were with a replica when it was shot",
        replicas,
    ),
    Case::new(
        GROUP,
        "the sidecar, under load",
        "no request fails, and its snapshots come again",
        sidecar,
    ),
    Case::new(
        GROUP,
        "both Envoys under load, one after the other, each drained before",
        "no request fails",
        drained,
    ),
    Case::new(
        GROUP,
        "an Envoy that is killed under load, not drained",
        "only requests that it had fail; new ones go to the other Envoy",
        killed,
    ),
];

/// What was under way between these times (ms since 1970) may fail.
type Window = (u64, u64);

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

fn load(stack: &Stack) -> Result<Running, Error> {
    let words = [
        "load",
        CHAT,
        "--model",
        "qwen",
        "--model",
        "llama-3.1-8b-instruct",
        "--clients",
        "6",
        "--seconds",
        "120",
    ];
    let load = stack.start_probe("client", &words)?;
    std::thread::sleep(Duration::from_secs(2));
    Ok(load)
}

/// Those that failed and were not under way in any of the windows.
fn unexcused(failed: &[Value], windows: &[Window]) -> Vec<String> {
    let during = |failed: &&Value| {
        let time = |name: &str| failed[name].as_u64().unwrap_or_default();
        !windows.iter().any(|(from, to)| time("started_ms") <= *to && time("ended_ms") >= *from)
    };
    failed.iter().filter(during).map(|failed| failed["what"].to_string()).collect()
}

fn judged(load: Running, windows: &[Window], most: usize) -> Seen {
    std::thread::sleep(Duration::from_secs(1));
    let report = load.finish()?;
    let failed = report["failed"].as_array().cloned().unwrap_or_default();
    let unexcused = unexcused(&failed, windows);
    let mut kinds: Vec<_> = failed.iter().map(|failed| failed["what"].to_string()).collect();
    kinds.sort();
    kinds.dedup();
    let seen = format!(
        "{} requests, {} of them streams, slowest {} ms; {} failed, {} of them without excuse {unexcused:?}; all kinds: {kinds:?}",
        report["requests"],
        report["streams"],
        report["slowest_ms"],
        failed.len(),
        unexcused.len()
    );
    let enough = report["requests"].as_u64().is_some_and(|requests| requests > 20);
    expect(enough && unexcused.is_empty() && failed.len() <= most, seen)
}

fn replicas(stack: &Stack) -> Seen {
    let load = load(stack)?;
    let mut windows = Vec::new();
    for name in LLAMA.into_iter().chain(QWEN) {
        let id = stack.id(name)?;
        let from = now();
        stack.docker(&["kill", &id])?;
        windows.push((from, now()));
        std::thread::sleep(Duration::from_millis(1000));
        stack.docker(&["start", &id])?;
        std::thread::sleep(Duration::from_millis(700));
    }
    // Six clients: with each replica at most six.
    judged(load, &windows, 6 * 6)
}

fn sidecar(stack: &Stack) -> Seen {
    let load = load(stack)?;
    stack.docker(&["restart", "--time", "5", &stack.id("sidecar")?])?;
    let taken = |stack: &Stack| stack.counter("envoy-a", "weir_intake_accepted_total");
    let before = taken(stack)?;
    crate::stack::wait(Duration::from_secs(40), "no snapshot after the restart", || {
        Ok(taken(stack)? > before + 10)
    })?;
    judged(load, &[], 0)
}

fn drained(stack: &Stack) -> Seen {
    let load = load(stack)?;
    for envoy in ENVOYS {
        // Takes no new connections after 4 s (`--drain-time-s`); those that it has may end.
        stack.admin(envoy, "drain_listeners?graceful", "POST")?;
        std::thread::sleep(Duration::from_secs(6));
        stack.docker(&["restart", "--time", "5", &stack.id(envoy)?])?;
        stack.wait_until_served()?;
    }
    judged(load, &[], 0)
}

fn killed(stack: &Stack) -> Seen {
    let load = load(stack)?;
    let id = stack.id("envoy-a")?;
    let from = now();
    stack.docker(&["kill", &id])?;
    let windows = [(from, now())];
    std::thread::sleep(Duration::from_secs(3));
    stack.docker(&["start", &id])?;
    stack.wait_until_served()?;
    judged(load, &windows, 6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_was_under_way_at_the_shot_is_excused() {
        let failed = |from: u64, to: u64| json!({"started_ms": from, "ended_ms": to, "what": format!("{from}")});
        let all = [failed(5, 9), failed(5, 10), failed(12, 30), failed(20, 40), failed(21, 22)];
        assert_eq!(unexcused(&all, &[(10, 20)]), ["\"5\"", "\"21\""]);
        assert_eq!(unexcused(&all, &[]).len(), 5);
    }
}
