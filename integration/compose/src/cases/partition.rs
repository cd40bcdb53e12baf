//! A replica that is frozen or cut off in the middle of a stream.

use std::time::Duration;

use serde_json::Value;

use super::failover::saw;
use super::positive::{body, chat};
use crate::case::{Case, Seen, expect};
use crate::error::Error;
use crate::stack::{self, QWEN, Running, Stack};

const GROUP: &str = "partition";

/// One of the two Envoys: the other one has connections of its own.
const ONE: &str = "http://envoy-a-application:10000/v1/chat/completions";

pub(super) const CASES: [Case; 2] = [
    Case::new(
        GROUP,
        "a replica is frozen for 4 s in the middle of a stream",
        "the stream goes on afterwards, and is whole",
        frozen,
    ),
    Case::new(
        GROUP,
        "a replica is cut off from its network in the middle of a stream",
        "the stream ends with an error in less than 30 s; other requests for its pool are served all the while, \
         those that belong to it, too; it serves again when it is back",
        cut_off,
    ),
];

/// Starts a stream of pieces `gap_ms` apart, and says which replica has it.
fn start(stack: &Stack, mark: &str, gap_ms: u64) -> Result<(Running, &'static str), Error> {
    let body = body("qwen", mark, true);
    let delay = format!("x-weir-frame-delay-ms: {gap_ms}");
    let words = [
        "request",
        ONE,
        "--body",
        &body,
        "--silence-s",
        "60",
        "--header",
        &delay,
        "--header",
        "x-weir-frame-bytes: 100",
        "--header",
        "x-weir-reply-text: hello%20there",
    ];
    let stream = stack.start_probe("client", &words)?;
    let mut serving = None;
    stack::wait(Duration::from_secs(10), "no replica has the stream", || {
        for name in QWEN {
            if saw(stack, name, mark)? {
                serving = Some(name);
            }
        }
        Ok(serving.is_some())
    })?;
    let serving = serving.ok_or_else(|| Error::unexpected("no replica has", mark))?;
    // The first pieces are on their way.
    std::thread::sleep(Duration::from_millis(gap_ms * 2));
    Ok((stream, serving))
}

fn is_whole(reply: &Value) -> bool {
    reply["complete"] == true
        && reply["body"].as_str().is_some_and(|body| body.ends_with("data: [DONE]\n\n"))
}

fn frozen(stack: &Stack) -> Seen {
    let (stream, replica) = start(stack, "heron-1", 400)?;
    let id = stack.id(replica)?;
    stack.docker(&["pause", &id])?;
    std::thread::sleep(Duration::from_secs(4));
    stack.docker(&["unpause", &id])?;
    let reply = stream.finish()?;
    let whole = is_whole(&reply);
    let seen = format!(
        "{} from {replica}, {}, a gap of {} ms",
        reply["status"],
        if whole { "whole" } else { "cut" },
        reply["longest_gap_ms"]
    );
    let gap = reply["longest_gap_ms"].as_u64().is_some_and(|gap| gap > 3000);
    expect(reply["status"] == 200 && whole && gap, seen)
}

fn cut_off(stack: &Stack) -> Seen {
    // So long that it belongs to the replica that has it in its cache.
    let conversation = "heron-2, and what it did all day long. ".repeat(100);
    let (stream, replica) = start(stack, &conversation, 2500)?;
    let ask = |prompt: &str| {
        let body = body("qwen", prompt, false);
        stack.probe("client", &["request", ONE, "--body", &body])
    };
    // The second connection of this Envoy to this replica, which stays open and without use.
    ask(&format!("{conversation} And then?"))?;
    let again = saw(stack, replica, "And then?")?;
    let (id, network) = (stack.id(replica)?, stack.network("inference"));
    stack.docker(&["network", "disconnect", &network, &id])?;
    let mut others = vec![ask(&format!("{conversation} And in the end?"))?];
    for turn in 0..5 {
        others.push(ask(&format!("While one is away, {turn}"))?);
    }
    let reply = stream.finish()?;
    stack.docker(&["network", "connect", "--alias", replica, &network, &id])?;
    let mut turn = 0;
    stack::wait(Duration::from_secs(30), "the replica does not serve again", || {
        // Another prompt each time: the same one goes where it went before.
        turn += 1;
        chat(stack, "qwen", &format!("{turn}: who saw the kestrel?"), &[])?;
        saw(stack, replica, "kestrel")
    })?;
    let served = others.iter().filter(|reply| reply["status"] == 200).count();
    let slowest = others.iter().filter_map(|reply| reply["took_ms"].as_u64()).max();
    let problems: Vec<_> = others.iter().filter_map(|reply| reply["problem"].as_str()).collect();
    let took = reply["took_ms"].as_u64().unwrap_or_default();
    let seen = format!(
        "{} from {replica}, {} after {took} ms ({}); the conversation {}; meanwhile {served} of {} served, \
         the slowest after {} ms {problems:?}; it serves again",
        reply["status"],
        if is_whole(&reply) { "whole" } else { "cut" },
        reply["problem"].as_str().unwrap_or("no problem"),
        if again { "went on there" } else { "went elsewhere" },
        others.len(),
        slowest.unwrap_or_default(),
    );
    expect(again && !is_whole(&reply) && took < 40_000 && served == others.len(), seen)
}
