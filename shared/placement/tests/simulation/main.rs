//! Policies against each other on simulated replicas, with a virtual clock.
//!
//! Conversations with shared system prompts arrive at gateways whose workers tell each other what they learn;
//! replicas have a queue, a serial prefill, a bounded KV cache with least-recently-used eviction,
//! and are polled every 100 ms. They have times of their own, which no policy knows. What counts is measured in real
//! Envoy beside real routers: `cargo xtask bench placement`, the load of which this is.
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

/// The rules of routers that the benchmark measures, too. The others are shown beside them.
const MEASURED: [&str; 3] = ["round robin", "least load", "sglang"];

/// How much worse than another rule ours may be anywhere.
const TOLERANCE: f64 = 0.02;

#[test]
fn expected_ttft_is_no_worse_than_the_rules_of_peers() {
    // Without optimisation a scenario takes seconds, so one has to do on wasm.
    let scenarios = scenarios();
    let count = if cfg!(target_arch = "wasm32") { 1 } else { scenarios.len() };
    for scenario in scenarios.iter().take(count) {
        let ours = run(scenario, &|| Box::new(ExpectedTtft::default()), SEED);
        report(scenario, "expected TTFT", &ours);
        assert!(ours.requests > 400, "{}", scenario.name);
        for (name, rule) in peers::ALL {
            // Other routers know all that they have learned wherever a request arrives.
            let theirs = run(&Scenario { workers: 1, ..*scenario }, &rule, SEED);
            report(scenario, name, &theirs);
            if !MEASURED.contains(&name) {
                continue;
            }
            let hit_rate = theirs.hit_rate * (1.0 - TOLERANCE);
            assert!(ours.hit_rate > hit_rate, "{}: {name}", scenario.name);
            let [mean_ms, p90_ms] =
                [theirs.mean_ttft_ms, theirs.p90_ttft_ms].map(|ms| ms * (1.0 + TOLERANCE));
            assert!(ours.mean_ttft_ms < mean_ms, "{}: {name}", scenario.name);
            assert!(ours.p90_ttft_ms < p90_ms, "{}: {name}", scenario.name);
        }
    }
}

#[test]
fn workers_that_tell_each_other_what_they_learn_find_more_cached() {
    let together = Scenario::default();
    let apart = Scenario { share: false, ..together };
    let policy: &dyn Fn() -> Box<dyn weir_placement::Policy> =
        &|| Box::new(ExpectedTtft::default());
    let [together, apart] = [together, apart].map(|scenario| run(&scenario, policy, SEED));
    assert!(together.hit_rate > apart.hit_rate + 0.01, "{together:?} {apart:?}");
}
