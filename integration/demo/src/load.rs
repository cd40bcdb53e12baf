//! Plays the load through Envoy and notes what came of each request.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use weir_harness::{HarnessError, HttpClient, Reply, Request, run_concurrently};

use crate::conversation::{Conversation, TURNS};
use crate::error::DemoError;
use crate::stack::Stack;

/// What a person needs to read an answer and to type.
const THINKING: Duration = Duration::from_millis(300);

/// What came of one request.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) conversation: usize,
    pub(crate) turn: usize,
    pub(crate) model: &'static str,
    pub(crate) wanted_pool: &'static str,
    pub(crate) pool: &'static str,
    pub(crate) replica: String,
    pub(crate) status: u16,
    pub(crate) prompt_tokens: u64,
    pub(crate) cached_tokens: u64,
    pub(crate) ttft: Duration,
}

/// What came of a request that should be refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) what: &'static str,
    pub(crate) wanted: u16,
    pub(crate) status: u16,
    pub(crate) code: String,
}

/// Plays all conversations at once, each turn after the answer to the one before.
pub(crate) async fn play(stack: &Stack, name: &str) -> Result<Vec<Served>, DemoError> {
    let conversations = Conversation::all();
    let (count, done) = (conversations.len(), Arc::new(AtomicUsize::new(0)));
    let (client, address, total) = (HttpClient::http1(), stack.clients(), count * TURNS);
    let progress = show_progress(name.to_owned(), Arc::clone(&done), total);
    let played = run_concurrently(count, count, |index| {
        let (conversation, client) = (conversations[index].clone(), client.clone());
        let done = Arc::clone(&done);
        async move {
            // People do not all press Enter in the same instant.
            tokio::time::sleep(Duration::from_millis(60) * u32::try_from(index).unwrap_or(0)).await;
            converse(&client, address, conversation, &done).await
        }
    })
    .await;
    progress.abort();
    let start = if std::io::stdout().is_terminal() { "\r" } else { "\n" };
    println!("{start}     {name}: {total} of {total} requests");
    let mut served = Vec::new();
    for (index, replies) in played.into_iter().enumerate() {
        for (turn, reply) in replies?.iter().enumerate() {
            served.push(describe(stack, index, turn, &conversations[index], reply));
        }
    }
    served.sort_by_key(|one| (one.turn, one.conversation));
    Ok(served)
}

/// Plays one conversation, and counts its turns in `done`.
async fn converse(
    client: &HttpClient,
    address: SocketAddr,
    mut conversation: Conversation,
    done: &AtomicUsize,
) -> Result<Vec<Reply>, HarnessError> {
    let mut replies = Vec::new();
    for turn in 0..TURNS {
        let body = conversation.ask(turn);
        let request = Request::post("/v1/chat/completions").json(&body);
        let reply = client.send(address, request).await?;
        conversation.answered(&answer(&reply));
        replies.push(reply);
        done.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(THINKING).await;
    }
    Ok(replies)
}

/// Shows how far the load is: on a terminal in one line, elsewhere a line every few seconds.
fn show_progress(
    name: String,
    done: Arc<AtomicUsize>,
    total: usize,
) -> tokio::task::JoinHandle<()> {
    let terminal = std::io::stdout().is_terminal();
    let (start, pause) = if terminal { ("\r", 200) } else { ("\n", 3000) };
    tokio::spawn(async move {
        loop {
            print!("{start}     {name}: {} of {total} requests", done.load(Ordering::Relaxed));
            // A progress line that cannot be written is no reason to stop.
            let _ = std::io::stdout().flush();
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    })
}

/// The text of a streamed answer.
pub(crate) fn answer(reply: &Reply) -> String {
    let pieces = reply.event_documents();
    pieces.iter().filter_map(|piece| piece["choices"][0]["delta"]["content"].as_str()).collect()
}

fn describe(
    stack: &Stack,
    conversation: usize,
    turn: usize,
    script: &Conversation,
    reply: &Reply,
) -> Served {
    let events = reply.event_documents();
    let usage = events.iter().rev().find(|event| event["usage"].is_object());
    let count = |path: &str| usage.and_then(|event| event.pointer(path)?.as_u64()).unwrap_or(0);
    let replica = reply.header("x-weir-replica").to_owned();
    Served {
        conversation,
        turn,
        model: script.model(turn),
        wanted_pool: script.pool,
        pool: stack.pool_of(&replica),
        replica,
        status: reply.status,
        prompt_tokens: count("/usage/prompt_tokens"),
        cached_tokens: count("/usage/prompt_tokens_details/cached_tokens"),
        ttft: reply.first_byte,
    }
}

/// Sends what must be refused.
pub(crate) async fn refusals(stack: &Stack) -> Result<Vec<Refusal>, DemoError> {
    const CASES: [(&str, u16, &[u8]); 4] = [
        ("unknown model", 404, br#"{"model":"nope","messages":[]}"#),
        ("malformed JSON", 400, br#"{"model":"qwen","messages":[}"#),
        ("model given twice", 400, br#"{"model":"qwen","model":"nope","messages":[]}"#),
        ("no model", 400, br#"{"messages":[]}"#),
    ];
    let client = HttpClient::http1();
    let mut refusals = Vec::new();
    for (what, wanted, body) in CASES {
        let request = Request::post("/v1/chat/completions").body(body);
        let reply = client.send(stack.clients(), request).await?;
        let document = reply.json().unwrap_or(Value::Null);
        let code = document["error"]["code"].as_str().or(document["error"]["type"].as_str());
        let code = code.unwrap_or("?").to_owned();
        refusals.push(Refusal { what, wanted, status: reply.status, code });
    }
    Ok(refusals)
}
