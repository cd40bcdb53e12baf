//! A bounded load: some clients with one request at a time each, for some seconds.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::{Value, json};

use crate::http::{self, Ask, Reply};

/// The most clients and seconds that are taken, whatever is asked for.
const MOST_CLIENTS: usize = 16;
const MOST_SECONDS: u64 = 180;
/// What a client waits between two requests.
const PAUSE: Duration = Duration::from_millis(40);

/// What to send, and for how long.
#[derive(Debug, Clone, Args)]
pub(crate) struct Load {
    /// http://HOST:PORT/PATH of chat completions.
    url: String,
    /// A model; the clients take turns. May be given several times.
    #[arg(long = "model", required = true)]
    models: Vec<String>,
    /// Clients at once, 16 at most.
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// For how long, 180 s at most; less when standard input ends before.
    #[arg(long)]
    seconds: u64,
}

/// One request that failed, with times in ms since 1970.
struct Failed {
    started: u64,
    ended: u64,
    model: String,
    what: String,
}

#[derive(Default)]
struct Tally {
    requests: usize,
    streams: usize,
    slowest: Duration,
    failed: Vec<Failed>,
}

/// Half of the requests are for streams.
///
/// # Errors
/// When the URL is none.
pub(crate) fn run(load: &Load) -> Result<Value, String> {
    let (tally, enough) = (Mutex::new(Tally::default()), end_of_input());
    let until = Instant::now() + Duration::from_secs(load.seconds.min(MOST_SECONDS));
    std::thread::scope(|scope| {
        let clients = (0..load.clients.min(MOST_CLIENTS))
            .map(|client| {
                scope.spawn({
                    let (tally, enough) = (&tally, &enough);
                    let go_on = move || Instant::now() < until && !enough.load(Ordering::Relaxed);
                    move || client_of(load, client, go_on, tally)
                })
            })
            .collect::<Vec<_>>();
        clients.into_iter().try_for_each(|client| {
            client.join().unwrap_or_else(|_| Err("a client ended early".to_owned()))
        })
    })?;
    let tally = tally.into_inner().map_err(|error| error.to_string())?;
    let failed = tally.failed.iter().map(|failed| {
        json!({"started_ms": failed.started, "ended_ms": failed.ended, "model": failed.model, "what": failed.what})
    });
    Ok(json!({
        "requests": tally.requests,
        "streams": tally.streams,
        "slowest_ms": tally.slowest.as_millis() as u64,
        "failed": failed.collect::<Vec<_>>(),
    }))
}

/// Becomes true when standard input ends.
fn end_of_input() -> Arc<AtomicBool> {
    let ended = Arc::new(AtomicBool::new(false));
    std::thread::spawn({
        let ended = Arc::clone(&ended);
        move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            ended.store(true, Ordering::Relaxed);
        }
    });
    ended
}

fn client_of(
    load: &Load,
    client: usize,
    go_on: impl Fn() -> bool,
    tally: &Mutex<Tally>,
) -> Result<(), String> {
    let mut turn = client;
    while go_on() {
        turn = turn.wrapping_add(1);
        let model = load.models.get(turn % load.models.len().max(1)).cloned().unwrap_or_default();
        let stream = (turn / load.models.len().max(1)).is_multiple_of(2);
        let (started, clock) = (now_ms(), Instant::now());
        let reply = http::send(&ask(load, &model, stream, turn))?;
        let what = problem(&reply, stream);
        if let Ok(mut tally) = tally.lock() {
            tally.requests += 1;
            tally.streams += usize::from(stream);
            tally.slowest = tally.slowest.max(clock.elapsed());
            if let Some(what) = what {
                tally.failed.push(Failed { started, ended: now_ms(), model, what });
            }
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

fn ask(load: &Load, model: &str, stream: bool, turn: usize) -> Ask {
    let prompt = format!("Tell me about number {turn}, in a few words.");
    let body = json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": prompt}]});
    Ask {
        url: load.url.clone(),
        method: None,
        headers: Vec::new(),
        body: Some(body.to_string()),
        silence_s: 20,
    }
}

fn problem(reply: &Reply, stream: bool) -> Option<String> {
    let done = |body: &[u8]| body.windows(12).any(|piece| piece == b"data: [DONE]");
    match reply {
        Reply { problem: Some(problem), status, .. } => Some(format!("status {status}, {problem}")),
        Reply { status: 200, body, .. } if !stream || done(body) => None,
        Reply { status: 200, .. } => Some("a stream without its end".to_owned()),
        Reply { status, body, .. } => {
            let text = String::from_utf8_lossy(body.get(..200).unwrap_or(body)).into_owned();
            Some(format!("status {status}: {text}"))
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str, problem: Option<&str>) -> Reply {
        let problem = problem.map(str::to_owned);
        Reply { status, body: body.into(), problem, ..Reply::default() }
    }

    #[test]
    fn only_a_whole_answer_counts_as_served() {
        assert_eq!(problem(&reply(200, "{}", None), false), None);
        assert_eq!(problem(&reply(200, "data: x\n\ndata: [DONE]\n\n", None), true), None);
        for failed in [
            problem(&reply(200, "data: x\n\n", None), true),
            problem(&reply(200, "data: [DONE]", Some("ended early")), true),
            problem(&reply(503, "no healthy upstream", None), false),
            problem(&reply(0, "", Some("connecting: refused")), false),
        ] {
            assert!(failed.is_some());
        }
    }
}
