//! Limits that several Envoys have together, through a sidecar each and one real Redis.

use serde_json::{Value, json};

use crate::envoy_config::settings;
use crate::fleet_of_envoys::{FleetOfEnvoys, Terms, metrics};
use crate::stack::{Plan, eventually};
use crate::token_limits::{ann, usage};

/// Of a day, of which next to nothing comes back during a test.
const TERMS: Terms = Terms { envoys: 3, tokens: 6_000, first: 200, away: "deny", per: "consumer" };

#[tokio::test(flavor = "multi_thread")]
async fn three_envoys_have_one_limit_together_and_every_token_is_charged_once() {
    let fleet = FleetOfEnvoys::start(TERMS).await;
    let spent = fleet.hammer(64, 100).await;
    assert!(spent <= TERMS.bound(3), "{spent}");
    assert!(spent >= 5_750.0, "{spent}: nobody is refused while much is left");
    fleet.charged(spent, 1).await;
    // A key of which nothing is left here is refused everywhere, and another is not.
    for stack in &fleet.stacks {
        let refused = stack.send(ann(200)).await;
        assert_eq!(refused.status, 429, "{}", refused.text());
        assert!(refused.header("retry-after-ms").parse::<u64>().unwrap() > 0);
    }
    let bob = crate::token_limits::chat_of("key-of-bob", 5, 5, false);
    assert_eq!(fleet.stacks[2].send(bob).await.status, 200);
    let text = metrics(&fleet.sidecars[0]).await;
    let shown = "weir_sidecar_limit_overshoot_bound{limit=\"day\",measure=\"tokens\"} 600";
    assert!(text.contains(shown), "{text}");
    // Whom a key stands for is nowhere in Redis; Bob's may not have been told yet.
    let redis = &fleet.redis[0];
    let keys = redis.ask("KEYS weir:lease:*").await.unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        let stored = redis.ask(&format!("HGETALL {key}")).await.unwrap().join(" ");
        assert!(!key.contains("ann") && !stored.contains("ann"), "{key} {stored}");
    }
    fleet.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_of_redis_and_of_a_sidecar_costs_no_token_and_admits_none_beyond_the_bound() {
    let mut fleet = FleetOfEnvoys::start(TERMS).await;
    let mut spent = fleet.hammer(12, 1).await;
    fleet.redis[0].process().kill();
    // What is at hand may be spent, and nothing more.
    spent += fleet.hammer(12, 3).await;
    let refused = eventually("without Redis a large request is refused", async || {
        let reply = fleet.stacks[0].send(ann(1_000)).await;
        (reply.status == 503).then_some(reply)
    })
    .await;
    // Not that the limit is reached: nobody can say that now.
    assert_eq!(refused.json().unwrap()["error"]["code"], "limits_unavailable");
    assert_eq!(refused.header("retry-after"), "5");
    fleet.redis[0].restart().unwrap();
    fleet.reachable(3..=3).await;
    fleet.sidecars[1].process().kill();
    spent += fleet.hammer(30, 10).await;
    fleet.sidecars[1].restart().await.unwrap();
    fleet.sidecars[1].wait_until_ready().await.unwrap();
    spent += fleet.hammer(30, 100).await;
    assert!(spent <= TERMS.bound(3), "{spent}");
    assert!(spent >= 5_750.0, "{spent}");
    fleet.charged(spent, 1).await;
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
        assert!(spent < 1000.0, "{spent} and no end");
    }
    assert!((150.0..=250.0).contains(&spent), "{spent}");
    assert!(stack.stat("weir_limit_unreachable_total").await >= 2);
    assert!(stack.envoy.log().contains("scope: fleet"), "{}", stack.envoy.log());
    stack.assert_no_trap().await;
}
