//! One run: clients of all Envoys want more than the limit has, and something fails in the middle.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;
use weir_harness::{HttpClient, Request};

use crate::failure::Failure;
use crate::fault::Fault;
use crate::fleet::{Fleet, LIMIT};
use crate::redis::LeaseKeys;

/// Clients, each with one request at a time.
const CLIENTS: usize = 48;

/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(20);

/// When all is well again, a client leaves after so many refusals in a row: a second of them.
const PATIENCE: u32 = 40;

/// Something fails when this part of the limit is used.
const FAILS_AT: u64 = LIMIT as u64 / 3;

/// A run that takes longer is given up.
const MOST: Duration = Duration::from_secs(120);

/// How long the last charges may take.
const CHARGED: Duration = Duration::from_secs(5);

/// What became of one run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Tokens that replicas used, as their answers say, and those whose answer was lost with an Envoy may have used.
    pub(crate) used: f64,
    /// Of these, the latter.
    pub(crate) perhaps: f64,
    /// What Redis has charged in the end, and what has drained since the run began.
    pub(crate) charged: f64,
    pub(crate) took: Duration,
}

/// What all clients of a run know.
struct Shared {
    used: AtomicU64,
    perhaps: AtomicU64,
    /// Nothing fails any more.
    well: AtomicBool,
}

/// Uses up the limit with a key that nobody has used.
///
/// # Errors
/// When something does not answer, or answers what no limit does.
pub(crate) async fn run(fleet: &mut Fleet, fault: Fault, number: u32) -> Result<Run, Failure> {
    let (before, began) = (LeaseKeys::of(&fleet.redis).await?, Instant::now());
    let shared = Arc::new(Shared {
        used: AtomicU64::new(0),
        perhaps: AtomicU64::new(0),
        well: AtomicBool::new(false),
    });
    let (addresses, http, mut clients) = (fleet.addresses(), HttpClient::http1(), JoinSet::new());
    for (client, address) in (0..CLIENTS).zip(addresses.into_iter().cycle()) {
        let tokens = 1 + client as u64 * 7 % 30;
        let name = format!("{} {number}", fault.name());
        clients.spawn(ask(http.clone(), address, (name, tokens), Arc::clone(&shared)));
    }
    while shared.used.load(Ordering::Relaxed) < FAILS_AT {
        if began.elapsed() > MOST {
            return Err(Failure::Never("use of a third of the limit"));
        }
        sleep(Duration::from_millis(5)).await;
    }
    fault.happen(fleet).await?;
    fleet.settled().await?;
    shared.well.store(true, Ordering::Relaxed);
    let ended = all_ended(&mut clients);
    let late = |_| Failure::Never("the end of a run");
    tokio::time::timeout(MOST, ended).await.map_err(late)??;
    let took = began.elapsed();
    let (sure, perhaps) = (&shared.used, &shared.perhaps);
    let (sure, perhaps) =
        (sure.load(Ordering::Relaxed) as f64, perhaps.load(Ordering::Relaxed) as f64);
    let charged = charged(fleet, &before, (sure, began)).await?;
    Ok(Run { used: sure + perhaps, perhaps, charged, took })
}

/// What Redis has charged the key that was not there before, with what has drained, once that is what was used, or after
/// a while.
async fn charged(
    fleet: &Fleet,
    before: &LeaseKeys,
    (used, began): (f64, Instant),
) -> Result<f64, Failure> {
    let waited = Instant::now();
    loop {
        let debt = before.new_debt(&fleet.redis).await?;
        // A key begins to drain with its first token, so this is the most.
        let drained = began.elapsed().as_secs_f64() * f64::from(LIMIT) / 86_400.0;
        let charged = used.clamp(debt, debt + drained);
        if (charged - used).abs() < 0.01 || waited.elapsed() > CHARGED {
            return Ok(charged);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until every client has ended well.
async fn all_ended(clients: &mut JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    while let Some(client) = clients.join_next().await {
        client.map_err(|_| Failure::Never("the end of a client"))??;
    }
    Ok(())
}

/// A request of the limited key, whose answer has `tokens` tokens.
fn request(run: &str, tokens: u64) -> Request {
    Request::post("/v1/chat/completions")
        .header("x-api-key", "key-of-ann")
        .header("x-run", run)
        .header("x-weir-output-tokens", tokens.to_string())
        .json(&json!({
            "model": "llama-3.1-8b-instruct", "max_tokens": tokens,
            "messages": [{"role": "user", "content": "How are you today, and what is new?"}],
        }))
}

async fn ask(
    http: HttpClient,
    address: SocketAddr,
    (run, tokens): (String, u64),
    shared: Arc<Shared>,
) -> Result<(), Failure> {
    let mut refused = 0;
    while !(shared.well.load(Ordering::Relaxed) && refused >= PATIENCE) {
        refused += 1;
        match http.send(address, request(&run, tokens)).await {
            Ok(reply) if reply.status == 200 && reply.complete => {
                let document: Value = reply.json().unwrap_or_default();
                let used = document.pointer("/usage/total_tokens").and_then(Value::as_u64);
                shared.used.fetch_add(used.unwrap_or_default(), Ordering::Relaxed);
                refused = 0;
            }
            // 503: while Redis is away, nobody can say whether the limit is reached.
            Ok(reply) if [429, 503].contains(&reply.status) => {}
            Ok(reply) if reply.complete => {
                return Err(Failure::Answer { status: reply.status, text: reply.text() });
            }
            Err(error) if error.is_unconnected() => {}
            // Its Envoy was killed before the answer was whole.
            _ => drop(shared.perhaps.fetch_add(tokens + PROMPT, Ordering::Relaxed)),
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Tokens of the prompt, as replicas count them.
const PROMPT: u64 = 15;
