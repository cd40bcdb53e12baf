//! A closed loop of clients: each sends its next request when the last one is answered.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use weir_harness::{HttpClient, Request};

use crate::failure::Failure;
use crate::setup::Setup;

/// What one round of requests goes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// The setup, for messages.
    pub(crate) setup: Setup,
    /// Where its Envoy listens.
    pub(crate) address: SocketAddr,
}

/// Sends `count` requests in all with `clients` at a time, going round the `bodies`, and returns
/// how long each took from its first byte sent to its last byte received.
///
/// # Errors
/// The first request that is not answered with a complete 200.
pub(crate) async fn round(
    http: &HttpClient,
    target: Target,
    bodies: &[Bytes],
    (clients, count): (usize, usize),
) -> Result<Vec<Duration>, Failure> {
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let own: Vec<Bytes> =
            (client..count).step_by(clients).map(|index| nth(bodies, index)).collect();
        tasks.spawn(send_all(http.clone(), target, own));
    }
    let mut latencies = Vec::with_capacity(count);
    for outcome in tasks.join_all().await {
        latencies.extend(outcome?);
    }
    Ok(latencies)
}

fn nth(bodies: &[Bytes], index: usize) -> Bytes {
    bodies.iter().cycle().nth(index % bodies.len().max(1)).cloned().unwrap_or_default()
}

async fn send_all(
    http: HttpClient,
    target: Target,
    bodies: Vec<Bytes>,
) -> Result<Vec<Duration>, Failure> {
    let mut latencies = Vec::with_capacity(bodies.len());
    for body in bodies {
        let request = Request::post("/v1/chat/completions");
        let request = request.header("content-type", "application/json").body(body);
        let reply = http.send(target.address, request).await?;
        if reply.status != 200 || !reply.complete {
            let body = reply.text().chars().take(200).collect();
            return Err(Failure::Reply { setup: target.setup.name(), status: reply.status, body });
        }
        latencies.push(reply.total);
    }
    Ok(latencies)
}
