//! Clients that ask all the time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use weir_harness::{HttpClient, Request};

/// Clients, each with one request at a time.
const CLIENTS: usize = 6;

/// How long one waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// After a failure, a client asks again after so long.
const PAUSE: Duration = Duration::from_millis(10);

/// Between two requests of a client: the load is steady, and not all that the machine can do.
const THINK: Duration = Duration::from_millis(20);

/// What became of the requests so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    next: AtomicU64,
    served: AtomicU64,
    failed: AtomicU64,
    at_hit: AtomicU64,
}

/// What it says at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Requests that were served.
    pub(crate) served: u64,
    /// Requests that had an error, no answer, or half of one.
    pub(crate) failed: u64,
    /// Of those that were served, by the replica that faults hit.
    pub(crate) at_hit: u64,
}

impl Tally {
    /// What there is now.
    pub(crate) fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            served: read(&self.served),
            failed: read(&self.failed),
            at_hit: read(&self.at_hit),
        }
    }
}

impl Counts {
    /// What has come since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            served: self.served.saturating_sub(before.served),
            failed: self.failed.saturating_sub(before.failed),
            at_hit: self.at_hit.saturating_sub(before.at_hit),
        }
    }
}

/// Clients of `envoy`; `hit` is the replica that faults hit. Dropping them ends them.
pub(crate) fn start(envoy: SocketAddr, hit: SocketAddr) -> (Arc<Tally>, JoinSet<()>) {
    let (tally, mut clients) = (Arc::<Tally>::default(), JoinSet::new());
    for _ in 0..CLIENTS {
        clients.spawn(client(Arc::clone(&tally), envoy, hit.to_string()));
    }
    (tally, clients)
}

async fn client(tally: Arc<Tally>, envoy: SocketAddr, hit: String) {
    let http = HttpClient::http1().with_limit(PATIENCE);
    loop {
        let number = tally.next.fetch_add(1, Ordering::Relaxed);
        let reply = http.send(envoy, question(number)).await;
        match reply.ok().filter(|reply| reply.status == 200 && reply.complete) {
            Some(reply) => {
                tally.served.fetch_add(1, Ordering::Relaxed);
                let at_hit = u64::from(reply.header("x-weir-replica") == hit);
                tally.at_hit.fetch_add(at_hit, Ordering::Relaxed);
                tokio::time::sleep(THINK).await;
            }
            None => {
                tally.failed.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Half of them streams; they have little in common, so that load decides where they go.
fn question(number: u64) -> Request {
    let text = format!("question {number} ").repeat(20);
    Request::post("/v1/chat/completions").json(&json!({
        "model": "llama-3.1-8b-instruct", "stream": number.is_multiple_of(2), "max_tokens": 8,
        "messages": [{"role": "user", "content": text}],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_since_before() {
        let before = Counts { served: 5, failed: 1, at_hit: 2 };
        let now = Counts { served: 9, failed: 1, at_hit: 5 };
        assert_eq!(now.since(before), Counts { served: 4, failed: 0, at_hit: 3 });
    }
}
