//! Policies against each other on simulated replicas, with a virtual clock.
//!
//! Conversations with shared system prompts arrive at gateways whose workers share no prefix state;
//! replicas have a queue, a serial prefill, a bounded KV cache with least-recently-used eviction,
//! and are polled every 100 ms.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test may panic")]

mod gateway;
mod peers;
mod random;
mod replica;
mod workload;
mod world;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use weir_placement::ExpectedTtft;

use world::{Outcome, Scenario, run};

const SEED: u64 = 1;

/// The scenarios: a calm and a busy pool, one with slow replicas, and two Envoys in front of one
/// pool.
fn scenarios() -> [Scenario; 4] {
    let calm = Scenario::default();
    [
        calm,
        Scenario { name: "busy", conversations_per_s: 4.0, ..calm },
        Scenario { name: "two slow", slow: 2, conversations_per_s: 2.0, ..calm },
        Scenario { name: "two gateways", gateways: 2, conversations_per_s: 3.0, ..calm },
    ]
}

fn report(scenario: &Scenario, policy: &str, outcome: &Outcome) {
    println!(
        "{:12} {:16} {:6} requests  hit rate {:5.1} %  TTFT mean {:5.0} p50 {:5.0} p90 {:5.0} p99 {:5.0} ms",
        scenario.name,
        policy,
        outcome.requests,
        outcome.hit_rate * 100.0,
        outcome.mean_ttft_ms,
        outcome.p50_ttft_ms,
        outcome.p90_ttft_ms,
        outcome.p99_ttft_ms
    );
}

#[test]
fn expected_ttft_beats_the_rules_of_peers() {
    // Without optimisation a scenario takes seconds, so one has to do on wasm.
    let scenarios = scenarios();
    let count = if cfg!(target_arch = "wasm32") { 1 } else { scenarios.len() };
    for scenario in scenarios.iter().take(count) {
        let ours = run(scenario, &|| Box::new(ExpectedTtft::default()), SEED);
        report(scenario, "expected TTFT", &ours);
        assert!(ours.requests > 400, "{}", scenario.name);
        for (name, rule) in peers::ALL {
            let theirs = run(scenario, &rule, SEED);
            report(scenario, name, &theirs);
            assert!(ours.hit_rate > theirs.hit_rate, "{}: {name}", scenario.name);
            assert!(ours.mean_ttft_ms < theirs.mean_ttft_ms, "{}: {name}", scenario.name);
        }
    }
}
