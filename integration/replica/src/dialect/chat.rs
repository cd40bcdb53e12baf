//! OpenAI chat completions.

use serde_json::{Value, json};

use super::completion::{Completion, Delta, Step, data, put};
use crate::reply::{Choice, Cut, Part, ToolCall};

pub(super) fn document(reply: &Completion) -> Value {
    let choices = reply.choices.iter().enumerate();
    let choices = choices.map(|(index, choice)| whole_choice(reply, index, choice));
    let mut body = envelope(reply, "chat.completion", choices.collect());
    put(&mut body, "usage", reply.usage.openai());
    body
}

pub(super) fn stream(reply: &Completion) -> Vec<Step> {
    let opening = (0..reply.choices.len())
        .map(|index| chunk(reply, index, json!({"role": "assistant", "content": ""}), None));
    let mut steps = vec![Step::unpaced(opening.collect())];
    steps.extend(
        reply.rounds().iter().map(|round| {
            Step::paced(round.iter().map(|delta| delta_chunk(reply, delta)).collect())
        }),
    );
    let ends = reply.choices.iter().enumerate();
    let ends = ends.map(|(index, choice)| chunk(reply, index, json!({}), Some(&choice.finish)));
    steps.push(Step::unpaced(ends.collect()));
    if reply.include_usage {
        let mut last = envelope(reply, "chat.completion.chunk", Vec::new());
        put(&mut last, "usage", reply.usage.openai());
        steps.push(Step::unpaced(data(&last)));
    }
    steps.push(Step::unpaced("data: [DONE]\n\n".to_owned()));
    steps
}

/// What every document and chunk of the OpenAI dialects begins with.
fn envelope(reply: &Completion, object: &str, choices: Vec<Value>) -> Value {
    json!({
        "id": format!("chatcmpl-{:016x}", reply.id),
        "object": object,
        "created": reply.created,
        "model": reply.model,
        "choices": choices,
    })
}

fn whole_choice(reply: &Completion, index: usize, choice: &Choice) -> Value {
    let mut message = json!({"role": "assistant", "content": choice.content()});
    for (name, text) in [("reasoning_content", choice.reasoning()), ("refusal", choice.refusal())] {
        if let Some(text) = text {
            put(&mut message, name, json!(text));
        }
    }
    let calls: Vec<Value> = choice.tool_calls().map(whole_call).collect();
    if !calls.is_empty() {
        put(&mut message, "tool_calls", json!(calls));
    }
    let logprobs =
        reply.logprobs.map(|alternatives| whole_logprobs(choice, reply.cut, alternatives));
    json!({
        "index": index, "message": message, "logprobs": logprobs, "finish_reason": choice.finish,
    })
}

fn whole_call(call: &ToolCall) -> Value {
    let function = json!({"name": call.name, "arguments": call.arguments});
    json!({"id": call.id, "type": "function", "function": function})
}

fn whole_logprobs(choice: &Choice, cut: Cut, alternatives: usize) -> Value {
    let tokens = |text: Option<String>| {
        text.map(|text| {
            let pieces = cut.pieces(&text).into_iter();
            pieces.map(|piece| logprob(piece, alternatives)).collect::<Vec<_>>()
        })
    };
    json!({"content": tokens(choice.content()), "refusal": tokens(choice.refusal())})
}

/// One token of `logprobs.content`, with alternatives that repeat its text.
fn logprob(token: &str, alternatives: usize) -> Value {
    let entry = json!({"token": token, "logprob": -0.25, "bytes": token.as_bytes()});
    let top: Vec<Value> = (0..alternatives).map(|_| entry.clone()).collect();
    let mut whole = entry;
    put(&mut whole, "top_logprobs", json!(top));
    whole
}

fn delta_chunk(reply: &Completion, delta: &Delta<'_>) -> String {
    let content = match delta.part {
        Part::Content(_) => json!({"content": delta.text}),
        Part::Reasoning(_) => json!({"reasoning_content": delta.text}),
        Part::Refusal(_) => json!({"refusal": delta.text}),
        Part::ToolCall(call) => json!({"tool_calls": [call_delta(call, delta)]}),
    };
    let mut choice = json!({"index": delta.choice, "delta": content, "finish_reason": null});
    if let Some(logprobs) = delta_logprobs(reply, delta) {
        put(&mut choice, "logprobs", logprobs);
    }
    data(&envelope(reply, "chat.completion.chunk", vec![choice]))
}

fn delta_logprobs(reply: &Completion, delta: &Delta<'_>) -> Option<Value> {
    let token = json!([logprob(delta.text, reply.logprobs?)]);
    match delta.part {
        Part::Content(_) => Some(json!({"content": token})),
        Part::Refusal(_) => Some(json!({"refusal": token})),
        Part::Reasoning(_) | Part::ToolCall(_) => None,
    }
}

/// The first delta of a call names it; all carry a piece of its arguments.
fn call_delta(call: &ToolCall, delta: &Delta<'_>) -> Value {
    let (index, arguments) = (delta.tool, delta.text);
    if delta.first {
        let function = json!({"name": call.name, "arguments": arguments});
        json!({"index": index, "id": call.id, "type": "function", "function": function})
    } else {
        json!({"index": index, "function": {"arguments": arguments}})
    }
}

fn chunk(reply: &Completion, index: usize, delta: Value, finish: Option<&str>) -> String {
    let choice = json!({"index": index, "delta": delta, "finish_reason": finish});
    data(&envelope(reply, "chat.completion.chunk", vec![choice]))
}
