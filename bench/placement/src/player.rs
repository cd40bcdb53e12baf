//! Plays the sessions and notes what came of each request.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use weir_harness::{HttpClient, Reply, Request};

use crate::load::{Plan, Session};

/// What came of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// From sending to the first byte of the body; `None` if the reply was not a whole answer.
    pub(crate) ttft: Option<Duration>,
    pub(crate) prompt_tokens: u64,
    pub(crate) cached_tokens: u64,
}

/// Plays all sessions, each at its time; ends when the last answers have come. Of several addresses, each turn goes to the
/// next, as behind a balancer that knows nothing of sessions.
pub(crate) async fn play(
    addresses: &[SocketAddr],
    plan: &Plan,
    row: &str,
    router: &str,
) -> Vec<Asked> {
    let (start, done) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let end = start + plan.end;
    let progress = show_progress(format!("{row}, {router}"), Arc::clone(&done));
    let mut sessions = JoinSet::new();
    for (number, session) in plan.sessions.iter().cloned().enumerate() {
        let turns = addresses.iter().copied().cycle().skip(number % addresses.len().max(1));
        let turns = turns.take(session.turns.len()).collect();
        sessions.spawn(converse(turns, session, (start, end), Arc::clone(&done)));
    }
    let played = sessions.join_all().await;
    progress.abort();
    if std::io::stdout().is_terminal() {
        print!("\r");
    }
    played.into_iter().flatten().collect()
}

async fn converse(
    addresses: Vec<SocketAddr>,
    mut session: Session,
    (start, end): (Instant, Instant),
    done: Arc<AtomicUsize>,
) -> Vec<Asked> {
    sleep_until(start + session.arrival).await;
    let mut asked = Vec::new();
    for (turn, address) in session.turns.clone().into_iter().zip(addresses) {
        if Instant::now() >= end {
            break;
        }
        let request = Request::post("/v1/chat/completions").json(&session.ask(&turn));
        // A connection for each request, so that any worker of the router may get it.
        let reply = HttpClient::http1().send(address, request).await.ok();
        let answer = reply.filter(|reply| reply.status == 200 && reply.complete);
        done.fetch_add(1, Ordering::Relaxed);
        asked.push(describe(answer.as_ref()));
        let Some(reply) = answer else { break };
        session.answered(&text_of(&reply));
        sleep(turn.think).await;
    }
    asked
}

fn text_of(reply: &Reply) -> String {
    let events = reply.event_documents();
    let text = |event: &serde_json::Value| {
        event.pointer("/choices/0/delta/content")?.as_str().map(str::to_owned)
    };
    events.iter().filter_map(text).collect()
}

fn describe(reply: Option<&Reply>) -> Asked {
    let Some(reply) = reply else {
        return Asked { ttft: None, prompt_tokens: 0, cached_tokens: 0 };
    };
    let events = reply.event_documents();
    let count = |path: &str| {
        let counts = events.iter().rev().find_map(|event| event.pointer(path)?.as_u64());
        counts.unwrap_or(0)
    };
    Asked {
        ttft: Some(reply.first_byte),
        prompt_tokens: count("/usage/prompt_tokens"),
        cached_tokens: count("/usage/prompt_tokens_details/cached_tokens"),
    }
}

/// Shows how far the load is: on a terminal in one line, elsewhere a line now and then.
fn show_progress(name: String, done: Arc<AtomicUsize>) -> JoinHandle<()> {
    let terminal = std::io::stdout().is_terminal();
    let (start, end, pause) = if terminal { ("\r", "", 1) } else { ("", "\n", 20) };
    let began = Instant::now();
    tokio::spawn(async move {
        loop {
            sleep(Duration::from_secs(pause)).await;
            let (requests, seconds) = (done.load(Ordering::Relaxed), began.elapsed().as_secs());
            print!("{start}  {name}: {requests} requests in {seconds} s{end}");
            // A progress line that cannot be written is no reason to stop.
            let _ = std::io::stdout().flush();
        }
    })
}
