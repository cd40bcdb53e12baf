//! A pool that is gone.

use std::time::Duration;

use super::positive::{chat, member};
use crate::case::{Case, Seen, expect};
use crate::error::Error;
use crate::stack::{self, LLAMA, QWEN, Stack};

pub(super) const CASES: [Case; 1] = [Case::new(
    "failover",
    "every replica of the private pool is down",
    "503 in seconds; no other pool sees the prompt and other models are served; 200 once the replicas are back",
    pool_is_gone,
)];

/// What only this test's prompt holds.
const MARK: &str = "kingfisher-4711";

fn pool_is_gone(stack: &Stack) -> Seen {
    let addresses = stack.addresses()?;
    // The engine gives a container that starts the lowest address that is free: in this order each gets its own back.
    let mut replicas = QWEN;
    replicas
        .sort_by_key(|name| last_byte(addresses.get(*name).and_then(|own| own.get("inference"))));
    for name in replicas {
        stack.docker(&["kill", &stack.id(name)?])?;
    }
    let down = chat(stack, "qwen", MARK, &[]);
    let other = chat(stack, "gpt-4o-mini", "Hello", &[]);
    let asked = LLAMA.iter().map(|name| saw(stack, name, MARK)).collect::<Result<Vec<_>, _>>();
    for name in replicas {
        stack.docker(&["start", &stack.id(name)?])?;
    }
    stack::wait(Duration::from_secs(30), "the pool does not come back", || {
        Ok(chat(stack, "qwen", "Hello again", &[])?["status"] == 200)
    })?;
    let (down, other, asked) = (down?, other?, asked?);
    let leaked = asked.iter().filter(|saw| **saw).count();
    let seen = format!(
        "{} {:?} after {} ms; {leaked} replicas of the other pool saw the prompt; the other model {} by {}",
        down["status"],
        down["body"].as_str().unwrap_or_default(),
        down["took_ms"],
        other["status"],
        member(&other, "/model"),
    );
    let quick = down["took_ms"].as_u64().is_some_and(|took| took < 20_000);
    expect(down["status"] == 503 && quick && leaked == 0 && other["status"] == 200, seen)
}

fn last_byte(address: Option<&String>) -> Vec<u8> {
    let address = address.and_then(|address| address.parse::<std::net::Ipv4Addr>().ok());
    address.map(|address| address.octets().to_vec()).unwrap_or_default()
}

/// Whether the last request that a replica got holds this text.
pub(super) fn saw(stack: &Stack, replica: &str, text: &str) -> Result<bool, Error> {
    let last = stack.probe(replica, &["request", "http://127.0.0.1:8000/_weir/last"])?;
    Ok(last["body"].as_str().is_some_and(|body| body.contains(text)))
}
