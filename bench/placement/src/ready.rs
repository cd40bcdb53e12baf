//! Waiting for what was started.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use weir_harness::{HarnessError, HttpClient, Request};

/// How long anything may take until it answers.
const START: Duration = Duration::from_secs(60);

/// How often it is asked.
const ASK: Duration = Duration::from_millis(50);

/// Waits until `path` is answered with 200.
pub(crate) async fn wait_for(address: SocketAddr, path: &str) -> Result<(), HarnessError> {
    let (client, start) = (HttpClient::http1(), Instant::now());
    loop {
        let reply = client.send(address, Request::get(path)).await;
        if reply.as_ref().is_ok_and(|reply| reply.status == 200) {
            return Ok(());
        }
        if start.elapsed() > START {
            let what = format!("waiting for {path} of {address}");
            let log = reply.map_or_else(|error| error.to_string(), |reply| reply.text());
            return Err(HarnessError::Timeout { what, limit: START, log });
        }
        sleep(ASK).await;
    }
}
