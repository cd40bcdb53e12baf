//! A replica that is frozen or cut off in the middle of a stream.

use std::time::Duration;

use serde_json::Value;

use super::failover::saw;
use super::positive::{CHAT, body, chat};
use crate::case::{Case, Seen, expect};
use crate::error::Error;
use crate::stack::{self, QWEN, Running, Stack};

const GROUP: &str = "partition";

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
        "the stream ends with an error in less than 30 s; other requests for its pool are served all the while; \
         it serves again when it is back",
        cut_off,
    ),
];

/// Starts a stream of pieces `gap_ms` apart, and says which replica has it.
fn start(stack: &Stack, mark: &str, gap_ms: u64) -> Result<(Running, &'static str), Error> {
    let body = body("qwen", mark, true);
    let delay = format!("x-weir-frame-delay-ms: {gap_ms}");
    let words = [
        "request",
        CHAT,
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
    let (stream, replica) = start(stack, "heron-2", 2500)?;
    let (id, network) = (stack.id(replica)?, stack.network("inference"));
    stack.docker(&["network", "disconnect", &network, &id])?;
    let mut others = Vec::new();
    for turn in 0..6 {
        others.push(
            chat(stack, "qwen", &format!("While one is away, {turn}"), &[])?["status"].clone(),
        );
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
    let served = others.iter().filter(|status| **status == 200).count();
    let took = reply["took_ms"].as_u64().unwrap_or_default();
    let seen = format!(
        "{} from {replica}, {} after {took} ms ({}); meanwhile {served} of {} others served; it serves again",
        reply["status"],
        if is_whole(&reply) { "whole" } else { "cut" },
        reply["problem"].as_str().unwrap_or("no problem"),
        others.len()
    );
    expect(!is_whole(&reply) && took < 40_000 && served == others.len(), seen)
}
