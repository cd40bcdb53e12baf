//! 64 clients of one key at once, in an Envoy with four workers. `cargo xtask bench limits` does the same ten times.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_harness::run_concurrently;

use crate::stack::Stack;
use crate::token_limits::{chat_of, limited, usage};

/// Tokens that the key may use.
const LIMIT: f64 = 6_000.0;

/// Most tokens of an answer, and what they have.
const MAX_TOKENS: u64 = 60;
const TOKENS: u64 = 40;

/// Most that the estimate of one prompt can be short of: all of what the replica counts for the chat's frame.
const SHORT: f64 = 20.0;

/// A request that was let go.
#[derive(Clone, Copy)]
struct Served {
    sent: Instant,
    answered: Instant,
    used: f64,
}

/// What came of it: requests that were let go, what is charged in the end, and the most that was owed and reserved at
/// any look.
struct Hammered {
    served: Vec<Served>,
    charged: f64,
    most: f64,
}

async fn hammered(reserve: &str) -> Hammered {
    let mut limit: Value = json!([{"name": "day", "per": ["consumer"], "tokens": LIMIT as u64, "window": "1d",
        "reserve": reserve}]);
    if reserve == "fraction" {
        limit[0]["fraction"] = json!("0.5");
    }
    let stack = limited(&limit).workers(4).start().await;
    let (served, most) = tokio::join!(clients(&stack), most_held(&stack));
    let charged = stack.settled("day").await;
    stack.assert_no_trap().await;
    Hammered { served, charged, most: most.unwrap_or(charged) }
}

async fn clients(stack: &Stack) -> Vec<Served> {
    let answers = run_concurrently(64, 400, |_| {
        let (client, address) = (stack.http.clone(), stack.envoy.clients());
        async move {
            let sent = Instant::now();
            let request = chat_of("key-of-ann", MAX_TOKENS, TOKENS, false);
            let reply = client.send(address, request).await.unwrap();
            match reply.status {
                200 => Some(Served { sent, answered: Instant::now(), used: usage(&reply) }),
                429 => None,
                other => panic!("{other}: {}", reply.text()),
            }
        }
    });
    answers.await.into_iter().flatten().collect()
}

async fn most_held(stack: &Stack) -> Result<f64, tokio::time::error::Elapsed> {
    let mut most = 0.0_f64;
    let look = async {
        loop {
            let (spent, reserved) = stack.spent("day").await;
            most = most.max(spent + reserved);
            if spent + reserved > LIMIT - 200.0 && reserved == 0.0 {
                return most;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), look).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_go_beyond_a_limit_and_what_was_not_reserved_is_owed() {
    for (reserve, unreserved) in [
        // All of `max_tokens`, and half of it: beyond that only the estimate of a prompt can be short, by a little,
        // and the answer by the other half.
        ("full", 0.0),
        ("fraction", TOKENS as f64 - MAX_TOKENS as f64 / 2.0),
        // Nine of ten answers stay below what was learned; the first of them are not there to learn from.
        ("learned", TOKENS as f64),
        ("none", TOKENS as f64),
    ] {
        let Hammered { served, charged, most } = hammered(reserve).await;
        let used: f64 = served.iter().map(|one| one.used).sum();
        println!("{reserve}: {} let go, {used} of {LIMIT} used, at most {most} held", served.len());
        assert!((used - charged).abs() < 3.0, "{reserve}: {used} used, {charged} charged");
        // Whoever is answered has been settled: nothing of that is free for who asks later.
        for one in &served {
            let before = served.iter().filter(|other| other.answered <= one.sent);
            let before: f64 = before.map(|other| other.used).sum();
            assert!(before < LIMIT, "{reserve}: let go after {before} of {LIMIT}");
        }
        // At most 64 were under way when the limit was reached.
        let beyond = 64.0 * (unreserved + SHORT);
        assert!(used <= LIMIT + beyond && most <= LIMIT + beyond, "{reserve}: {used} {most}");
        assert!(served.len() > 64, "{reserve}: {} let go", served.len());
    }
}
