//! Memory of one worker of Envoy: with nothing done yet, with a full prefix index, and with many streams under way.
//!
//! Two Envoys, of one and of three workers, do the same per worker; what the second takes more is two workers'.

use std::time::Duration;

use serde_json::json;
use weir_harness::{
    Envoy, EnvoyOptions, HarnessError, HttpClient, ReplyStream, Request, run_concurrently,
};

use crate::load::MODEL;
use crate::replicas::{Replicas, Speed};
use crate::routers::envoy::{self, Weir};

/// Workers of the two.
const WORKERS: [usize; 2] = [1, 3];
/// Prompts that each worker gets: with 112 fingerprints each, twice what the index has entries for.
const PROMPTS: usize = 1200;
/// Bytes of one of them, 64 KiB.
const PROMPT_BYTES: usize = 64 << 10;
/// Streams that each worker has under way.
const STREAMS: usize = 1000;
/// At once while the index is filled.
const CONCURRENCY: usize = 8;
/// After the load, until Envoy has given back what it will.
const SETTLE: Duration = Duration::from_secs(3);

/// Resident bytes at the three points.
type Points = [u64; 3];

/// Measures and prints.
pub(crate) async fn run() -> Result<(), HarnessError> {
    let mut points: Vec<Points> = Vec::new();
    for workers in WORKERS {
        println!(
            "  {workers} workers: {PROMPTS} prompts of 64 KiB, then {STREAMS} streams, each per worker"
        );
        points.push(measure(workers).await?);
    }
    let [one, three] = points.as_slice() else { return Ok(()) };
    println!("\nresident memory in MiB    1 worker  3 workers  each worker more");
    for (name, (one, three)) in
        ["started", "index full", "streams"].iter().zip(one.iter().zip(three))
    {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let each = mib(three.saturating_sub(*one)) / 2.0;
        println!("  {name:<20} {:>12.1} {:>10.1} {each:>17.1}", mib(*one), mib(*three));
    }
    Ok(())
}

async fn measure(workers: usize) -> Result<Points, HarnessError> {
    let mut config = envoy::config(true)?;
    let replicas =
        Replicas::start(&envoy::replica_ports(&mut config), 0, Speed::StreamsThatStay).await?;
    let concurrency = u32::try_from(workers).unwrap_or(1);
    let options = EnvoyOptions { concurrency, ..EnvoyOptions::default() };
    let mut weir = Weir::start_with(config, true, options).await?;
    let started = resident(weir.envoy())?;
    let address = weir.address();
    let prompts = run_concurrently(CONCURRENCY, PROMPTS * workers, move |index| async move {
        let request = ask(&format!("{index} ").repeat(PROMPT_BYTES / 8), false);
        HttpClient::http1().send(address, request).await.map(|reply| reply.status)
    });
    count_served(prompts.await)?;
    tokio::time::sleep(SETTLE).await;
    let full = resident(weir.envoy())?;
    let streams = open_streams(address, workers).await?;
    tokio::time::sleep(SETTLE).await;
    let streaming = resident(weir.envoy())?;
    drop((streams, replicas));
    Ok([started, full, streaming])
}

async fn open_streams(
    address: std::net::SocketAddr,
    workers: usize,
) -> Result<Vec<ReplyStream>, HarnessError> {
    let streams = run_concurrently(CONCURRENCY, STREAMS * workers, move |index| async move {
        let request = ask(&format!("stream {index} {}", "and so on ".repeat(400)), true);
        HttpClient::http1().stream(address, request).await
    });
    streams.await.into_iter().collect()
}

/// A chat request for one token, or for a stream that stays.
fn ask(text: &str, stream: bool) -> Request {
    let tokens = if stream { 2 } else { 1 };
    Request::post("/v1/chat/completions").json(&json!({
        "model": MODEL, "stream": stream, "max_tokens": tokens,
        "messages": [{"role": "user", "content": text}],
    }))
}

fn count_served(replies: Vec<Result<u16, HarnessError>>) -> Result<(), HarnessError> {
    for status in replies {
        let status = status?;
        if status != 200 {
            let (what, problem) = ("a prompt".to_owned(), format!("status {status}"));
            return Err(HarnessError::Answer { what, problem });
        }
    }
    Ok(())
}

fn resident(envoy: &mut Envoy) -> Result<u64, HarnessError> {
    Ok(envoy.process().usage()?.resident_bytes)
}
