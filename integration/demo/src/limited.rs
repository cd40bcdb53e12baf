//! A key that runs into its limit, and is admitted again when it was told.

use std::time::Duration;

use serde_json::{Value, json};
use weir_harness::{Envoy, EnvoyConfig, EnvoyOptions, HttpClient, Reply, Request};

use crate::error::DemoError;
use crate::stack::{KEY_VARIABLE, POOLS, Stack};

/// The shipped limit, and one that a few requests reach.
const SHIPPED: &str = "tokens: 20000, window: 1m";
const SMALL: &str = "tokens: 600, burst: 200, window: 10s";

/// More requests than the small limit admits at once.
const MOST: usize = 20;

/// What one key was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limited {
    /// Tokens that were left, as each admitted answer told.
    pub(crate) left: Vec<u64>,
    /// Status, code and wait in ms of the first refusal.
    pub(crate) refused: (u16, String, u64),
    /// Status of another key's request at that time.
    pub(crate) other: u16,
    /// Status of the first one's request after the wait.
    pub(crate) again: u16,
}

/// Sends requests of one key through an Envoy with limits, before the replicas of `stack`.
pub(crate) async fn exchange(stack: &Stack) -> Result<Limited, DemoError> {
    let config = EnvoyConfig::from_file("envoy-config/token-limits.yaml")?;
    let mut config = config.replace(SHIPPED, SMALL)?;
    for port in POOLS.into_iter().flat_map(|(.., ports)| ports) {
        config.ports_mut().set(port, stack.port(port));
    }
    let options = EnvoyOptions::default().env(KEY_VARIABLE, "of no use: nobody pushes here");
    let envoy = Envoy::start_with(config, options).await?;
    let client = HttpClient::http1();
    let send = async |key: &str| client.send(envoy.clients(), chat(key)).await;
    let mut left = Vec::new();
    let refused = loop {
        let reply = send("key-of-ann").await?;
        if reply.status != 200 || left.len() >= MOST {
            break reply;
        }
        left.push(number(&reply, "x-ratelimit-remaining-tokens"));
    };
    let wait_ms = number(&refused, "retry-after-ms");
    let document = refused.json().unwrap_or(Value::Null);
    let code = document["error"]["code"].as_str().unwrap_or("?").to_owned();
    let other = send("key-of-bob").await?.status;
    tokio::time::sleep(Duration::from_millis(wait_ms.min(10_000))).await;
    let again = send("key-of-ann").await?.status;
    Ok(Limited { left, refused: (refused.status, code, wait_ms), other, again })
}

fn chat(key: &str) -> Request {
    let messages = json!([{"role": "user", "content": "How are you today?"}]);
    Request::post("/v1/chat/completions")
        .header("x-api-key", key)
        .header("x-weir-output-tokens", "40")
        .json(&json!({"model": "gpt-4o-mini", "max_tokens": 40, "messages": messages}))
}

fn number(reply: &Reply, name: &str) -> u64 {
    reply.header(name).parse().unwrap_or_default()
}

impl Limited {
    /// Everything that is not as it should be.
    pub(crate) fn untrue(&self) -> Vec<String> {
        let falls = self.left.windows(2).all(|pair| pair.first() > pair.last());
        let (status, code, wait_ms) = &self.refused;
        let checks = [
            ("no request was admitted", self.left.is_empty()),
            ("what was left did not fall", !falls),
            ("the key was not refused", *status != 429 || code != "rate_limit_exceeded"),
            ("it was not told how long to wait", *wait_ms == 0),
            ("another key was refused, too", self.other != 200),
            ("it was not admitted when it was told", self.again != 200),
        ];
        let wrong = checks.into_iter().filter(|(_, wrong)| *wrong);
        wrong.map(|(what, _)| format!("limits: {what}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_limited_passes_and_what_was_not_is_named() {
        let refused = (429, "rate_limit_exceeded".to_owned(), 700);
        let good = Limited { left: vec![140, 90, 40], refused, other: 200, again: 200 };
        assert!(good.untrue().is_empty());
        let never = (200, "?".to_owned(), 0);
        let unlimited = Limited { left: vec![9, 9], refused: never, other: 200, again: 429 };
        assert_eq!(unlimited.untrue().len(), 4);
        assert_eq!(Limited { left: Vec::new(), other: 429, ..good }.untrue().len(), 2);
    }
}
