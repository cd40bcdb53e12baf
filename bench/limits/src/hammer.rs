//! One run: all clients at once, until nobody gets anything any more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_harness::{HttpClient, Request, run_concurrently};

use crate::failure::Failure;
use crate::gateway::{Gateway, Standing};
use crate::options::Options;
use crate::policy::LIMIT;

/// Between two looks at what is spent and reserved.
const LOOK: Duration = Duration::from_millis(2);

/// How long the last settlements may take.
const SETTLED: Duration = Duration::from_secs(10);

/// Most tokens of an answer; the answers have 10 to 100.
const MAX_TOKENS: u64 = 100;

/// What became of one run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) admitted: usize,
    pub(crate) refused: usize,
    /// Tokens that replicas used, as they report.
    pub(crate) used: f64,
    /// What the key owes in the end.
    pub(crate) charged: f64,
    /// The most that was spent and reserved at any look.
    pub(crate) held: f64,
    /// Requests that were let go although others, answered before they were sent, had used up the limit.
    pub(crate) wrong: usize,
    pub(crate) took: Duration,
}

/// A request that was let go, and what it used.
#[derive(Debug, Clone, Copy)]
struct Served {
    sent: Instant,
    answered: Instant,
    used: f64,
}

/// Hammers the limit with a key that nobody has used.
///
/// # Errors
/// When something does not answer, or answers what no limit does.
pub(crate) async fn run(gateway: &Gateway, number: u32, options: &Options) -> Result<Run, Failure> {
    let before: Vec<String> = gateway.keys().await?.into_iter().map(|key| key.key).collect();
    let (begun, done) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let (held, answers) = tokio::join!(most_held(gateway, &before, &done), async {
        let answers = clients(gateway, number, options).await;
        done.store(true, Ordering::Relaxed);
        answers
    });
    let (answers, took) = (answers?, begun.elapsed());
    let last = settled(gateway, &before).await?;
    let served: Vec<Served> = answers.iter().flatten().copied().collect();
    Ok(Run {
        admitted: served.len(),
        refused: answers.len() - served.len(),
        used: served.iter().map(|one| one.used).sum(),
        charged: last.spent,
        held: held?.max(last.spent),
        wrong: served.iter().filter(|one| is_wrong(one, &served)).count(),
        took,
    })
}

/// Whether a request was let go although what was settled before it was sent had used up the limit: an answer's end
/// comes to a client after it was settled.
fn is_wrong(one: &Served, all: &[Served]) -> bool {
    let before = all.iter().filter(|other| other.answered <= one.sent);
    before.map(|other| other.used).sum::<f64>() >= LIMIT as f64
}

async fn clients(
    gateway: &Gateway,
    number: u32,
    options: &Options,
) -> Result<Vec<Option<Served>>, Failure> {
    let (clients, requests) = (options.clients as usize, options.requests as usize);
    let answers = run_concurrently(clients, requests, |index| {
        ask(gateway.http.clone(), gateway.address(), request(number, index as u64))
    });
    answers.await.into_iter().collect()
}

/// Asks; `None` if it is refused.
async fn ask(
    http: HttpClient,
    address: SocketAddr,
    request: Request,
) -> Result<Option<Served>, Failure> {
    let sent = Instant::now();
    let reply = http.send(address, request).await?;
    match reply.status {
        200 => {
            let usage: Value = reply.json().unwrap_or_default();
            let used = usage.pointer("/usage/total_tokens").and_then(Value::as_f64);
            let used = used.unwrap_or_default();
            Ok(Some(Served { sent, answered: Instant::now(), used }))
        }
        429 => Ok(None),
        status => Err(Failure::Answer { status, text: reply.text() }),
    }
}

/// A chat with a prompt of 10 to 100 words, whose answer has 10 to 100 tokens.
fn request(number: u32, index: u64) -> Request {
    let words = 10 + index * 53 % 91;
    let prompt = "What is new today? ".repeat(usize::try_from(words / 4).unwrap_or_default());
    Request::post("/v1/chat/completions")
        .header("x-api-key", "key-of-ann")
        .header("x-run", format!("run {number}"))
        .header("x-weir-output-tokens", (10 + index * 37 % 91).to_string())
        .json(&json!({
            "model": "llama-3.1-8b-instruct", "max_tokens": MAX_TOKENS,
            "messages": [{"role": "user", "content": prompt}],
        }))
}

/// The most that the run's key had spent and reserved at any look.
async fn most_held(
    gateway: &Gateway,
    before: &[String],
    done: &AtomicBool,
) -> Result<f64, Failure> {
    let mut most = 0.0_f64;
    while !done.load(Ordering::Relaxed) {
        if let Some(standing) = own(gateway, before).await? {
            most = most.max(standing.spent + standing.reserved);
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(most)
}

/// How the run's key stands when nothing is reserved any more.
async fn settled(gateway: &Gateway, before: &[String]) -> Result<Standing, Failure> {
    let begun = Instant::now();
    loop {
        let standing = own(gateway, before).await?;
        match standing {
            Some(standing) if standing.reserved == 0.0 => return Ok(standing),
            _ if begun.elapsed() > SETTLED => {
                return Err(Failure::Unseen(format!("{standing:?}")));
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

/// The key that was not there before.
async fn own(gateway: &Gateway, before: &[String]) -> Result<Option<Standing>, Failure> {
    let keys = gateway.keys().await?;
    Ok(keys.into_iter().find(|standing| !before.contains(&standing.key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_wrong_if_the_limit_was_used_up_before_it_was_sent() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let first = Served { sent: at(0), answered: at(5), used: LIMIT as f64 };
        let beside = Served { sent: at(4), answered: at(9), used: 9.0 };
        let after = Served { sent: at(6), answered: at(9), used: 9.0 };
        let all = [first, beside, after];
        assert_eq!(all.map(|one| is_wrong(&one, &all)), [false, false, true]);
    }
}
