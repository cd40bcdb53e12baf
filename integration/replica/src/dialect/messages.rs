//! Anthropic messages. The API has one choice; further ones are left out.

use serde_json::{Value, json};

use super::completion::{Completion, Delta, Step, named, put};
use crate::reply::{Choice, Part};

pub(super) fn document(reply: &Completion) -> Value {
    let choice = reply.choices.first();
    let blocks = choice.iter().flat_map(|choice| &choice.parts).map(whole_block).collect();
    let mut message = envelope(reply, blocks, reply.usage.completion);
    put(&mut message, "stop_reason", json!(choice.map(stop_reason)));
    message
}

pub(super) fn stream(reply: &Completion) -> Vec<Step> {
    let start = json!({"type": "message_start", "message": envelope(reply, Vec::new(), 1)});
    let mut steps = vec![Step::unpaced(named(&start))];
    steps.push(Step::unpaced(named(&json!({"type": "ping"}))));
    for round in reply.rounds() {
        let events: String =
            round.iter().filter(|delta| delta.choice == 0).map(block_events).collect();
        if !events.is_empty() {
            steps.push(Step::paced(events));
        }
    }
    let stop = reply.choices.first().map(stop_reason);
    let usage = json!({"output_tokens": reply.usage.completion});
    let delta = json!({"stop_reason": stop, "stop_sequence": null});
    let end = json!({"type": "message_delta", "delta": delta, "usage": usage});
    steps.push(Step::unpaced(named(&end)));
    steps.push(Step::unpaced(named(&json!({"type": "message_stop"}))));
    steps
}

fn envelope(reply: &Completion, blocks: Vec<Value>, output_tokens: usize) -> Value {
    let usage = reply.usage;
    json!({
        "id": format!("msg_{:016x}", reply.id),
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": blocks,
        "stop_reason": null,
        "stop_sequence": null,
        "usage": {
            "input_tokens": usage.prompt.saturating_sub(usage.cached),
            "cache_read_input_tokens": usage.cached,
            "cache_creation_input_tokens": 0,
            "output_tokens": output_tokens,
        },
    })
}

fn stop_reason(choice: &Choice) -> &str {
    if choice.refusal().is_some() {
        return "refusal";
    }
    match choice.finish.as_str() {
        "stop" => "end_turn",
        "length" => "max_tokens",
        "tool_calls" => "tool_use",
        other => other,
    }
}

fn whole_block(part: &Part) -> Value {
    let mut block = empty_block(part);
    match part {
        Part::Reasoning(text) => {
            put(&mut block, "thinking", json!(text));
            put(&mut block, "signature", json!(SIGNATURE));
        }
        Part::Content(text) | Part::Refusal(text) => put(&mut block, "text", json!(text)),
        Part::ToolCall(call) => {
            let input = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
            put(&mut block, "input", input);
        }
    }
    block
}

/// A stand-in for the signature of a thinking block.
const SIGNATURE: &str = "c2ltdWxhdGVk";

fn empty_block(part: &Part) -> Value {
    match part {
        Part::Reasoning(_) => json!({"type": "thinking", "thinking": "", "signature": ""}),
        Part::Content(_) | Part::Refusal(_) => json!({"type": "text", "text": ""}),
        Part::ToolCall(call) => {
            json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}})
        }
    }
}

/// The delta itself, with the block's start before the first and its stop after the last.
fn block_events(delta: &Delta<'_>) -> String {
    let index = delta.position;
    let mut events = String::new();
    if delta.first {
        let block = empty_block(delta.part);
        let start = json!({"type": "content_block_start", "index": index, "content_block": block});
        events.push_str(&named(&start));
    }
    let change = match delta.part {
        Part::Reasoning(_) => json!({"type": "thinking_delta", "thinking": delta.text}),
        Part::Content(_) | Part::Refusal(_) => json!({"type": "text_delta", "text": delta.text}),
        Part::ToolCall(_) => json!({"type": "input_json_delta", "partial_json": delta.text}),
    };
    events.push_str(&block_delta(index, &change));
    if delta.last {
        if matches!(delta.part, Part::Reasoning(_)) {
            let signature = json!({"type": "signature_delta", "signature": SIGNATURE});
            events.push_str(&block_delta(index, &signature));
        }
        events.push_str(&named(&json!({"type": "content_block_stop", "index": index})));
    }
    events
}

fn block_delta(index: usize, change: &Value) -> String {
    named(&json!({"type": "content_block_delta", "index": index, "delta": change}))
}
